"""What was answered outlives the worker that answered it."""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.serving import journal, predictions, releases, segments, servers
from mainspring.serving.answered import Record, frame_of
from mainspring.serving.journal import Journal
from mainspring.serving.payload import Reader
from mainspring.serving.predictor import Answer
from mainspring.versioning.signature import ColumnType, Signature, Target
from serving.scene import add, server, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

_VALUES: dict[str, list[Any]] = {
    "int64": [2**62, None],
    "float64": [0.1, float("nan")],
    "string": ["ü\0", None],
    "boolean": [True, None],
    "datetime": [datetime(2026, 1, 2, 3, 4, 5, 6), None],  # noqa: DTZ001 - conformed moments have no zone
    "date": [date(2026, 1, 2), None],
}


def record(number: int, reader: Reader | None = None, **changes: Any) -> Record:
    told: dict[str, Any] = {
        "endpoint": "m", "version": "1.0.0", "role": "champion", "status": "ok", "at": 1000 + number,
        "ids": [f"{number * 10 + row:032x}" for row in range(2)], "event_times": [1, 2], "key": ["a", "b"], "latency_ms": 0.5,
        "answer": Answer(np.array([0.25, 0.75]), np.array([0, 1])), "reader": reader,
        "columns": None if reader is None else {f"a {kind}": values for kind, values in _VALUES.items()},
    }  # fmt: skip
    return Record(**(told | changes))


@pytest.fixture
def reader() -> Reader:
    columns = [ColumnType(name=f"a {kind}", dtype=kind, nullable=True) for kind in _VALUES]  # type: ignore[arg-type]  # kinds by name
    return Reader(
        Signature(inputs=columns, target=Target(name="y", task="binary", classes=[False, True]), container="numpy")
    )


def test_records_come_back_as_the_same_rows(tmp_path: Path, reader: Reader) -> None:
    scores = Answer(np.array([[0.2, 0.3, 0.5]] * 2), np.array([2, 2]))
    told = [
        record(1, reader),
        record(2, reader, key="k", event_times=None),
        record(3, status="error", answer=None, error="it\x1b broke"),
        record(4, answer=scores),
    ]
    made = Journal(tmp_path, "w")
    for one in told:
        made.append(one)
    [path] = made.seal()
    assert frame_of(list(journal.read(path))).equals(frame_of(told))


def test_a_journal_cut_short_anywhere_gives_whole_records(tmp_path: Path, reader: Reader) -> None:
    made = Journal(tmp_path, "w")
    for number in range(3):
        made.append(record(number, reader))
    [path] = made.seal()
    whole = path.read_bytes()
    found = set()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        found.add(len(list(journal.read(path))))
    assert found == {0, 1, 2}


def test_rows_that_are_in_segments_are_not_written_again(workspace: Workspace, tmp_path: Path, reader: Reader) -> None:
    made = Journal(tmp_path, "w")
    for number in range(3):
        made.append(record(number, reader))
    kept = frame_of([record(1, reader)])
    segments.write(segments.folder(workspace, segments.PREDICTIONS, "m"), kept, at=1001, writer="w")
    assert journal.recover(workspace, made.seal(), writer="v") == 4
    assert len(predictions.predictions(workspace, "m")) == 6
    assert list(tmp_path.glob("*.journal")) == []


def test_written_files_are_removed_and_a_refusing_disk_is_survived(tmp_path: Path) -> None:
    made = Journal(tmp_path, "w")
    made.append(record(1))
    sealed = made.seal()
    made.append(record(2))
    made.forget(sealed)
    assert [path.name for path in tmp_path.iterdir()] == ["w-2.journal"]
    made.close(keep=False)
    assert list(tmp_path.iterdir()) == []
    Journal(tmp_path / "nowhere", "w").append(record(1))


@pytest.mark.slow
def test_answered_predictions_survive_kill_9_of_worker_and_server(workspace: Workspace) -> None:
    releases.release(workspace, "m", add(workspace), reason="first", override="a test")
    ids: list[str] = []

    def ask(running: Any) -> None:
        client = running.client()
        for _ in range(20):
            ids.extend(client.post("/invocations", {"instances": [[0.5, 1], [1.5, 2]]})[1]["prediction_ids"])
        client.close()

    def listens(running: Any) -> bool:
        with suppress(OSError), closing(running.client()) as client:
            return bool(client.get("/health")[0] == 200)
        return False

    def kept() -> bool:
        return set(predictions.predictions(workspace, "m")["prediction_id"]) >= set(ids)

    with server(workspace, "--no-guard") as running:
        ask(running)
        [worker] = running.workers()
        os.kill(worker, signal.SIGKILL)
        wait_until(kept, "the recovery by the next worker")
        wait_until(lambda: listens(running), "a new worker")
        ask(running)
        [worker] = running.workers()
        os.kill(worker, signal.SIGSTOP)
        running.process.kill()
        running.process.wait()
        os.kill(worker, signal.SIGKILL)
    assert list(servers.folder(workspace).glob("*/*.journal")) or kept()
    with server(workspace, "--no-guard"):
        wait_until(kept, "the recovery by the next server")
    assert predictions.predictions(workspace, "m")["prediction_id"].is_unique().all()
    assert not list(servers.folder(workspace).glob("*"))
    assert pl.Series(ids).is_unique().all()
