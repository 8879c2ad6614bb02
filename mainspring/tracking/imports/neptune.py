"""Runs that Neptune's exporter wrote: Parquet files of attributes, and the files beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.base.errors import InvalidData, NotFound
from mainspring.base.hashing import digest
from mainspring.store.objects import walk
from mainspring.tracking.imports.arrival import Arrival, ensure_group, place, take
from mainspring.tracking.imports.report import Progress, Report, silent
from mainspring.tracking.points import Columns
from mainspring.versioning.scratch import scratch

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace

_PART = re.compile(r"(?P<run>.+)_part_(?P<part>\d+)\.parquet")
_SINGLE = {
    "float": "float_value",
    "int": "int_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
}
_FILES = ("file", "file_set", "artifact", "file_series")
_SERIES = {"string_series": "string_value", "histogram_series": "histogram_value"}
_KNOWN = {*_SINGLE, *_FILES, *_SERIES, "float_series"}
_DIGITS = 6


def import_neptune(
    workspace: Workspace, folder: Path, files: Path | None = None, progress: Progress = silent
) -> Report:
    """Take all runs below a folder of Neptune's exporter.

    ``files`` is the folder that the exporter was given for files; by default ``folder/files``, then one beside ``folder``.
    What is here already as the files have it is left alone.

    Raises:
        NotFound: the folder holds no run.
    """
    parts: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(folder.rglob("*.parquet")):
        if match := _PART.fullmatch(path.name):
            parts.setdefault((path.parent, match["run"]), []).append(path)
    if not parts:
        raise NotFound(
            f"there is no run of Neptune's exporter in {folder}", hint="give its --data-path, or the folder above"
        )
    places = [files] if files is not None else [folder / "files", folder.parent / "files"]
    held = next((place for place in places if place.is_dir()), None)
    report = Report(source="neptune")
    for done, paths in enumerate(parts.values()):
        progress("runs", done, len(parts))
        try:
            _take(workspace, report, pl.read_parquet(paths), held)
        except (pl.exceptions.PolarsError, InvalidData) as error:
            report.leave(f"file {paths[0]}", str(error))
    progress("runs", len(parts), len(parts))
    return report


def _take(workspace: Workspace, report: Report, table: pl.DataFrame, files: Path | None) -> None:
    project, foreign_id = table.select("project_id", "run_id").row(0)
    with workspace.database.read() as connection:
        run_id, held = place(connection, "neptune", f"{project}/{foreign_id}")
    paths = _paths(table, files, report, run_id)
    sizes = {name: (path.stat().st_size, path.stat().st_mtime_ns) for name, path in paths.items()}
    state = digest([table.hash_rows(seed=0).sort().to_list(), sizes])
    if held == state:
        report.count("runs", fresh=False)
        return
    single = _single(table)
    system = {name: value for name, value in single.items() if name.startswith("sys/")}
    for kind, count in (
        table.filter(~pl.col("attribute_type").is_in(list(_KNOWN))).group_by("attribute_type").len().rows()
    ):
        report.leave(f"run {run_id}", f"{count} values of the kind '{kind}', which there is no place for")
    started_at = _moment(system.get("sys/creation_time"))
    curves, scale = _curves(table, started_at)
    tags = {f"neptune.{name}": value for name, value in system.items()} | {"neptune.run_id": foreign_id}
    if scale != 1:
        tags["neptune.step_multiplier"] = scale
    group, fresh = ensure_group(workspace, project)
    if fresh:
        report.count("experiments", fresh=True)
    latest = max([started_at, *(int(curve.at.max()) for curve in curves.values() if len(curve.at))])
    arrival = Arrival(
        id=run_id,
        experiment_id=group.id,
        source=f"neptune {project}/{foreign_id}",
        state=state,
        name=str(system.get("sys/name") or system.get("sys/custom_run_id") or foreign_id),
        status="failed" if system.get("sys/failed") else "finished",
        started_at=started_at,
        ended_at=_moment(system.get("sys/modification_time")) or latest,
        actor=str(system.get("sys/owner") or ""),
        deleted=bool(system.get("sys/trashed")),
        params={name: value for name, value in single.items() if name not in system},
        tags={name: _text(value) for name, value in tags.items() if value not in (None, "", [])},
        curves=curves,
        files=_files(workspace, table, paths),
    )
    take(workspace, arrival, report)
    report.count("runs", fresh=True)


def _single(table: pl.DataFrame) -> dict[str, Any]:
    found = {}
    for kind, column in _SINGLE.items():
        rows = table.filter(pl.col("attribute_type") == kind).select("attribute_path", column)
        found.update({name: _text(value) if kind == "datetime" else value for name, value in rows.rows()})
    return found


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _moment(text: Any) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp() * 1000) if text else 0


def _curves(table: pl.DataFrame, started_at: int) -> tuple[dict[str, Columns], int]:
    """Return the series of numbers, and what their steps were multiplied with to become whole."""
    rows = table.filter(pl.col("attribute_type") == "float_series")
    millionths = pl.col("step").cast(pl.Decimal(38, _DIGITS)).fill_null(0) * 10**_DIGITS
    rows = rows.with_columns(
        millionths.cast(pl.Int64).alias("step"),
        pl.col("timestamp").dt.epoch("ms").fill_null(started_at).alias("at"),
        pl.col("float_value").fill_null(float("nan")),
    )
    digits = next(d for d in range(_DIGITS + 1) if (rows.get_column("step") % 10 ** (_DIGITS - d) == 0).all())
    rows = rows.with_columns(pl.col("step") // 10 ** (_DIGITS - digits))
    curves = {}
    for (key,), part in rows.group_by("attribute_path", maintain_order=True):
        curves[str(key)] = Columns(*(part.get_column(name).to_numpy() for name in ("step", "at", "float_value")))
    return curves, 10**digits


def _paths(table: pl.DataFrame, files: Path | None, report: Report, run_id: str) -> dict[str, Path]:
    """Return the files that the attributes name; what leaves the folder of files is not read."""
    found: dict[str, Path] = {}
    rows = table.filter(pl.col("attribute_type").is_in(_FILES), pl.col("file_value").is_not_null())
    for name, kind, step, value in rows.select("attribute_path", "attribute_type", "step", "file_value").rows():
        relative = (value or {}).get("path")
        whose = f"run {run_id}, file '{name}'"
        source = files / relative if files is not None and relative else None
        if source is None or files is None or not source.resolve().is_relative_to(files.resolve()):
            report.leave(whose, "there is no folder of files, or the path leads out of it (see --files)")
        elif source.is_dir():
            found |= {f"{name}/{below}": path for below, path in walk(source).items()}
        elif source.is_file():
            suffix = "" if name.endswith(source.suffix) else source.suffix
            found[f"{name}/step_{step.normalize():f}{suffix}" if kind == "file_series" else f"{name}{suffix}"] = source
        else:
            report.leave(whose, f"{source} is not there")
    return found


def _files(workspace: Workspace, table: pl.DataFrame, paths: dict[str, Path]) -> dict[str, Stored]:
    """Store the files, and series of texts and of histograms as lines of JSON."""
    with scratch(workspace) as folder:
        got = dict(paths)
        for kind, column in _SERIES.items():
            rows = table.filter(pl.col("attribute_type") == kind)
            for (name,), part in rows.group_by("attribute_path", maintain_order=True):
                target = folder / str(len(got))
                shown = part.select(pl.col("step").cast(pl.Float64), pl.col("timestamp").cast(pl.String), column)
                shown.rename({column: "value"}).write_ndjson(target)
                got[f"{name}.jsonl"] = target
        return dict(zip(got, workspace.objects.put_files(got.values()), strict=True))
