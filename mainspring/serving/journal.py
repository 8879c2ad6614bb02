"""A worker's journal: what it answered and has not yet written as a segment, kept where kill -9 cannot take it.

Each record is appended with one write before its answer leaves. No disk barrier: the journal outlives the process, not the
machine. It is sealed when its records are being written, and removed when they are. Who comes after a worker that was
killed recovers what it left; what is in a segment already is not written twice.
"""

from __future__ import annotations

import logging
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from mainspring.serving import segments
from mainspring.serving.answered import Record, Status, frame_of, grouped
from mainspring.serving.predictor import Answer
from mainspring.serving.servers import JOURNAL
from mainspring.versioning.signature import POLARS, DType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from mainspring.serving.answered import Inputs
    from mainspring.store.workspace import Workspace

log = logging.getLogger(__name__)
_SIZE = struct.Struct("<I")
_READ: dict[str, Callable[[str], Any]] = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}


@dataclass(frozen=True)
class _Kept:
    """The inputs of a version, as a journal tells of them."""

    kinds: dict[str, DType]

    @property
    def names(self) -> list[str]:
        return list(self.kinds)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        return {name: POLARS[kind] for name, kind in self.kinds.items()}


class _Told(msgspec.Struct, frozen=True, array_like=True, tag="inputs"):
    number: int
    kinds: dict[str, DType]


class _Line(msgspec.Struct, frozen=True, array_like=True, tag="record"):
    endpoint: str
    version: str
    role: str
    status: Status
    ids: list[str]
    at: int
    event_times: list[int] | None
    key: str | list[str]
    latency_ms: float
    error: str | None
    answer: tuple[list[Any], list[float]] | None
    inputs: int | None
    columns: list[list[Any]] | None


class Journal:
    """Appends records to files of one worker; a disk that refuses is left in peace until the next file."""

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._count = 0
        self._sealed: list[Path] = []
        self._path: Path | None = None
        self._file = -1
        self._told: dict[int, tuple[int, Inputs]] = {}
        self._encoder = msgspec.msgpack.Encoder()

    def append(self, record: Record) -> None:
        """Append a record. Never fails: the records in memory are not worse for it."""
        try:
            if self._path is None:
                self._open()
            if self._file >= 0:
                os.write(self._file, self._encoded(record))
        except (OSError, TypeError, ValueError, OverflowError) as error:
            self._give_up(error)

    def seal(self) -> list[Path]:
        """Close the file, and return all that are closed; what comes next goes to a new one."""
        if self._path is not None:
            self._sealed.append(self._path)
            self._leave()
        return list(self._sealed)

    def forget(self, sealed: list[Path]) -> None:
        """Remove files whose records are in segments."""
        for path in sealed:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            self._sealed.remove(path)

    def close(self, *, keep: bool) -> None:
        """End; unless they are kept, all files are removed."""
        sealed = self.seal()
        if not keep:
            self.forget(sealed)

    def _open(self) -> None:
        self._count += 1
        self._path = self._folder / f"{self._writer}-{self._count}{JOURNAL}"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _give_up(self, error: Exception) -> None:
        log.warning("the journal of predictions stops until the next flush: %s", error)
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _leave(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._path, self._file = None, -1
        self._told.clear()

    def _encoded(self, record: Record) -> bytes:
        told, inputs = b"", None
        if record.reader is not None and record.columns is not None:
            known = self._told.get(id(record.reader))
            if known is None:
                known = self._told[id(record.reader)] = (len(self._told), record.reader)
                told = self._framed(_Told(known[0], record.reader.kinds))
            inputs = known[0]
        answer = record.answer
        line = _Line(
            record.endpoint, record.version, record.role, record.status, record.ids, record.at, record.event_times,
            record.key, record.latency_ms, record.error,
            None if answer is None else (answer.score.tolist(), answer.label.tolist()),
            inputs, None if inputs is None or record.columns is None else list(record.columns.values()),
        )  # fmt: skip
        return told + self._framed(line)

    def _framed(self, value: object) -> bytes:
        body = self._encoder.encode(value)
        return _SIZE.pack(len(body)) + body


def read(path: Path) -> Iterator[Record]:
    """Give the records of a journal; one that was cut short ends before its last, unfinished record."""
    data = path.read_bytes()
    inputs: dict[int, _Kept] = {}
    decoder = msgspec.msgpack.Decoder(_Told | _Line)
    start = 0
    while start + _SIZE.size <= len(data):
        (size,) = _SIZE.unpack_from(data, start)
        start += _SIZE.size
        if start + size > len(data):
            return
        try:
            line = decoder.decode(data[start : start + size])
        except msgspec.MsgspecError:
            return
        start += size
        if isinstance(line, _Told):
            inputs[line.number] = _Kept(line.kinds)
        else:
            yield _record(line, None if line.inputs is None else inputs.get(line.inputs))


def _record(line: _Line, inputs: _Kept | None) -> Record:
    columns = None
    if inputs is not None and line.columns is not None:
        columns = {
            name: [_READ[kind](value) if kind in _READ and value is not None else value for value in values]
            for (name, kind), values in zip(inputs.kinds.items(), line.columns, strict=True)
        }
    return Record(
        endpoint=line.endpoint, version=line.version, role=line.role, status=line.status, ids=line.ids, at=line.at,
        event_times=line.event_times, key=line.key, latency_ms=line.latency_ms, error=line.error,
        answer=None if line.answer is None else Answer(np.array(line.answer[0]), np.array(line.answer[1])),
        reader=None if columns is None else inputs, columns=columns,
    )  # fmt: skip


def recover(workspace: Workspace, paths: Iterable[Path], *, writer: str) -> int:
    """Write as segments what journals hold and no segment does, remove them, and return how many rows that were.

    Only for journals whose worker is gone, by one process at a time.

    Raises:
        StorageError: the disk refuses; the journals stay.
    """
    rows = 0
    for path in sorted(paths):
        for records in grouped(read(path)):
            root = segments.folder(workspace, segments.PREDICTIONS, records[0].endpoint)
            frame = frame_of(records)
            beside = segments.paths(root, arrived_since=min(record.at for record in records))
            held = segments.read(beside, columns=["prediction_id", "version", "role"])
            if held is not None:
                frame = frame.join(held, on=["prediction_id", "version", "role"], how="anti", maintain_order="left")
            if len(frame):
                segments.write(root, frame, at=records[0].at, writer=writer)
            rows += len(frame)
        path.unlink(missing_ok=True)
    return rows
