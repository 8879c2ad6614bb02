"""Records and labels reach the disk whole, and are read back whatever happened to some of them."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.base.errors import InvalidData, StorageError
from mainspring.serving import predictions, recorder, segments
from mainspring.serving.answered import Record, frame_of
from mainspring.serving.labels import LabelWriter, Truth
from mainspring.serving.predictor import Answer
from mainspring.serving.recorder import Recorder
from mainspring.serving.segments import DamagedSegment

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


def record(number: int, *, role: str = "champion", at: int = 1000, rows: int = 1, **more: Any) -> Record:
    score = np.linspace(0, 1, rows)
    answer = Answer(score, (score > 0.5).astype(float))
    ids = [f"{number * 1000 + row:032x}" for row in range(rows)]
    made = {"endpoint": "m", "version": "1.0.0", "role": role, "status": "ok", "ids": ids, "at": at}
    return Record(**{**made, "event_times": None, "key": "k", "latency_ms": 1.0, "answer": answer, **more})


def write(workspace: Workspace, *records: Record) -> None:
    async def run() -> None:
        made = Recorder(workspace, "w")
        made.start()
        for one in records:
            made.add(one)
        await made.close()

    asyncio.run(run())


def test_what_was_added_is_there_after_closing(workspace: Workspace) -> None:
    write(workspace, record(1), record(2, rows=3, at=4_000_000), record(3, role="shadow"))
    found = predictions.predictions(workspace, "m")
    assert len(found) == 4
    assert found["event_time"].to_list() == [1000, 4_000_000, 4_000_000, 4_000_000]
    folders = {path.parent.name for path in segments.paths(segments.folder(workspace, "predictions", "m"))}
    assert folders == {"1970010100", "1970010101"}
    assert predictions.predictions(workspace, "m", roles=["shadow"])["prediction_id"].to_list() == [f"{3000:032x}"]
    assert predictions.endpoints(workspace) == ["m"]


def test_nothing_recorded_is_an_empty_table_with_all_columns(workspace: Workspace) -> None:
    assert predictions.predictions(workspace, "m").columns[:3] == ["prediction_id", "at", "event_time"]
    assert predictions.labels(workspace, "m").is_empty()
    assert predictions.labelled(workspace, "m").is_empty()


def test_multiclass_scores_are_kept_whole(workspace: Workspace) -> None:
    answer = Answer(np.array([[0.7, 0.2, 0.1]]), np.array([0.0]))
    write(workspace, record(1, answer=answer), record(2))
    found = predictions.predictions(workspace, "m").sort("prediction_id")
    assert found["scores"].to_list() == [[0.7, 0.2, 0.1], None]
    assert found["score"].to_list() == [0.7, 0.0]


def test_a_damaged_segment_is_named_and_the_rest_is_read(workspace: Workspace) -> None:
    write(workspace, record(1))
    write(workspace, record(2))
    root = segments.folder(workspace, "predictions", "m")
    broken = segments.paths(root)[0]
    broken.write_bytes(broken.read_bytes()[:-20])
    (broken.parent / ".half-written.tmp").write_bytes(b"PAR1")
    (broken.parent / ".x.parquet").write_bytes(b"PAR1")
    with pytest.warns(DamagedSegment, match=broken.name):
        assert len(predictions.predictions(workspace, "m")) == 1
    with pytest.raises(InvalidData, match=broken.name):
        predictions.predictions(workspace, "m", strict=True)


def test_columns_whose_type_changed_are_still_read(workspace: Workspace) -> None:
    root = segments.folder(workspace, "predictions", "m")
    for value in (1, 2.5, "three"):
        frame = frame_of([record(1)]).with_columns(pl.lit(value).alias("input.x"))
        segments.write(root, frame, at=0, writer="w")
    assert sorted(predictions.predictions(workspace, "m")["input.x"].to_list()) == ["1", "2.5", "three"]


def test_a_full_disk_keeps_records_and_then_drops_and_counts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dropped: list[int] = []
    full = StorageError("cannot write: no space left on device", hint="free some", errno=errno.ENOSPC)
    original = segments.write

    def refuse(*_: Any, **__: Any) -> None:
        raise full

    async def run() -> None:
        made = Recorder(workspace, "w", dropped=lambda endpoint, rows: dropped.append(rows))
        monkeypatch.setattr(segments, "write", refuse)
        made.add(record(1, rows=3))
        await made.flush()
        await made.flush()
        assert dropped == []
        made.add(record(2, rows=recorder.CAPACITY))
        assert dropped == [recorder.CAPACITY]
        monkeypatch.setattr(segments, "write", original)
        await made.flush()
        monkeypatch.setattr(segments, "write", refuse)
        made.add(record(3, rows=2))
        await made.close()

    asyncio.run(run())
    assert len(predictions.predictions(workspace, "m")) == 3
    assert dropped == [recorder.CAPACITY, 2]
    assert "no space left" in caplog.text


def test_labels_that_come_together_share_a_segment(workspace: Workspace) -> None:
    async def run() -> None:
        made = LabelWriter(workspace, "w")
        posts = [made.write("m", [Truth(f"{number:032x}", 1000, 1.0, 1000)]) for number in range(50)]
        await asyncio.gather(*posts)
        await made.close()

    asyncio.run(run())
    assert len(predictions.labels(workspace, "m")) == 50
    assert len(segments.paths(segments.folder(workspace, "labels", "m"))) <= 2


def test_labels_that_cannot_be_written_are_not_acknowledged(workspace: Workspace) -> None:
    (workspace.state / "labels").mkdir(parents=True)
    (workspace.state / "labels" / "m").write_text("a file stands in the way")

    async def run() -> None:
        made = LabelWriter(workspace, "w")
        with pytest.raises(StorageError):
            await made.write("m", [Truth("0" * 32, 1, 1.0, 1)])
        await made.close()

    asyncio.run(run())


def test_the_latest_label_wins_in_any_order_of_arrival(workspace: Workspace) -> None:
    async def run() -> None:
        made = LabelWriter(workspace, "w")
        one = "0" * 32
        await made.write("m", [Truth(one, 3000, 0.0, 1)])
        await made.write("m", [Truth(one, 2000, 1.0, 2)])
        await made.close()

    asyncio.run(run())
    assert predictions.labels(workspace, "m").rows() == [("0" * 32, 3000, 0.0, 1)]
    write(workspace, record(0))
    assert predictions.labelled(workspace, "m")["truth"].to_list() == [0.0]
    assert predictions.labelled(workspace, "m", known_at=2999).is_empty()
