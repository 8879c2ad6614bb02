"""Runs that W&B's client recorded offline, from the folders it wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData, NotFound
from mainspring.base.hashing import digest, md5_file
from mainspring.tracking.imports.arrival import Arrival, ensure_group, place, take
from mainspring.tracking.imports.curves import Curves, flattened
from mainspring.tracking.imports.report import Progress, Report, silent
from mainspring.tracking.imports.wandb_file import Message, inner, inners, message, moment, records, text, whole

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.runs import Status

_PLACES = ("run-*.wandb", "*/run-*.wandb", "wandb/*/run-*.wandb")
_HISTORY, _SUMMARY, _CONFIG, _STATS, _ARTIFACT, _RUN, _EXIT = 2, 3, 5, 7, 8, 17, 18


@dataclass
class _Told:
    """What the records of a run say, in the order in which they were written."""

    run: Message = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    unfit: dict[str, int] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    exit_code: int | None = None
    step: int = 0
    started_at: int = 0
    last_at: int = 0


def import_wandb(workspace: Workspace, folder: Path, progress: Progress = silent) -> Report:
    """Take the offline runs below a folder: a run's own, the ``wandb`` folder they lie in, or the one above.

    Runs that were resumed, in several folders, become one. What is here already as the files have it is left alone.

    Raises:
        NotFound: there is no such run.
    """
    found = sorted({path.resolve() for pattern in _PLACES for path in folder.glob(pattern)})
    if not found:
        raise NotFound(
            f"there is no offline run of W&B in {folder}", hint="give the folder that holds wandb/offline-run-…"
        )
    report = Report(source="wandb")
    together: dict[str, list[Path]] = {}
    for path in found:
        together.setdefault(path.stem.removeprefix("run-"), []).append(path)
    for done, (run_id, paths) in enumerate(together.items()):
        progress("runs", done, len(together))
        _take(workspace, report, run_id, paths)
    progress("runs", len(together), len(together))
    return report


def _take(workspace: Workspace, report: Report, run_id: str, paths: list[Path]) -> None:
    left: list[str] = []
    files = {name: file for path in paths for name, file in _files(path.parent, left).items()}
    state = digest([[md5_file(path) for path in paths], {name: md5_file(file) for name, file in files.items()}])
    told = _Told()
    try:
        for path in paths:
            _read(path, told, left)
    except InvalidData as error:
        report.leave(f"wandb run {run_id}", error.message)
        return
    project = text(told.run, 3) or "uncategorized"
    with workspace.database.read() as connection:
        local_id, held = place(connection, "wandb", f"{text(told.run, 2)}/{project}/{run_id}")
    if held == state:
        report.count("runs", fresh=False)
        return
    for line in left:
        report.leave(f"run {local_id}", line)
    for key, points in told.unfit.items():
        report.leave(f"run {local_id}, history '{key}'", f"{points} values are no numbers; media are taken as files")
    for name in told.artifacts:
        report.leave(f"run {local_id}, artifact '{name}'", "its files lie outside of the run's folder")
    group, fresh = ensure_group(workspace, project)
    if fresh:
        report.count("experiments", fresh=True)
    arrival = _arrival(told, run_id, local_id, group.id, state)
    stored = workspace.objects.put_files(files.values())
    take(workspace, _with_files(arrival, dict(zip(files, stored, strict=True))), report)
    report.count("runs", fresh=True)


def _with_files(arrival: Arrival, files: dict[str, Any]) -> Arrival:
    from dataclasses import replace

    return replace(arrival, files=files)


def _files(folder: Path, left: list[str]) -> dict[str, Path]:
    """Return the files of a run; the client links those that were saved from elsewhere, and these may be gone."""
    found = {}
    for path in sorted((folder / "files").rglob("*")):
        name = path.relative_to(folder / "files").as_posix()
        if path.is_file():
            found[name] = path
        elif path.is_symlink() and not path.exists():
            left.append(f"the file '{name}' is a link to one that is not there")
    return found


def _read(path: Path, told: _Told, left: list[str]) -> None:
    reading = records(path)
    while True:
        try:
            record = next(reading, None)
        except InvalidData as error:
            if not told.run:
                raise
            left.append(error.message)
            return
        if record is None:
            return
        _note(record, told)


def _note(record: Message, told: _Told) -> None:
    if _RUN in record:
        told.run = message(inner(record, _RUN))
        told.started_at = told.started_at or moment(told.run, 17)
        _update(told.config, message(inner(told.run, 4)))
    elif _CONFIG in record:
        _update(told.config, message(inner(record, _CONFIG)))
    elif _SUMMARY in record:
        _update(told.summary, message(inner(record, _SUMMARY)))
    elif _HISTORY in record:
        _log(told, message(inner(record, _HISTORY)))
    elif _STATS in record:
        stats = message(inner(record, _STATS))
        for key, value in _items(stats, 3).items():
            if _is_number(value):
                told.curves.add(f"system/{key}", None, moment(stats, 2), float(value))
    elif _ARTIFACT in record:
        about = message(inner(record, _ARTIFACT))
        told.artifacts.append(f"{text(about, 4)}/{text(about, 5)}")
    elif _EXIT in record:
        told.exit_code = whole(message(inner(record, _EXIT)), 1)


def _items(fields: Message, number: int) -> dict[str, Any]:
    """Return values by their paths; a path is one key, or the keys down to a nested value."""
    found = {}
    for item in inners(fields, number):
        told = message(item)
        key = text(told, 1) or ".".join(part.decode(errors="replace") for part in inners(told, 2))
        try:
            found[key] = json.loads(text(told, 16) or "null")
        except ValueError:
            found[key] = text(told, 16)
    return found


def _update(held: dict[str, Any], change: Message) -> None:
    held.update({key: value for key, value in _items(change, 1).items() if key.split(".")[0] != "_wandb"})
    for key in _items(change, 2):
        held.pop(key, None)


def _log(told: _Told, history: Message) -> None:
    items = _items(history, 1)
    counted = items.get("_step")
    told.step = int(counted) if isinstance(counted, int | float) else whole(message(inner(history, 2)), 1)
    at = int(float(items.get("_timestamp") or 0) * 1000) or told.last_at or told.started_at
    told.last_at = max(told.last_at, at)
    for key, value in flattened(items):
        if key.startswith("_"):
            continue
        if _is_number(value):
            told.curves.add(key, told.step, at, float(value))
        else:
            told.unfit[key] = told.unfit.get(key, 0) + 1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _arrival(told: _Told, run_id: str, local_id: str, experiment_id: str, state: str) -> Arrival:
    at = told.last_at or told.started_at
    tags: dict[str, Any] = {
        "wandb.entity": text(told.run, 2),
        "wandb.group": text(told.run, 6),
        "wandb.job_type": text(told.run, 7),
        "wandb.sweep": text(told.run, 12),
        "wandb.tags": ",".join(tag.decode(errors="replace") for tag in inners(told.run, 10)),
        "mlflow.note.content": text(told.run, 9),
    }
    for key, value in flattened(told.summary):
        if key.startswith("_") or key in told.curves:
            continue
        if _is_number(value):
            told.curves.add(key, told.step, at, float(value))
        elif not isinstance(value, dict):
            tags[f"summary.{key}"] = value
    ending: dict[int | None, Status] = {0: "finished", None: "killed"}
    return Arrival(
        id=local_id,
        experiment_id=experiment_id,
        source=f"wandb {run_id}",
        state=state,
        name=text(told.run, 8) or run_id,
        status=ending.get(told.exit_code, "failed"),
        started_at=told.started_at,
        ended_at=at,
        actor=text(told.run, 13),
        params=dict(flattened(told.config)),
        tags={key: value for key, value in tags.items() if value not in ("", None)},
        curves=told.curves.columns(),
    )
