"""Following the records from some nodes upwards, to what they came from, and downwards, to what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.versioning.lineage import nodes
from mainspring.versioning.lineage.graph import KINDS, Edge, Graph, Key, Kind
from mainspring.versioning.lineage.stages import LockedStages
from mainspring.versioning.lineage.writers import writing, written_by
from mainspring.versioning.records import lineage as rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from mainspring.store.workspace import Workspace

Link = tuple[Key, Key, str]


def walk(
    workspace: Workspace, roots: Sequence[Key], *, up: bool = True, down: bool = True, steps: int | None = None
) -> Graph:
    """Return what ``roots`` came from and what came of them, seen at one moment; what is beside them is left out.

    With ``steps``, what is more than so many edges away is, too, and the graph says so.

    Each round asks the records once a kind, for all nodes that the round before found: only what is reached is read.
    A step of a run that was remembered is a node, and its ``facts`` name the run that made it; the way ends there, for
    a run records itself every dataset that its steps could read. Stages that DVC ran come from ``dvc.lock``.
    """
    links: dict[Link, None] = {}
    stages = LockedStages(workspace)
    with workspace.database.read() as connection:
        seen, is_whole = set(roots), True
        for wanted, ways in ((up, _upwards(stages)), (down, _downwards(stages))):
            if wanted:
                found, ended = _follow(connection, roots, ways, links, steps)
                seen |= found
                is_whole = is_whole and ended
        described = stages.described(nodes.describe(connection, {key for key in seen if key.kind != "stage"}), seen)
    edges = [Edge(str(before), str(after), how) for before, after, how in links]
    return Graph(roots=[str(root) for root in roots], nodes=described, edges=sorted(edges), is_whole=is_whole)


def _follow(
    connection: Connection,
    roots: Iterable[Key],
    ways: dict[Kind, Callable[..., Iterable[Link]]],
    links: dict[Link, None],
    steps: int | None,
) -> tuple[set[Key], bool]:
    """Return what is found, its links put to the others, and whether that is all."""
    seen, waiting, rounds = set(roots), set(roots), 0
    while waiting:
        if rounds == steps:
            return seen, False
        rounds += 1
        found: set[Key] = set()
        for kind in KINDS:
            mine = sorted(key for key in waiting if key.kind == kind)
            if mine and kind in ways:
                for link in ways[kind](connection, mine):
                    links.setdefault(link)
                    found.update(link[:2])
        waiting = found - seen
        seen |= found
    return seen, True


def _upwards(stages: LockedStages) -> dict[Kind, Callable[..., Iterable[Link]]]:
    return {
        **_UP,
        "dataset": lambda connection, keys: [*writing(connection, keys), *stages.making(keys)],
        "stage": lambda _, keys: stages.read_by(keys),
    }


def _downwards(stages: LockedStages) -> dict[Kind, Callable[..., Iterable[Link]]]:
    return {
        **_DOWN,
        "dataset": lambda connection, keys: [*_readers(connection, keys), *stages.reading(keys)],
        "stage": lambda _, keys: stages.made_by(keys),
    }


# Downwards


def _readers(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    for name in sorted({key.name for key in keys}):
        md5s = [key.which for key in keys if key.name == name]
        for row in rows.readers(connection, name, md5s):
            yield Key("dataset", name, row.md5), Key("run", row.run_id), "read by"
    wanted = set(keys)
    for row in rows.histories(connection):
        for item in nodes.data_of(row.evidence):
            if item in wanted:
                yield item, Key("import", row.model, row.version), "read by"


def _brought(_connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    for key in keys:
        yield key, Key("model", key.name, key.which), "brought"


def _made(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    ids = [key.name for key in keys]
    for run, model, version in _existing(connection, rows.models_by_run(connection, ids)):
        yield Key("run", run), Key("model", model, version), "made"
    for run, model in rows.logged_by_run(connection, ids):
        yield Key("run", run), Key("logged model", model), "made"
    yield from written_by(connection, keys)


def _made_of_logged(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    ids = [key.name for key in keys]
    for row in rows.versions_of_logged(connection, ids):
        yield Key("logged model", row.logged_model_id), Key("model", row.model, row.version), "registered as"
    for run, model in rows.logged_read(connection, model_ids=ids):
        yield Key("logged model", model), Key("run", run), "read by"


def _released(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    wanted = {(key.name, key.which): key for key in keys}
    since = {(row.model, row.version): row.created_at for row in rows.versions_of(connection, list(wanted))}
    for row in rows.releases_of(connection, [key.name for key in keys]):
        at = since.get((row.endpoint, row.version))
        if at is not None and row.started_at >= at:  # before, a deleted model had the name
            yield wanted[row.endpoint, row.version], Key("release", row.endpoint, row.id), "released as"


def _served(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    wanted = {key.which for key in keys}
    for release in _serving(connection, [key.name for key in keys]):
        if release.which in wanted:
            yield release, Key("endpoint", release.name), "serves"


# Upwards


def _serves(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    for release in _serving(connection, [key.name for key in keys]):
        yield release, Key("endpoint", release.name), "serves"


def _release_of(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    wanted = {key.which for key in keys}
    mine = [row for row in rows.releases_of(connection, [key.name for key in keys]) if row.id in wanted]
    held = rows.versions_of(connection, [(row.endpoint, row.version) for row in mine])
    since = {(row.model, row.version): row.created_at for row in held}
    for row in mine:
        if row.started_at >= since.get((row.endpoint, row.version), row.started_at + 1):
            yield Key("model", row.endpoint, row.version), Key("release", row.endpoint, row.id), "released as"


def _makers(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    pairs = [(key.name, key.which) for key in keys]
    for run, model, version in _existing(connection, rows.runs_by_model(connection, pairs)):
        yield Key("run", run), Key("model", model, version), "made"
    for row in rows.versions_of(connection, pairs):
        if row.logged_model_id is not None:
            yield Key("logged model", row.logged_model_id), Key("model", row.model, row.version), "registered as"
    for model, version in nodes.imported(connection, pairs):
        yield Key("import", model, version), Key("model", model, version), "brought"


def _data_of_imports(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    for (model, version), row in nodes.imported(connection, [(key.name, key.which) for key in keys]).items():
        for item in nodes.data_of(row.evidence):
            yield item, Key("import", model, version), "read by"


def _logged_makers(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    for run, model in rows.runs_by_logged(connection, [key.name for key in keys]):
        yield Key("run", run), Key("logged model", model), "made"


def _inputs(connection: Connection, keys: Sequence[Key]) -> Iterable[Link]:
    ids = [key.name for key in keys]
    for row in rows.datasets_read(connection, ids):
        yield Key("dataset", row.dataset, row.md5), Key("run", row.run_id), "read by"
    for run, model in rows.logged_read(connection, run_ids=ids):
        yield Key("logged model", model), Key("run", run), "read by"
    for row in rows.steps_of_runs(connection, ids):
        yield Key("step", row.run_id, row.name), Key("run", row.run_id), "step of"


def _existing(connection: Connection, made: Sequence[tuple[str, str, str]]) -> Iterable[tuple[str, str, str]]:
    """Leave out what runs say they made and is gone, or was made under the same name by others since."""
    pairs = [(model, version) for _, model, version in made]
    held = {(row.model, row.version): row for row in rows.versions_of(connection, pairs)}
    ended = {row.id: row.ended_at for row in rows.runs_by_id(connection, [run for run, _, _ in made])}
    for run, model, version in made:
        row = held.get((model, version))
        if row is not None and (row.run_id == run or (ended.get(run) or row.created_at) >= row.created_at):
            yield run, model, version


def _serving(connection: Connection, endpoints: Sequence[str]) -> list[Key]:
    """Return the releases whose versions endpoints serve now."""
    routes = rows.routes_of(connection, endpoints)
    served = {(name, route["version"]) for name, row in routes.items() for route in row.routes["routes"]}
    found: dict[tuple[str, str], Key] = {}
    for row in rows.releases_of(connection, list(routes)):
        if (row.endpoint, row.version) in served:
            found.setdefault((row.endpoint, row.version), Key("release", row.endpoint, row.id))
    return sorted(found.values())


_DOWN: dict[Kind, Callable[..., Iterable[Link]]] = {
    "import": _brought,
    "run": _made,
    "logged model": _made_of_logged,
    "model": _released,
    "release": _served,
}
_UP: dict[Kind, Callable[..., Iterable[Link]]] = {
    "endpoint": _serves,
    "release": _release_of,
    "model": _makers,
    "logged model": _logged_makers,
    "run": _inputs,
    "import": _data_of_imports,
}
