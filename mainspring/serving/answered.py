"""One request and what was answered, as it is kept until it is a row of a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import polars as pl

from mainspring.serving import segments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mainspring.serving.payload import Columns
    from mainspring.serving.predictor import Answer
    from mainspring.versioning.signature import DType

Status = Literal["ok", "error", "invalid"]


class Inputs(Protocol):
    """What is known of the inputs of a version: their names and types, and their kinds as a signature calls them."""

    @property
    def names(self) -> list[str]: ...

    @property
    def schema(self) -> dict[str, pl.DataType]: ...

    @property
    def kinds(self) -> dict[str, DType]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The rows of one request and what was answered."""

    endpoint: str
    version: str
    role: str
    status: Status
    ids: list[str]
    at: int
    event_times: list[int] | None
    key: str | list[str]
    latency_ms: float
    answer: Answer | None = None
    reader: Inputs | None = None
    columns: Columns | None = None
    error: str | None = None


def grouped(records: Iterable[Record]) -> list[list[Record]]:
    """Return records by the segment that they belong in: those of one endpoint, version and hour."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.endpoint, record.version, segments.hour(record.at)), []).append(record)
    return list(groups.values())


def frame_of(records: list[Record]) -> pl.DataFrame:
    """Return records of one endpoint and version as rows of a segment."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA}
    for record in records:
        rows = len(record.ids)
        columns["prediction_id"] += record.ids
        columns["event_time"] += record.event_times or [record.at] * rows
        for name in ("at", "version", "role", "status", "latency_ms", "error"):
            columns[name] += [getattr(record, name)] * rows
        columns["key"] += record.key if isinstance(record.key, list) else [record.key] * rows
        _add_answer(columns, record.answer, rows)
    frame = pl.DataFrame(columns, schema=SCHEMA)
    if frame["scores"].null_count() == len(frame):
        frame = frame.drop("scores")
    reader = next((record.reader for record in records if record.reader is not None), None)
    return frame if reader is None else frame.hstack(_inputs(records, reader))


SCHEMA: dict[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "at": pl.Int64(),
    "event_time": pl.Int64(),
    "version": pl.String(),
    "role": pl.String(),
    "status": pl.String(),
    "score": pl.Float64(),
    "label": pl.Float64(),
    "latency_ms": pl.Float64(),
    "key": pl.String(),
    "error": pl.String(),
    "scores": pl.List(pl.Float64()),
}


def _add_answer(columns: dict[str, list[Any]], answer: Answer | None, rows: int) -> None:
    if answer is None:
        for name in ("score", "label", "scores"):
            columns[name] += [None] * rows
        return
    multiclass = answer.score.ndim == 2
    columns["score"] += (np.max(answer.score, axis=1) if multiclass else answer.score).tolist()
    columns["label"] += answer.label.tolist()
    columns["scores"] += answer.score.tolist() if multiclass else [None] * rows


def _inputs(records: list[Record], reader: Inputs) -> list[pl.Series]:
    inputs: dict[str, list[Any]] = {name: [] for name in reader.names}
    for record in records:
        for name, values in inputs.items():
            values += [None] * len(record.ids) if record.columns is None else record.columns[name]
    return [pl.Series(f"input.{name}", values, dtype=reader.schema[name]) for name, values in inputs.items()]
