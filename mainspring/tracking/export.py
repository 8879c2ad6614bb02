"""Runs with all they logged, for other programs: tables as Parquet or CSV, or one JSON document a line."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.base.clock import iso
from mainspring.base.errors import AlreadyExists, UsageError
from mainspring.base.files import staged, write_atomic
from mainspring.tracking.search import curves
from mainspring.tracking.wire import curve_json, run_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.search import RunInfo

FORMATS = ("parquet", "csv", "jsonl")
TABLES = ("runs", "params", "tags", "metrics", "history")
_MOMENT = pl.Datetime("ms", "UTC")
_YEAR_0, _YEAR_10_000 = -62_167_219_200_000, 253_402_300_800_000
_RUNS: dict[str, Any] = {
    **dict.fromkeys(("run_id", "name", "experiment", "experiment_id", "status"), pl.String),
    **dict.fromkeys(("started_at", "ended_at"), _MOMENT),
    **dict.fromkeys(("actor", "execution_id", "snapshot_id", "error"), pl.String),
}
_TEXTS: dict[str, Any] = {"run_id": pl.String, "key": pl.String, "value": pl.String}
_POINT: dict[str, Any] = {"run_id": pl.String, "key": pl.String, "step": pl.Int64, "at": _MOMENT, "value": pl.Float64}
_METRICS: dict[str, Any] = {**_POINT, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}


def export(
    workspace: Workspace, runs: Sequence[RunInfo], target: Path, *, format: str, replace: bool = False
) -> list[Path]:
    """Write runs with params, newest metrics, histories and tags; return the files.

    ``jsonl`` makes one file, ``target``, with a run a line. ``parquet`` and ``csv`` make the folder ``target`` with the
    tables runs, params, metrics, tags and history, which share the column run_id; a history has a row a point, by step.
    NaN and infinity are kept. A file that is there is replaced only with ``replace``, then whole; other files in the
    folder stay. The tables of the runs are in memory while they are written.

    Raises:
        UsageError: there is no such format, or no run to write, or a folder is where a file has to be or the reverse.
        AlreadyExists: a file is there already; nothing was written.
        StorageError: the disk does not take it.
    """
    if format not in FORMATS:
        raise UsageError(f"'{format}' is no format of an export", hint=f"use one of {', '.join(FORMATS)}")
    if not runs:
        raise UsageError("there is no run to export", hint="see `mainspring runs list` with the same filter")
    files = _free(target, format, replace=replace)
    if format == "jsonl":
        with staged(target) as temporary, temporary.open("wb") as file:
            for run in runs:
                file.write(msgspec.json.encode(_document(workspace, run)) + b"\n")
        return files
    for path, table in zip(files, _tables(workspace, runs), strict=True):
        write_atomic(path, _bytes(table, format))
    return files


def _free(target: Path, format: str, *, replace: bool) -> list[Path]:
    """Return the files of an export, whose places are free."""
    files = [target] if format == "jsonl" else [target / f"{name}.{format}" for name in TABLES]
    for folder in {path.parent for path in files}:
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"{folder} is a file, the tables need a folder", hint="choose another one", path=str(folder)
            )
    held = [path for path in files if path.exists()]
    for path in held:
        if path.is_dir():
            raise UsageError(
                f"{path} is a folder, the export needs a file there", hint="choose another place", path=str(path)
            )
    if held and not replace:
        found = ", ".join(str(path) for path in held)
        raise AlreadyExists(f"{found}: there already", hint="choose another place, or replace it with --force")
    return files


def _document(workspace: Workspace, run: RunInfo) -> dict[str, Any]:
    history = curves(workspace, run.id, list(run.metrics))
    return run_json(run) | {"history": {key: curve_json(curve) for key, curve in history.items()}}


def _tables(workspace: Workspace, runs: Sequence[RunInfo]) -> Iterator[pl.DataFrame]:
    """Give the tables in the order of ``TABLES``."""
    rows = [{"run_id": run.id, **{name: getattr(run, name) for name in _RUNS if name != "run_id"}} for run in runs]
    yield pl.DataFrame(rows, schema=_RUNS)
    for name in ("params", "tags"):
        texts = [(run.id, key, value) for run in runs for key, value in getattr(run, name).items()]
        yield pl.DataFrame(texts, schema=_TEXTS, orient="row")
    metrics = [
        (run.id, key, metric.step, metric.at, metric.value, metric.low, metric.high, metric.n)
        for run in runs
        for key, metric in run.metrics.items()
    ]
    yield pl.DataFrame(metrics, schema=_METRICS, orient="row")
    yield pl.concat([pl.DataFrame(schema=_POINT), *_histories(workspace, runs)])


def _histories(workspace: Workspace, runs: Sequence[RunInfo]) -> Iterator[pl.DataFrame]:
    for run in runs:
        for key, curve in curves(workspace, run.id, list(run.metrics)).items():
            points = pl.DataFrame({"step": curve.steps, "at": curve.at, "value": curve.values})
            named = points.with_columns(pl.lit(run.id).alias("run_id"), pl.lit(key).alias("key"))
            yield named.select(pl.col(name).cast(kind) for name, kind in _POINT.items())


def _bytes(table: pl.DataFrame, format: str) -> bytes:
    buffer = io.BytesIO()
    if format == "parquet":
        table.write_parquet(buffer)
    else:
        table.with_columns(_spelled(column) for column in table if column.dtype == _MOMENT).write_csv(buffer)
    return buffer.getvalue()


def _spelled(moments: pl.Series) -> pl.Series:
    """Return moments as text; polars itself cannot write years of more than four digits."""
    numbers = pl.DataFrame({"at": moments.cast(pl.Int64)})
    usual = pl.col("at").is_between(_YEAR_0, _YEAR_10_000, closed="left")
    others = {at: iso(at) for at in numbers.filter(~usual)["at"].unique()}
    spelled = pl.when(usual).then(pl.col("at")).cast(_MOMENT).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    if others:
        spelled = spelled.fill_null(pl.col("at").replace_strict(others, default=None, return_dtype=pl.String))
    return numbers.select(spelled.alias(moments.name)).to_series()
