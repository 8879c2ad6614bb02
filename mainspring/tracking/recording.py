"""A run while it lasts: what it logs, and how it ends."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from mainspring.base import clock
from mainspring.base.errors import Conflict, MainspringError, UsageError
from mainspring.store.workspace import Workspace
from mainspring.tracking import artifacts, figures
from mainspring.tracking.batch import param_conflict, point, write
from mainspring.tracking.buffer import Buffer
from mainspring.tracking.limits import check_key, param_text, tag_text
from mainspring.tracking.mirrors.begin import begin
from mainspring.tracking.records import inputs as input_rows
from mainspring.tracking.records import runs as run_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from mainspring.tracking.batch import Point
    from mainspring.versioning.known import DatasetVersion

RUN_VARIABLE = "MAINSPRING_RUN_ID"
Ending = Literal["finished", "failed", "killed"]
_ERROR_LENGTH = 500
_logger = logging.getLogger(__name__)

OPEN: dict[str, Run] = {}
"""The runs that this process records, by id."""
_inherited: list[Workspace] = []
"""What a forked process took over from its parent, and must neither use nor close."""


class Run:
    """A run that is being recorded. Made by ``start_run``; all methods may be called from any thread.

    Params, tags, inputs and artifacts are durable when the call returns. Metric points are buffered: a background
    thread writes them every second or every 10,000 points, ``flush`` and the end of the run write them at once. A
    process that is killed by a signal (SIGKILL, SIGTERM) loses the points that were waiting, and nothing else; its run
    stays ``running`` in the records and is shown as ``lost`` on the machine that it ran on.

    ``owned`` says whether this process started the run and ends it; processes that were forked or that attached
    themselves only log.
    """

    def __init__(
        self,
        workspace: Workspace,
        id: str,
        *,
        name: str,
        experiment: str,
        snapshot_id: str | None = None,
        parent: Run | None = None,
        owned: bool = True,
        closes_workspace: bool = False,
    ) -> None:
        self.workspace = workspace
        self.id = id
        self.name = name
        self.experiment = experiment
        self.snapshot_id = snapshot_id
        self.parent = parent
        self.owned = owned
        self.ended = False
        self._closes_workspace = closes_workspace
        self._params: dict[str, str] = {}
        self._buffer = Buffer(self._write_points, of=f"run {id}")
        OPEN[id] = self

    def __repr__(self) -> str:
        return f"<run {self.name} ({self.id}) of {self.experiment}>"

    def log_param(self, key: str, value: object) -> None:
        """Log a param.

        Raises:
            Conflict: it was logged before with another value.
            InvalidData: the name or the value is too long.
        """
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log params, all of them or none; as ``log_param``."""
        self._check_open()
        texts = {check_key(key, "param"): param_text(key, value) for key, value in params.items()}
        for key, value in texts.items():
            if self._params.get(key, value) != value:
                raise param_conflict(self.id, key, self._params[key], value)
        fresh = {key: value for key, value in texts.items() if key not in self._params}
        if fresh:
            with self.workspace.database.write() as connection:
                write(connection, self.id, params=fresh)
            self._params |= fresh

    def log_metric(self, key: str, value: Any, step: int = 0, *, at: int | None = None) -> None:
        """Log a metric's value at a step.

        ``value`` is a number (NaN and infinity are kept), or an estimate whose ``low``, ``high`` and ``n`` are kept with
        it. ``at`` is its moment in milliseconds since 1970, by default now.

        Raises:
            InvalidData: the name, the value, the step or the moment cannot be logged.
            Conflict: the run has ended.
        """
        self._add((point(key, value, step, at),))

    def log_metrics(self, metrics: Mapping[str, Any], step: int = 0, *, at: int | None = None) -> None:
        """Log several metrics of one step; as ``log_metric``."""
        at = clock.now() if at is None else at
        self._add([point(key, value, step, at) for key, value in metrics.items()])

    def set_tag(self, key: str, value: object) -> None:
        """Set a tag, replacing its value.

        Raises:
            InvalidData: the name or the value is too long.
        """
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags, all of them or none; as ``set_tag``."""
        self._check_open()
        texts = {check_key(key, "tag"): tag_text(key, value) for key, value in tags.items()}
        with self.workspace.database.write() as connection:
            write(connection, self.id, tags=texts)

    def log_artifact(self, path: str | Path, name: str | None = None) -> None:
        """Store a file under ``name``, or a folder's files below it; as ``artifacts.store_path``."""
        self._check_open()
        artifacts.store_path(self.workspace, self.id, path, name)

    def log_bytes(self, data: bytes, name: str, *, about: dict[str, Any] | None = None) -> None:
        """Store bytes as a file of the run; as ``artifacts.store_bytes``."""
        self._check_open()
        artifacts.store_bytes(self.workspace, self.id, name, data, about=about)

    def log_text(self, text: str, name: str) -> None:
        """Store text as a UTF-8 file of the run."""
        self.log_bytes(text.encode(), name)

    def log_json(self, value: object, name: str) -> None:
        """Store a JSON-able value (structs and dataclasses too) as a file of the run."""
        self.log_bytes(msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2), name)

    def log_figure(self, figure: Any, name: str) -> None:
        """Store a matplotlib figure as PNG; ``.png`` is added to a name without it. The same figure gives the same file.

        Raises:
            InvalidData: it is no figure, or the path cannot be an artifact's.
        """
        self.log_bytes(figures.png(figure), name if name.lower().endswith(".png") else f"{name}.png")

    def log_input(self, version: DatasetVersion, context: str = "training") -> None:
        """Record that the run read a dataset version, and what for."""
        self._check_open()
        row = {"run_id": self.id, "dataset": version.dataset, "md5": version.md5}
        with self.workspace.database.write() as connection:
            input_rows.put(connection, row | {"path": version.path, "context": context})

    def wrote(self, version: DatasetVersion) -> bool:
        """Say whether the run itself wrote the content of a dataset version where it lies."""
        with self.workspace.database.read() as connection:
            return input_rows.wrote(connection, self.id, version.path, version.md5)

    def flush(self) -> None:
        """Write the points that wait; durable when it returns.

        Raises:
            StorageError: the records cannot be written; the points keep waiting.
        """
        self._buffer.flush()

    def finish(self, status: Ending = "finished", error: str | None = None) -> None:
        """End the run: what waits and how it ended become durable together. Ending it again changes nothing.

        In a process that does not own the run, this only ends the logging.
        """
        if status not in get_args(Ending):
            raise UsageError(f"a run cannot end as '{status}'", hint=f"use one of {', '.join(get_args(Ending))}")
        if self.ended:
            return
        self._buffer.close()
        ended_at = clock.now()

        def end(points: Sequence[Point]) -> None:
            with self.workspace.database.write() as connection:
                write(connection, self.id, points=points)
                if self.owned:
                    run_rows.end(connection, self.id, status=status, ended_at=ended_at, error=error)

        self._buffer.hand_over(end)
        self.ended = True
        OPEN.pop(self.id, None)
        if self.owned:
            begin(self.workspace, self.id)
        if self._closes_workspace:
            self.workspace.close()

    def environment(self) -> dict[str, str]:
        """Return the variables that make a program log into this run when it uses ``mainspring`` itself.

        ``subprocess.run(command, env=os.environ | run.environment())``
        """
        variables = {RUN_VARIABLE: self.id, "MAINSPRING_WORKSPACE": str(self.workspace.root)}
        if self.workspace.environment:
            variables["MAINSPRING_ENVIRONMENT"] = self.workspace.environment
        return variables

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status, text = ending(error)
        try:
            self.finish(status, text)
        except MainspringError as unwritten:
            if error is None:
                raise
            error.add_note(f"and the end of run {self.id} could not be recorded: {unwritten.message}")

    def adopt(self) -> None:
        """Make the run usable in a process that was just forked: with connections of its own, and without ending it."""
        _inherited.append(self.workspace)
        self.workspace = Workspace(self.workspace.root, environment=self.workspace.environment)
        self.owned = False
        self._closes_workspace = True
        self._buffer.reset()

    def _add(self, points: Sequence[Point]) -> None:
        if self._buffer.add(points) and not self.owned:
            _flush_at_worker_exit(self)

    def _write_points(self, points: Sequence[Point]) -> None:
        if points:
            with self.workspace.database.write() as connection:
                write(connection, self.id, points=points)

    def _check_open(self) -> None:
        if self.ended:
            raise Conflict("the run has ended, nothing more can be logged", hint="log inside the `with` of the run")


def ending(error: BaseException | None) -> tuple[Ending, str | None]:
    """Return the status and the one line that an exception (or none) ends a run with.

    >>> ending(None), ending(KeyboardInterrupt()), ending(ValueError("no\\nrows"))
    (('finished', None), ('killed', 'interrupted'), ('failed', 'ValueError: no rows'))
    """
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "finished", None
    if isinstance(error, KeyboardInterrupt):
        return "killed", "interrupted"
    text = " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())
    return "failed", text if len(text) <= _ERROR_LENGTH else text[: _ERROR_LENGTH - 1] + "…"


def _flush_at_worker_exit(run: Run) -> None:
    """Workers of ``multiprocessing`` leave without running ``atexit``, but with this."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, run.flush, exitpriority=10)


def _after_fork() -> None:
    for run in OPEN.values():
        run.adopt()


def _leave() -> None:
    """End the runs that the program left open, as the program ended."""
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
    for run in reversed(list(OPEN.values())):
        try:
            run.finish(*ending(error))
        except MainspringError as unwritten:
            _logger.error("the end of run %s could not be recorded: %s", run.id, unwritten.message)


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
