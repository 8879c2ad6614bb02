"""Starting a run, and logging into the one that is active.

with mainspring.start_run(params={"depth": 3}):
    mainspring.log_metric("auc", 0.91)
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.base import clock, owner
from mainspring.base.errors import NotFound, UsageError
from mainspring.base.ids import new_id
from mainspring.store.workspace import Workspace
from mainspring.tracking.batch import write
from mainspring.tracking.experiments import ensure_experiment
from mainspring.tracking.limits import check_key, check_name, param_text, tag_text
from mainspring.tracking.recording import OPEN, RUN_VARIABLE, Run
from mainspring.tracking.records import runs as run_rows
from mainspring.versioning import snapshot as snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mainspring.versioning.snapshot import Snapshot

__all__ = [
    "PARENT_TAG",
    "Run",
    "active_run",
    "attach",
    "log_artifact",
    "log_figure",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_text",
    "rehearsal",
    "set_tag",
    "set_tags",
    "start_run",
]

PARENT_TAG = "mainspring.parent"
_active: ContextVar[Run | None] = ContextVar("mainspring_run", default=None)
_rehearsing: ContextVar[bool] = ContextVar("mainspring_rehearsal", default=False)
_joining = threading.Lock()
_joined: set[str] = set()
"""Runs named by the environment that a ``start_run`` of this process has already entered."""


def start_run(
    workspace: Workspace | None = None,
    *,
    experiment: str | None = None,
    name: str | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
    execution_id: str | None = None,
    snapshot: bool | Snapshot = True,
) -> Run:
    """Start a run and make it the active one, until it is finished or its ``with`` is left.

    Without a workspace it is the nearest one, without an experiment the one named like the project. Inside another run
    the new one is nested: it gets the tag ``mainspring.parent``, and shares experiment and snapshot unless told
    otherwise. ``snapshot`` is one that was taken already, True to take one now, or False for none. On an exception in
    the ``with`` the run ends as ``failed`` with the exception's text, on Ctrl-C as ``killed``; what it had logged is
    kept. The run and its first params and tags appear in one transaction.

    In a program that a run started (with ``Run.environment``), the first call enters that run instead, so that an
    untouched training script logs into the run of its pipeline; it ends when its own process ends it.

    Raises:
        NotFound: there is no workspace.
        Conflict: the experiment was deleted.
        InvalidData: a name or a value is too long.
    """
    parent = _outer(workspace)
    if parent is not None and _enter_joined(parent):
        parent.log_params(params or {})
        parent.set_tags(tags or {})
        return parent
    given = {check_key(key, "param"): param_text(key, value) for key, value in (params or {}).items()}
    labels = {check_key(key, "tag"): tag_text(key, value) for key, value in (tags or {}).items()}
    opened = workspace or (parent.workspace if parent is not None else Workspace.open())
    row = {
        "id": new_id(),
        "name": "" if name is None else check_name(name, "a run"),
        "status": "running",
        "actor": opened.actor,
        "execution_id": execution_id,
        "snapshot_id": _snapshot_id(opened, snapshot, parent, given),
    }
    group = experiment or (parent.experiment if parent is not None else opened.settings.project)
    run = _begin(opened, parent, row, group, given, labels, closes_workspace=workspace is None and parent is None)
    _active.set(run)
    return run


def attach(workspace: Workspace, run_id: str, *, closes_workspace: bool = False) -> Run:
    """Return a run that another process owns, to log into it. It is not made the active one.

    Raises:
        NotFound: there is no such run.
    """
    with workspace.database.read() as connection:
        rows = run_rows.rows(connection, where={"id": run_id})
    if not rows:
        raise NotFound(
            f"there is no run '{run_id}'", hint=f"the variable {RUN_VARIABLE} names a run's whole id", run=run_id
        )
    [row] = rows
    return Run(
        workspace,
        row.id,
        name=row.name,
        experiment=row.experiment,
        snapshot_id=row.snapshot_id,
        owned=False,
        closes_workspace=closes_workspace,
    )


def active_run() -> Run | None:
    """Return the run that the ``log_…`` functions log into, or None.

    That is the run started in this context (thread, task); in a thread that started none, the only run that this process
    started and has not ended; else the run that the variable ``MAINSPRING_RUN_ID`` names, in the workspace of
    ``MAINSPRING_WORKSPACE``.

    Raises:
        NotFound: the variable names a run that does not exist.
    """
    if (run := _of_this_context()) is not None:
        return run
    others = _unnamed()
    if others:
        return others[0] if len(others) == 1 else None
    return _named()


@contextmanager
def rehearsal() -> Iterator[None]:
    """Let the ``log_…`` functions do nothing where no run is active, instead of refusing: for code tried without a record."""
    token = _rehearsing.set(True)
    try:
        yield
    finally:
        _rehearsing.reset(token)


def log_param(key: str, value: object) -> None:
    """Log a param of the active run; as ``Run.log_param``."""
    _log("log_param", key, value)


def log_params(params: Mapping[str, object]) -> None:
    """Log params of the active run; as ``Run.log_params``."""
    _log("log_params", params)


def log_metric(key: str, value: Any, step: int = 0) -> None:
    """Log a metric of the active run; as ``Run.log_metric``."""
    _log("log_metric", key, value, step)


def log_metrics(metrics: Mapping[str, Any], step: int = 0) -> None:
    """Log metrics of the active run; as ``Run.log_metrics``."""
    _log("log_metrics", metrics, step)


def set_tag(key: str, value: object) -> None:
    """Set a tag of the active run; as ``Run.set_tag``."""
    _log("set_tag", key, value)


def set_tags(tags: Mapping[str, object]) -> None:
    """Set tags of the active run; as ``Run.set_tags``."""
    _log("set_tags", tags)


def log_artifact(path: str | Path, name: str | None = None) -> None:
    """Store a file or folder with the active run; as ``Run.log_artifact``."""
    _log("log_artifact", path, name)


def log_text(text: str, name: str) -> None:
    """Store text as a file of the active run; as ``Run.log_text``."""
    _log("log_text", text, name)


def log_figure(figure: Any, name: str) -> None:
    """Store a matplotlib figure as PNG with the active run; as ``Run.log_figure``."""
    _log("log_figure", figure, name)


def _log(verb: str, *arguments: object) -> None:
    run = active_run()
    if run is None and _rehearsing.get():
        return
    getattr(run or _required(verb), verb)(*arguments)


def _required(verb: str) -> Run:
    run = active_run()
    if run is not None:
        return run
    if others := _unnamed():
        raise UsageError(
            f"{verb}: {len(others)} runs are open, and this thread started none of them",
            hint=f"call `run.{verb}(…)` of the run that is meant",
            runs=[run.id for run in others],
        )
    raise UsageError(
        f"{verb}: there is no active run", hint="log inside `with mainspring.start_run():` or a pipeline's step"
    )


def _of_this_context() -> Run | None:
    run = _active.get()
    while run is not None and run.ended:
        run = run.parent
    return run


def _unnamed() -> list[Run]:
    named = os.environ.get(RUN_VARIABLE)
    return [run for run in list(OPEN.values()) if run.id != named]


def _named() -> Run | None:
    """Return the run that the environment names, attached once in this process."""
    run_id = os.environ.get(RUN_VARIABLE)
    if not run_id:
        return None
    with _joining:
        return OPEN.get(run_id) or attach(Workspace.open(), run_id, closes_workspace=True)


def _outer(workspace: Workspace | None) -> Run | None:
    """Return the run that a new one is nested in. A run of another thread is not: threads start runs side by side."""
    run = _of_this_context() or _named()
    return run if run is None or workspace is None or run.workspace.root == workspace.root else None


def _enter_joined(run: Run) -> bool:
    """Say whether this is the first ``start_run`` of a program that was started for ``run``; it then enters ``run``."""
    if os.environ.get(RUN_VARIABLE) != run.id or run.owned:
        return False
    with _joining:
        first = run.id not in _joined
        _joined.add(run.id)
    if first:
        _active.set(run)
    return first


def _snapshot_id(
    workspace: Workspace, snapshot: bool | Snapshot, parent: Run | None, params: Mapping[str, str]
) -> str | None:
    if snapshot is False:
        return None
    if snapshot is not True:
        return snapshot.id
    if parent is not None and parent.snapshot_id is not None:
        return parent.snapshot_id
    return snapshots.take(workspace, datasets=[], randomness=None, parameters=dict(params), argv=sys.argv).id


def _begin(
    workspace: Workspace,
    parent: Run | None,
    row: dict[str, Any],
    experiment: str,
    params: Mapping[str, str],
    tags: dict[str, str],
    *,
    closes_workspace: bool,
) -> Run:
    tags[owner.TAG] = owner.describe()
    if parent is not None:
        tags.setdefault(PARENT_TAG, parent.id)
    with workspace.database.write() as connection:
        group = ensure_experiment(connection, experiment)
        name = row["name"] or f"{group.name[:400]}-{run_rows.count(connection, group.id) + 1}"
        run_rows.add(connection, row | {"name": name, "experiment_id": group.id, "started_at": clock.now()})
        write(connection, row["id"], params=params, tags=tags)
    return Run(
        workspace,
        row["id"],
        name=name,
        experiment=group.name,
        snapshot_id=row["snapshot_id"],
        parent=parent,
        closes_workspace=closes_workspace,
    )
