"""The endpoints that a worker serves: route tables watched, loaded and warmed beside the traffic, swapped at once."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mainspring.base.errors import MainspringError
from mainspring.serving import metrics, routes
from mainspring.serving.predictor import Predictor
from mainspring.versioning.materials import materialise_address, policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.serving.routes import Role, Route, RouteTable
    from mainspring.store.workspace import Workspace

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.05
RETRY_SECONDS = 5.0
KEPT = 3
"""Versions of an endpoint that stay warm though no route leads to them, so that a rollback needs no loading."""

Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Live:
    """A route table with its predictors: what a request keeps from its beginning to its end."""

    table: RouteTable
    predictors: dict[Role, Predictor]

    def by_version(self, version: str) -> Predictor | None:
        """Return the predictor of a version that is routed."""
        return next((found for found in self.predictors.values() if found.version == version), None)


class Endpoints:
    """All endpoints of a workspace, kept up to date with their files."""

    def __init__(self, workspace: Workspace, worker: str, *, changed: Callable[[], None] = lambda: None) -> None:
        self.live: dict[str, Live] = {}
        self.problems: dict[str, str] = {}
        self.generations: dict[str, int] = {}
        """Of the routes in use, by endpoint; of one that was ended, of the table that says so."""
        self._workspace = workspace
        self._worker = worker
        self._changed = changed
        self._seen: dict[Path, Mark] = {}
        self._retry_at: dict[Path, float] = {}
        self._warm: dict[str, OrderedDict[tuple[str, str], Predictor]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._loading: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Look for new route tables until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.look()

    async def settle(self) -> None:
        """Take in what is there now, and return when all of it is loaded (or found broken)."""
        self.look()
        while self._loading:
            await asyncio.gather(*self._loading)

    def look(self) -> None:
        """Begin to take in every table that changed; a table whose versions are all warm is swapped in at once."""
        clock = asyncio.get_running_loop().time()
        for file in routes.files(self._workspace):
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._seen.get(file) == mark and clock < self._retry_at.get(file, float("inf")):
                continue
            self._seen[file] = mark
            self._retry_at.pop(file, None)
            self._take(file, mark)

    def _take(self, file: Path, mark: Mark) -> None:
        try:
            table = routes.read(file)
        except (MainspringError, OSError) as error:
            self._reject(file, error)
            return
        warm = self._warm.get(table.endpoint, OrderedDict())
        if all(_key(route) in warm for route in table.routes):
            self._swap(table, {_key(route): warm[_key(route)] for route in table.routes})
            return
        task = asyncio.get_running_loop().create_task(self._load(file, mark, table))
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)

    async def _load(self, file: Path, mark: Mark, table: RouteTable) -> None:
        loop = asyncio.get_running_loop()
        loaded: dict[tuple[str, str], Predictor] = dict(self._warm.get(table.endpoint, OrderedDict()))
        try:
            for route in table.routes:
                if _key(route) not in loaded:
                    loaded[_key(route)] = await loop.run_in_executor(self._thread, self._predictor, route)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a model does while loading, the old table stays
            if self._seen.get(file) == mark:
                self._reject(file, error)
            return
        if self._seen.get(file) == mark:
            self._swap(table, loaded)

    def _predictor(self, route: Route) -> Predictor:
        folder = materialise_address(self._workspace, route.artifact)
        return Predictor(route, folder, policy(self._workspace, route.artifact))

    def _swap(self, table: RouteTable, loaded: dict[tuple[str, str], Predictor]) -> None:
        name = table.endpoint
        live = {other: held for other, held in self.live.items() if other != name}
        if table.routes:
            live[name] = Live(table, {route.role: loaded[_key(route)] for route in table.routes})
        self.live = live
        self.generations[name] = table.generation
        self.problems.pop(name, None)
        self._keep(name, table, loaded)
        metrics.route(name, self._worker, table.generation, problem=False)
        log.info("%s: routes of generation %d are in use", name, table.generation)
        self._changed()

    def _keep(self, name: str, table: RouteTable, loaded: dict[tuple[str, str], Predictor]) -> None:
        if not table.routes:
            self._warm.pop(name, None)
            return
        warm = self._warm.setdefault(name, OrderedDict())
        used = {_key(route) for route in table.routes}
        for key in used:
            warm[key] = loaded[key]
            warm.move_to_end(key)
        while len(warm) > max(KEPT, len(used)):
            warm.popitem(last=False)

    def _reject(self, file: Path, error: BaseException) -> None:
        name = file.parent.name
        said = error.message if isinstance(error, MainspringError) else f"{type(error).__name__}: {error}"
        self._retry_at[file] = asyncio.get_running_loop().time() + RETRY_SECONDS
        if self.problems.get(name) != said:
            kept = self.live.get(name)
            stays = f"generation {kept.table.generation} stays in use" if kept else "nothing is served for it"
            log.error("%s: the new routes cannot be used: %s; %s", name, said, stays)
        self.problems[name] = said
        metrics.route(name, self._worker, self.generations.get(name, 0), problem=True)
        self._changed()

    def close(self) -> None:
        """Stop loading."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _key(route: Route) -> tuple[str, str]:
    return route.version, route.artifact
