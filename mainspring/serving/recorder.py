"""What was answered, kept: predictions buffered by each worker and written as Parquet segments.

A worker that is killed outright (kill -9, power) loses at most what it answered since its last flush: the predictions of
half a second, or 5000 rows. A worker that is stopped loses none. Labels are not buffered: see ``labels``.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from mainspring.base.errors import StorageError
from mainspring.serving import segments

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.serving.payload import Columns, Reader
    from mainspring.serving.predictor import Answer
    from mainspring.store.workspace import Workspace

Status = Literal["ok", "error", "invalid"]
log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
FLUSH_ROWS = 5_000
CAPACITY = 50_000
"""Rows kept in memory while the disk refuses them; beyond that the newest are dropped and counted."""


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
    reader: Reader | None = None
    columns: Columns | None = None
    error: str | None = None


class Recorder:
    """Takes records without waiting, and writes them in a thread of its own."""

    def __init__(
        self,
        workspace: Workspace,
        writer: str,
        *,
        dropped: Callable[[str, int], None] = lambda endpoint, rows: None,  # noqa: ARG005 - names of the interface
    ) -> None:
        self._workspace = workspace
        self._writer = writer
        self._dropped = dropped
        self._waiting: list[Record] = []
        self._rows = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._flushing = asyncio.Lock()

    def start(self) -> None:
        """Begin to write what is added."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, record: Record) -> None:
        """Take a record; never waits, never fails."""
        rows = len(record.ids)
        if self._rows + rows > CAPACITY:
            self._dropped(record.endpoint, rows)
            return
        self._waiting.append(record)
        self._rows += rows
        if self._rows >= FLUSH_ROWS and not self._failing:
            self._wake.set()

    async def close(self) -> None:
        """Write what is left and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()
        for record in self._waiting:
            self._dropped(record.endpoint, len(record.ids))
        self._thread.shutdown()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write what was added until now. What the disk refuses is kept and tried again."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        taken, self._waiting = self._waiting, []
        if not taken:
            return
        groups: dict[tuple[str, str, str], list[Record]] = {}
        for record in taken:
            groups.setdefault((record.endpoint, record.version, segments.hour(record.at)), []).append(record)
        loop = asyncio.get_running_loop()
        refused = await loop.run_in_executor(self._thread, self._write, list(groups.values()))
        self._rows -= sum(len(record.ids) for record in taken) - sum(len(record.ids) for record in refused)
        self._waiting[:0] = refused

    def _write(self, groups: list[list[Record]]) -> list[Record]:
        refused: list[Record] = []
        said: StorageError | None = None
        for group in groups:
            root = segments.folder(self._workspace, segments.PREDICTIONS, group[0].endpoint)
            try:
                segments.write(root, frame_of(group), at=group[0].at, writer=self._writer)
            except StorageError as error:
                said = error
                refused += group
            except Exception:  # a record that cannot be written must not stop the others
                log.exception("predictions of %s could not be recorded", group[0].endpoint)
                self._dropped(group[0].endpoint, sum(len(record.ids) for record in group))
        if said is not None and not self._failing:
            log.error("predictions are answered, but not recorded: %s; %s", said.message, said.hint)
        elif said is None and self._failing:
            log.warning("predictions are recorded again")
        self._failing = said is not None
        return refused


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


def _inputs(records: list[Record], reader: Reader) -> list[pl.Series]:
    inputs: dict[str, list[Any]] = {name: [] for name in reader.names}
    for record in records:
        for name, values in inputs.items():
            values += [None] * len(record.ids) if record.columns is None else record.columns[name]
    return [pl.Series(f"input.{name}", values, dtype=reader.schema[name]) for name, values in inputs.items()]
