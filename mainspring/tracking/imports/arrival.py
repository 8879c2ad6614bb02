"""Runs that another tracker recorded, written here whole: each in one transaction, so that an import can end anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mainspring.base import clock
from mainspring.base.errors import InvalidData
from mainspring.base.hashing import md5_bytes
from mainspring.store.schema import tracking as tables
from mainspring.tracking.experiments import shown
from mainspring.tracking.limits import artifact_path, check_key, check_name, param_text, tag_text
from mainspring.tracking.lineage import dataset_row
from mainspring.tracking.records import experiments as experiment_rows
from mainspring.tracking.records import files as file_rows
from mainspring.tracking.records import inputs as input_rows
from mainspring.tracking.records import metrics as metric_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.tracking.records import values as value_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.experiments import Experiment
    from mainspring.tracking.imports.report import Report
    from mainspring.tracking.lineage import ReadDataset
    from mainspring.tracking.points import Columns
    from mainspring.tracking.records.experiments import ExperimentRow
    from mainspring.tracking.runs import Status

FROM_TAG = "mainspring.imported_from"
"""Says where a run, a logged model or a registered model was taken from."""
STATE_TAG = "mainspring.imported_state"
"""A digest of what its source said then. Without it the import of the thing is not finished."""
_OWN_ID = re.compile("[0-9a-f]{32}")
_TOGETHER = 10_000

Kind = Literal["mlflow", "neptune", "wandb", "comet"]


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A run as its source describes it. ``state`` is None where something could not be read and may be next time."""

    id: str
    experiment_id: str
    source: str
    state: str | None
    name: str
    status: Status
    started_at: int
    ended_at: int | None
    actor: str
    deleted: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Columns] = field(default_factory=dict)
    datasets: list[ReadDataset] = field(default_factory=list)
    models_read: list[str] = field(default_factory=list)
    models_made: list[tuple[str, int]] = field(default_factory=list)
    files: Mapping[str, Stored] = field(default_factory=dict)


def place(connection: Connection, kind: Kind, foreign_id: str) -> tuple[str, str | None]:
    """Return the id that a foreign run has here or is to get, and the state in which it was taken.

    It keeps its id if that could be ours and is free; else it gets another one, the same at every import.
    """
    derived = md5_bytes(f"{kind}:{foreign_id}".encode())
    for candidate in ([foreign_id] if _OWN_ID.fullmatch(foreign_id) else []) + [derived]:
        tags = {key: value for _, key, value in value_rows.logged(connection, tables.tags, [candidate])}
        if tags.get(FROM_TAG, "").startswith(f"{kind} "):
            return candidate, tags.get(STATE_TAG)
        if run_rows.lifecycle(connection, candidate) is None:
            return candidate, None
    return derived, None


def ensure_group(
    workspace: Workspace,
    name: str,
    *,
    foreign_id: str | None = None,
    origin: str | None = None,
    created_at: int | None = None,
    deleted: bool = False,
    tags: Mapping[str, str] | None = None,
) -> tuple[Experiment, bool]:
    """Return the experiment of a name and whether it was made now, under its foreign id if that is free.

    ``origin`` names it where it comes from, whatever it is called there by now: it is renamed here too if its name is free.

    Raises:
        InvalidData: no experiment can be called so.
    """
    check_name(name, "an experiment")
    at = created_at or clock.now()
    chosen = foreign_id if foreign_id and re.fullmatch("[0-9a-zA-Z]{1,32}", foreign_id) else md5_bytes(name.encode())
    row: dict[str, Any] = {"name": name, "lifecycle": "deleted" if deleted else "active", "created_at": at}
    with workspace.database.write() as connection:
        held = _from(connection, origin, name) or experiment_rows.by(connection, "name", name)
        fresh = held is None
        if held is None:
            taken = experiment_rows.by(connection, "id", chosen) is not None
            experiment_rows.add(connection, row | {"id": md5_bytes(name.encode()) if taken else chosen})
            held = experiment_rows.by(connection, "name", name)
            assert held is not None
        told = {**(tags or {}), **({FROM_TAG: origin} if origin else {})}
        if told and (fresh or held.lifecycle == "active"):
            known = experiment_rows.tags_of(connection, [held.id])[held.id]
            experiment_rows.put_tags(connection, held.id, {key: told[key] for key in told if key not in known})
        return shown(connection, [held])[0], fresh


def _from(connection: Connection, origin: str | None, name: str) -> ExperimentRow | None:
    """Return the experiment that was taken from there before, called by its present name."""
    found = experiment_rows.tagged(connection, FROM_TAG, origin) if origin else None
    if found is None or found.name == name or experiment_rows.by(connection, "name", name) is not None:
        return found
    experiment_rows.change(connection, found.id, name=name, updated_at=clock.now())
    return experiment_rows.by(connection, "id", found.id)


def take(workspace: Workspace, run: Arrival, report: Report) -> None:
    """Write a run, or bring one that was taken before to what its source says now.

    What was added to it here stays. What cannot be kept is left out, piece by piece, and reported.
    """
    whose = f"run {run.id}"
    params = report.fitting(whose, run.params, lambda key: check_key(key, "param"), param_text)
    tags = report.fitting(whose, run.tags, lambda key: check_key(key, "tag"), tag_text)
    tags.pop(run_rows.NAME_TAG, None)
    tags |= {FROM_TAG: run.source} | ({STATE_TAG: run.state} if run.state else {})
    curves = {key: curve for key, curve in run.curves.items() if len(curve.steps) and _fits(key, whose, report)}
    files = _fitting_files(run, report)
    name = run.name
    try:
        check_name(name, "a run")
    except InvalidData as error:
        report.leave(whose, error.message)
        name = run.id
    about = {
        "name": name,
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "actor": run.actor[:250],
        "lifecycle": "deleted" if run.deleted else "active",
        "deleted_at": clock.now() if run.deleted else None,
    }
    with workspace.database.write() as connection:
        if run_rows.lifecycle(connection, run.id) is None:
            run_rows.add(connection, {"id": run.id, "experiment_id": run.experiment_id} | about)
        else:
            run_rows.change(connection, run.id, **about)
            metric_rows.clear(connection, run.id)
        value_rows.add_params(connection, run.id, params)
        value_rows.put_tags(connection, run.id, tags)
        _add_curves(connection, run.id, curves)
        _add_lineage(connection, run, report)
        if files:
            at = clock.now()
            rows = [
                {"path": path, "md5": item.md5, "size": item.size, "created_at": at, "about": None}
                for path, item in files.items()
            ]
            file_rows.put(connection, run.id, rows)


def _fits(key: str, whose: str, report: Report) -> bool:
    try:
        check_key(key, "metric")
    except InvalidData as error:
        report.leave(whose, error.message)
        return False
    return True


def _fitting_files(run: Arrival, report: Report) -> dict[str, Stored]:
    kept = {}
    for path, stored in run.files.items():
        try:
            kept[artifact_path(path)] = stored
        except InvalidData as error:
            report.leave(f"run {run.id}", error.message)
    for path in [path for path in kept if any(above in kept for above in _above(path))]:
        report.leave(f"run {run.id}", f"the artifact '{path}' lies below another file")
        del kept[path]
    return kept


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _add_curves(connection: Connection, run_id: str, curves: Mapping[str, Columns]) -> None:
    waiting: list[tuple[str, int, int, float]] = []
    latest = []
    for key, curve in curves.items():
        is_number = ~np.isnan(curve.values)
        newest = np.lexsort((is_number, np.where(is_number, curve.values, 0.0), curve.at, curve.steps))[-1]
        latest.append((key, int(curve.steps[newest]), int(curve.at[newest]), float(curve.values[newest])))
        for start in range(0, len(curve.steps), _TOGETHER):
            piece = curve.rows(slice(start, start + _TOGETHER))
            rows = (column.tolist() for column in piece)
            waiting += [(key, *point) for point in zip(*rows, strict=True)]
            if len(waiting) >= _TOGETHER:
                metric_rows.add_points(connection, run_id, waiting)
                waiting = []
    if waiting:
        metric_rows.add_points(connection, run_id, waiting)
    metric_rows.put_latest(connection, run_id, [(*point, None, None, None) for point in latest])


def _add_lineage(connection: Connection, run: Arrival, report: Report) -> None:
    for dataset in run.datasets:
        try:
            input_rows.put(connection, dataset_row(run.id, dataset))
        except InvalidData as error:
            report.leave(f"run {run.id}", error.message)
    for model_id in run.models_read:
        input_rows.put_model(connection, run.id, model_id)
    for model_id, step in run.models_made:
        input_rows.put_output(connection, run.id, model_id, step)
