"""Merged segments hold the same rows as what they replace, at every moment and after every death."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mainspring.base.errors import StorageError
from mainspring.serving import compaction, predictions, segments
from mainspring.serving.compaction import Compaction
from mainspring.serving.labels import SCHEMA as LABELS
from mainspring.serving.segments import DamagedSegment
from serving.test_segments import record, write

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

HOUR = 3_600_000
LATER = 5 * HOUR


def files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.state / "predictions" / "m").rglob("*.parquet"))


def fill(workspace: Workspace, count: int = 6) -> pl.DataFrame:
    for number in range(count):
        write(workspace, record(number, rows=2, at=1000 + number % 2 * HOUR))
    return predictions.predictions(workspace, "m")


def test_a_closed_hour_becomes_one_file_with_the_same_rows(workspace: Workspace) -> None:
    before = fill(workspace)
    assert len(files(workspace)) == 6
    tidy = Compaction(workspace, kept=0)
    assert tidy.run(at=LATER) == 6
    assert_frame_equal(predictions.predictions(workspace, "m"), before)
    assert len(files(workspace)) == 2
    assert tidy.run(at=LATER) == 0
    assert Compaction(workspace).run(at=LATER) == 0
    assert_frame_equal(predictions.predictions(workspace, "m"), before)


def test_replaced_files_are_not_read_while_they_stay(workspace: Workspace) -> None:
    before = fill(workspace)
    Compaction(workspace).run(at=LATER)
    assert len(files(workspace)) == 8
    assert len(segments.paths(segments.folder(workspace, "predictions", "m"))) == 2
    assert_frame_equal(predictions.predictions(workspace, "m"), before)


def test_what_comes_late_is_merged_with_what_was_merged(workspace: Workspace) -> None:
    fill(workspace)
    Compaction(workspace).run(at=LATER)
    write(workspace, record(77, at=2000))
    late = predictions.predictions(workspace, "m")
    assert len(late) == 13
    assert Compaction(workspace).run(at=LATER) == 2
    assert_frame_equal(predictions.predictions(workspace, "m"), late)
    Compaction(workspace, kept=0).run(at=LATER)
    assert_frame_equal(predictions.predictions(workspace, "m"), late)
    assert len(files(workspace)) == 2


def test_the_present_hour_is_left_alone_until_it_holds_many(workspace: Workspace) -> None:
    before = fill(workspace, 5)
    assert Compaction(workspace, kept=0).run(at=2000) == 0
    assert Compaction(workspace, kept=0, many=3).run(at=2000) == 3
    assert_frame_equal(predictions.predictions(workspace, "m"), before)


@pytest.mark.parametrize("step", ["staged", "replace", "unlink"])
def test_a_death_at_any_step_leaves_every_row_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from pathlib import Path

    class Died(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Died

    before = fill(workspace)
    with monkeypatch.context() as patch:
        if step == "staged":
            patch.setattr(compaction, "staged", die)
        else:
            patch.setattr(Path, step, die)
        with pytest.raises(Died):
            Compaction(workspace, kept=0).run(at=LATER)
    assert_frame_equal(predictions.predictions(workspace, "m"), before)
    Compaction(workspace, kept=0).run(at=LATER)
    assert_frame_equal(predictions.predictions(workspace, "m"), before)
    assert len(files(workspace)) == 2
    assert not list((workspace.state / "predictions" / "m").rglob("*.tmp"))


def test_files_with_other_columns_stay_apart_and_types_are_kept(workspace: Workspace) -> None:
    root = segments.folder(workspace, "predictions", "m")
    fill(workspace, 4)
    for path in list(root.rglob("*.parquet"))[:1]:
        pl.read_parquet(path).with_columns(pl.lit(1).alias("input.x")).write_parquet(path)
    before = predictions.predictions(workspace, "m")
    assert Compaction(workspace, kept=0).run(at=LATER) == 2
    assert_frame_equal(predictions.predictions(workspace, "m"), before, check_column_order=False)


def test_a_damaged_segment_is_left_where_it_is(workspace: Workspace) -> None:
    fill(workspace)
    damaged = files(workspace)[0]
    damaged.write_bytes(b"nonsense")
    with pytest.warns(DamagedSegment):
        before = predictions.predictions(workspace, "m")
    assert Compaction(workspace, kept=0).run(at=LATER) == 5
    assert damaged.exists()
    with pytest.warns(DamagedSegment):
        assert_frame_equal(predictions.predictions(workspace, "m"), before)


def test_labels_are_merged_and_the_newest_still_counts(workspace: Workspace) -> None:
    root = segments.folder(workspace, "labels", "m")
    for at, truth in ((1000, 0.0), (2000, 1.0)):
        row = {"prediction_id": "a", "at": at, "received_at": at, "truth": truth}
        segments.write(root, pl.DataFrame([row], schema=LABELS), at=at, writer="w")
    assert Compaction(workspace, kept=0).run(at=LATER) == 2
    assert predictions.labels(workspace, "m")["truth"].to_list() == [1.0]


def test_only_one_process_merges(workspace: Workspace) -> None:
    fill(workspace)
    with compaction._alone(workspace.state / "predictions") as alone:
        assert alone
        assert Compaction(workspace).run(at=LATER) == 0
    assert Compaction(workspace).run(at=LATER) == 6


def test_a_full_disk_loses_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    before = fill(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StorageError, match="no space"):
            Compaction(workspace).run(at=LATER)
    assert_frame_equal(predictions.predictions(workspace, "m"), before)
