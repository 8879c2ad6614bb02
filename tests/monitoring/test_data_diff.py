from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
import pytest

from mainspring.base.errors import InvalidData, NotFound, UsageError
from mainspring.monitoring.data_diff import diff
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from mainspring.versioning import data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTINGS = """project: x
datasets:
  trips: {path: data/trips, table: delta, key: [id]}
  months: {path: data/months, key: [id]}
  notes: {path: data/notes}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "mainspring.yaml").write_text(SETTINGS)
    opened = Workspace(tmp_path)
    yield opened
    opened.close()


def frame(n: int = 2000, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"id": np.arange(n), "price": rng.normal(10, 2, n), "city": rng.choice(["a", "b", "c"], n)})


def test_versions_of_a_table(workspace: Workspace) -> None:
    table = Table("trips", workspace)
    table.create(frame())
    data.add(workspace, "trips")
    table.merge(frame(300).with_columns(pl.col("price") + 50, id=pl.col("id") + 1900))
    found = diff(workspace, "trips", examples=1)
    assert (found.before, found.after) == ("version 1 (table version 0)", "table version 1 (newest)")
    assert found.files is None
    assert found.rows is not None
    assert (found.rows.added, found.rows.removed, found.rows.changed, found.rows.key) == (200, 0, 100, ["id"])
    assert found.rows.columns["price"] == 100
    assert found.profile is not None
    price = next(each for each in found.profile if each.column == "price")
    assert price.finding is not None
    assert (price.finding.verdict, price.finding.method) == ("drift", "ks")
    assert (price.finding.n_reference, price.finding.n) == (2000, 2200)
    mean = table.frame()["price"].mean()
    assert price.mean is not None and price.mean[1] == pytest.approx(mean)
    assert not found.same
    assert msgspec.json.decode(msgspec.json.encode(found))["rows"]["changed"] == 100


def test_states_are_named_in_three_ways(workspace: Workspace) -> None:
    table = Table("trips", workspace)
    table.create(frame(10))
    data.add(workspace, "trips")
    table.append(frame(12).tail(2))
    data.add(workspace, "trips")
    moment = datetime.fromtimestamp(table.history()[-1].at / 1000, UTC).isoformat()
    for before in ("1", "v1", "@0", moment):
        found = diff(workspace, "trips", before, "2", profile=False)
        assert found.rows is not None
        assert (found.rows.added, found.profile) == (2, None), before
    assert diff(workspace, "trips").same
    with pytest.raises(NotFound, match="no version 7"):
        diff(workspace, "trips", "@7")
    with pytest.raises(NotFound, match="no version '7'"):
        diff(workspace, "trips", "7")
    with pytest.raises(UsageError, match="no moment"):
        diff(workspace, "trips", "2026-99-99")
    with pytest.raises(UsageError, match="the key 'idd' is no column") as wrong:
        diff(workspace, "trips", "@0", key=["idd"])
    assert wrong.value.hint == "did you mean 'id'?"


def test_a_key_that_was_retyped_is_told_and_rows_are_compared_whole(workspace: Workspace) -> None:
    table = Table("trips", workspace)
    table.create(frame(5))
    table.overwrite(frame(6).with_columns(pl.col("id").cast(pl.String)), evolve=True)
    found = diff(workspace, "trips", "@0", profile=False)
    assert [(each.column, each.change, each.comparable) for each in found.schema] == [("id", "retyped", False)]
    assert found.rows is not None
    assert (found.rows.key, found.rows.before, found.rows.after, found.rows.without_key) == ([], 5, 6, 0)
    with pytest.raises(UsageError, match="the key 'id' is no column that both states have in comparable types"):
        diff(workspace, "trips", "@0", key=["id"])


def test_only_files_that_differ_are_read(workspace: Workspace) -> None:
    table = Table("trips", workspace)
    table.create(frame(1000))
    table.append(frame(1010).tail(10))
    shared = min((workspace.root / "data/trips").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    whole = shared.read_bytes()
    shared.write_bytes(b"PAR1" + bytes(len(whole) - 12) + whole[-8:])  # whoever reads its rows fails
    with pytest.raises(InvalidData, match="cannot be read"):
        table.frame()
    from mainspring.versioning.difference.files import apart
    from mainspring.versioning.difference.sides import sides

    before, after = sides(workspace, "trips", "@0", "@1")
    left, right = apart(before.parts, after.parts)
    assert (left, len(right)) == ([], 1)
    assert after.scan is not None
    assert after.collect(after.scan(right)).sort("id")["id"].to_list() == list(range(1000, 1010))


def test_a_schema_that_evolved_in_parted_files(workspace: Workspace) -> None:
    table = Table("trips", workspace)
    table.create(frame(100), partition_by=["city"])
    table.append(frame(103).tail(3).with_columns(tip=1.5), evolve=True)
    found = diff(workspace, "trips", "@0", "@1")
    assert [(each.column, each.change) for each in found.schema] == [("tip", "added")]
    assert found.rows is not None
    assert (found.rows.added, found.rows.removed, found.rows.changed) == (3, 0, 0)
    with pytest.raises(InvalidData, match="is parted by 'city'"):
        table.overwrite(pl.DataFrame({"id": ["1"], "price": [2.0]}), evolve=True)
    table.overwrite(pl.DataFrame({"id": ["1"], "city": ["a"]}), evolve=True)
    other = diff(workspace, "trips", "@0", "@2", key=[])
    assert {(each.column, each.change) for each in other.schema} == {("id", "retyped"), ("price", "removed")}
    assert other.rows is not None
    assert (other.rows.before, other.rows.after, other.rows.compared) == (100, 1, ["city"])


def test_stored_files_that_are_tables(workspace: Workspace) -> None:
    folder = workspace.root / "data/months"
    folder.mkdir(parents=True)
    frame(100).write_parquet(folder / "01.parquet")
    frame(200).tail(100).write_parquet(folder / "02.parquet")
    data.add(workspace, "months")
    (folder / "01.parquet").rename(folder / "00.parquet")
    changed = frame(200).tail(100).with_columns(pl.when(pl.col("id") < 105).then(0.0).otherwise("price").alias("price"))
    changed.write_parquet(folder / "02.parquet")
    found = diff(workspace, "months", profile=False)
    assert found.after == "on disk"
    assert found.files is not None
    assert (found.files.added, found.files.removed, found.files.changed) == (
        ["00.parquet"],
        ["01.parquet"],
        ["02.parquet"],
    )
    assert found.rows is not None
    assert (found.rows.added, found.rows.removed, found.rows.changed) == (0, 0, 5)
    data.add(workspace, "months")
    assert diff(workspace, "months", "1", "2", profile=False).rows == found.rows
    assert diff(workspace, "months").same
    with pytest.raises(UsageError, match="no Delta table") as wrong:
        diff(workspace, "months", "@1")
    assert wrong.value.hint == "write 1 instead of @1"


def test_csv_and_files_that_are_no_tables(workspace: Workspace) -> None:
    folder = workspace.root / "data/notes"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    data.add(workspace, "notes")
    (folder / "a.txt").unlink()
    (folder / "b.txt").write_text("B")
    (folder / "c\nd.txt").write_text("c")
    found = diff(workspace, "notes")
    assert found.files is not None
    assert (found.files.added, found.files.removed, found.files.changed) == (["c\nd.txt"], ["a.txt"], ["b.txt"])
    assert (found.rows, found.profile, found.same) == (None, None, False)
    single = workspace.root / "prices.csv"
    single.write_text("id,x\n1,1\n2,2\n")
    data.add(workspace, single)
    single.write_text("id,x\n1,1\n2,2.5\n3,3\n")
    rows = diff(workspace, "prices", key=["id"]).rows
    assert rows is not None
    assert (rows.added, rows.removed, rows.changed) == (1, 0, 1)


def test_a_damaged_object_is_not_read(workspace: Workspace) -> None:
    folder = workspace.root / "data/months"
    folder.mkdir(parents=True)
    frame(100).write_parquet(folder / "01.parquet")
    first = data.add(workspace, "months")
    [entry] = workspace.objects.listing(first.md5)
    place = workspace.objects.path(entry.md5)
    place.chmod(0o644)
    place.write_bytes(b"PAR1")
    frame(90).write_parquet(folder / "01.parquet")
    with pytest.raises(Exception, match=entry.md5):
        diff(workspace, "months")


COMMANDS = """
data create trips a.parquet --change-feed
data add
data merge trips b.parquet
data diff trips --rows 2
data diff trips --json
data changes trips 0 --limit 1
data history trips
data vacuum trips --retention 0h
data checkout trips 1
data status
data append trips b.parquet
"""


@pytest.mark.slow
def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mainspring.yaml").write_text(
        "project: x\ndatasets: {trips: {path: data/trips, table: delta, key: [id]}}\n"
    )
    frame().write_parquet(tmp_path / "a.parquet")
    frame(300).with_columns(pl.col("price") + 50, id=pl.col("id") + 1900).write_parquet(tmp_path / "b.parquet")
    monkeypatch.setenv("COLUMNS", "200")
    told = []
    for line in COMMANDS.strip().splitlines():
        command = [sys.executable, "-m", "mainspring", *line.split()]
        told.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))
    assert [each.returncode for each in told] == [0] * 10 + [1], [each.stderr for each in told]
    said = {line: each.stdout for line, each in zip(COMMANDS.strip().splitlines(), told, strict=True)}
    text = said["data diff trips --rows 2"]
    assert "rows    2,000 → 2,200: +200 -0 ~100 (by id)" in text
    assert "2,000 → 2,200" in text.partition("column")[2]
    assert msgspec.json.decode(said["data diff trips --json"])["rows"]["added"] == 200
    assert "would go; --remove does it" in said["data vacuum trips --retention 0h"]
    assert "held at version 0 of the table; the table is at 1" in said["data status"]
    assert "nothing is written to it meanwhile" in told[-1].stderr
