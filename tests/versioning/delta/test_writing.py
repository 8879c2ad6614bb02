from __future__ import annotations

import json
import multiprocessing
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable

from mainspring.base.errors import AlreadyExists, Conflict, InvalidData, NotFound, UsageError
from mainspring.cli.main import run as command
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from mainspring.versioning.delta import writing
from mainspring.versioning.delta.schemas import SchemaMismatch
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from pathlib import Path


def test_create_append_overwrite_merge(lake: Workspace) -> None:
    table = Table("trips", lake)
    assert table.create(rows(1, 2)) == 0
    assert table.append(rows(3)) == 1
    assert table.merge(rows(3, 4, price=100.0)) == 2
    assert table.frame().sort("id")["price"].to_list() == [11.0, 12.0, 103.0, 104.0]
    assert table.overwrite(rows(9)) == 3
    assert table.frame(version=2).height == 4
    with pytest.raises(AlreadyExists, match="a table at data/trips already"):
        table.create(rows(1))
    assert table.frame()["id"].to_list() == [9]


def test_rows_come_from_files_and_pandas_too(lake: Workspace) -> None:
    table = Table("trips", lake)
    rows(1).write_parquet(lake.root / "a.parquet")
    table.create(lake.root / "a.parquet")
    rows(2).write_csv(lake.root / "b.csv")
    table.append(str(lake.root / "b.csv"))
    pd = pytest.importorskip("pandas")
    table.append(pd.DataFrame({"id": [3], "price": [1.5], "city": ["x"]}))
    assert table.frame().sort("id")["id"].to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("frame", "said", "expected", "given"),
    [
        (rows(4).with_columns(pl.col("price").cast(pl.String)), "the column 'price' is String", "Float64", "String"),
        (rows(4).with_columns(pl.col("id").cast(pl.String)), "the column 'id' is String", "Int64", "String"),
        (rows(4).with_columns(pl.col("id").cast(pl.Float64)), "the column 'id' is Float64", "Int64", "Float64"),
        (rows(4).drop("city"), "the column 'city' is missing", "String", None),
        (rows(4).with_columns(tip=1.0), "the column 'tip' is Float64", None, "Float64"),
    ],
)
def test_rows_that_do_not_fit(
    trips: Table, frame: pl.DataFrame, said: str, expected: str | None, given: str | None
) -> None:
    for write in (trips.append, trips.overwrite, trips.merge):
        with pytest.raises(SchemaMismatch, match=said) as refused:
            write(frame)
        assert (refused.value.details["expected"], refused.value.details["given"]) == (expected, given)
    assert trips.version == 0


def test_what_fits_without_loss_is_widened(trips: Table) -> None:
    frame = rows(4).with_columns(
        pl.col("id").cast(pl.UInt16),
        pl.col("price").cast(pl.Float32),
        pl.col("city").cast(pl.Categorical),
    )
    trips.append(frame.select("city", "price", "id"))
    trips.append(rows(5).with_columns(city=None))
    assert trips.frame().schema == rows(1).schema
    assert trips.frame().sort("id")["city"].to_list() == ["a", "a", "a", "a", None]


def test_the_schema_evolves_when_asked(trips: Table) -> None:
    trips.append(rows(4).with_columns(tip=1.5), evolve=True)
    trips.append(rows(5).drop("city"), evolve=True)
    found = trips.frame().sort("id")
    assert found["tip"].to_list() == [None, None, None, 1.5, None]
    assert found["city"].null_count() == 1
    with pytest.raises(SchemaMismatch, match="the column 'id' is String"):
        trips.append(rows(6).with_columns(pl.col("id").cast(pl.String), tip=0.0), evolve=True)
    trips.merge(rows(1, price=50.0).drop("city"), evolve=True)
    kept = trips.frame().filter(id=1)
    assert kept.select("price", "city").row(0) == (51.0, "a")
    trips.overwrite(pl.DataFrame({"id": ["x"], "big": pl.Series([1], dtype=pl.UInt32)}), evolve=True)
    assert trips.frame().schema == {"id": pl.String, "big": pl.Int64}
    assert trips.frame(version=1).columns == ["id", "price", "city", "tip"]


def test_what_delta_cannot_hold(lake: Workspace) -> None:
    table = Table("trips", lake)
    with pytest.raises(InvalidData, match="the column 't' is Time"):
        table.create(pl.DataFrame({"t": [None]}, schema={"t": pl.Time}))
    with pytest.raises(InvalidData, match="the column 'n' is Null"):
        table.create(pl.DataFrame({"n": [None]}))
    with pytest.raises(InvalidData, match="too large"):
        table.create(pl.DataFrame({"n": pl.Series([2**64 - 1], dtype=pl.UInt64)}))
    with pytest.raises(InvalidData, match="no column 'town'"):
        table.create(rows(1), partition_by=["town"])
    assert not (lake.root / "data/trips").exists()


@pytest.mark.parametrize(
    ("frame", "keys", "said"),
    [
        (rows(4, 4), ["id"], "2 rows of what is merged have a key"),
        (rows(4).with_columns(id=pl.lit(None, dtype=pl.Int64)), ["id"], "1 rows of what is merged have no value"),
        (rows(4).with_columns(price=float("nan")), ["price"], "1 rows of what is merged have no value"),
        (rows(4), ["town"], "no column 'town'"),
        (rows(4), [], "needs the columns that identify a row"),
    ],
)
def test_a_merge_needs_keys_that_identify(trips: Table, frame: pl.DataFrame, keys: list[str], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        trips.merge(frame, key=keys)
    assert trips.version == 0


def test_values_that_parts_cannot_have(lake: Workspace) -> None:
    table = Table("trips", lake)
    kinds = {"id": pl.Int64, "s": pl.String, "m": pl.Decimal(10, 2), "l": pl.List(pl.Int64)}
    frame = pl.DataFrame({"id": [1], "s": ["a"], "m": [Decimal("1.50")], "l": [[1]]}, schema=kinds)
    for column, bad, said in (
        ("s", "", "parted by 's', and an empty text there would become null"),
        ("m", Decimal("-0.5"), "parted by 'm', and a decimal below 0 there would make it unreadable"),
        ("l", [], "no table can be parted by 'l'"),
    ):
        with pytest.raises(InvalidData, match=said):
            table.create(frame.with_columns(pl.Series(column, [bad], frame.schema[column])), partition_by=[column])
    table.create(frame, partition_by=["s", "m"])
    for write in (table.append, table.overwrite, table.merge):
        for column, bad in (("s", ""), ("m", Decimal("-0.5"))):
            with pytest.raises(InvalidData, match=f"parted by '{column}'"):
                write(frame.with_columns(pl.Series(column, [bad], frame.schema[column])))
    assert table.version == 0
    assert table.frame().equals(frame)


def test_rules_of_the_table_are_told(trips: Table) -> None:
    DeltaTable(trips.source.uri).alter.add_constraint({"positive": "price > 0"})
    with pytest.raises(InvalidData, match="a rule of the table"):
        trips.append(rows(4, price=-100.0))


def test_the_change_feed_tells_rows(trips: Table) -> None:
    trips.merge(rows(3, 4, price=100.0))
    trips.overwrite(rows(1))
    told = pl.concat(trips.changes(0, 1)).sort("id", "_change_type")
    assert told["_change_type"].to_list() == ["update_postimage", "update_preimage", "insert"]
    assert told["price"].to_list() == [103.0, 13.0, 104.0]
    assert set(pl.concat(trips.changes(1))["_commit_version"]) == {2}
    with pytest.raises(UsageError, match="no commits after version 2"):
        list(trips.changes(2, 2))


def test_changes_come_commit_by_commit_and_a_cut_is_said(
    trips: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4, 9):
        trips.append(rows(number))
    trips.merge(rows(3))
    assert [number for frame in trips.changes(0) for number in frame["_commit_version"]] == [1, 2, 3, 4, 5, 6, 6]
    monkeypatch.chdir(trips.workspace.root)
    assert command(["data", "changes", "trips", "0", "--limit", "2", "--json"]) == 0
    told = capsys.readouterr()
    assert [row["id"] for row in json.loads(told.out)] == [4, 5]
    assert "the first 2: --limit 0 tells all" in told.err
    assert command(["data", "changes", "trips", "0", "--limit", "7"]) == 0
    assert "--limit" not in capsys.readouterr().err


def test_changes_that_were_vacuumed(trips: Table) -> None:
    trips.merge(rows(3, 4, price=100.0))
    trips.overwrite(rows(1))
    trips.vacuum(retention_hours=0, orphans=True, remove=True)
    with pytest.raises(NotFound, match="version 1 of data/trips cannot be read any more: files of it were removed"):
        list(trips.changes(0))
    trips.append(rows(2))
    assert pl.concat(trips.changes(2))["id"].to_list() == [2]


def test_a_table_without_a_change_feed(lake: Workspace) -> None:
    table = Table("trips", lake)
    table.create(rows(1))
    table.append(rows(2))
    with pytest.raises(UsageError, match="keeps no change feed"):
        list(table.changes(0))


def test_an_overwrite_that_meets_another_commit(trips: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = writing.fitted

    def slow(*arguments: object, **named: object) -> object:
        monkeypatch.setattr(writing, "fitted", fitted)
        trips.append(rows(7))
        return fitted(*arguments, **named)  # type: ignore[arg-type]  # arguments of many verbs

    monkeypatch.setattr(writing, "fitted", slow)
    with pytest.raises(Conflict, match=r"changed at the same moment: version 1 is a write by"):
        trips.overwrite(rows(9))
    assert sorted(trips.frame()["id"]) == [1, 2, 3, 7]
    for verb in (trips.merge, trips.append):
        monkeypatch.setattr(writing, "fitted", slow)
        verb(rows(20, price=1.0))
    assert sorted(trips.frame()["id"]) == [1, 2, 3, 7, 7, 7, 20, 20]


def _append(root: Path, start: int, count: int) -> None:
    workspace = Workspace(root)
    table = Table("trips", workspace)
    for number in range(count):
        table.append(rows(start + number))
    workspace.close()


@pytest.mark.slow
def test_two_processes_append_at_once(trips: Table) -> None:
    root, count = trips.workspace.root, 15
    trips.workspace.close()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append, args=(root, start, count)) for start in (100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    expected = {1, 2, 3, *range(100, 100 + count), *range(200, 200 + count)}
    assert sorted(trips.frame()["id"]) == sorted(expected)
    assert trips.version == 2 * count
    assert data.add(trips.workspace, "trips").table_version == 2 * count


def test_vacuum_keeps_what_is_pinned(trips: Table) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    trips.overwrite(rows(4))
    trips.overwrite(rows(5))
    kept = data.add(workspace, "trips")
    trips.overwrite(rows(6))
    folder = workspace.root / "data/trips"
    before = sorted(path.name for path in folder.glob("*.parquet"))
    assert trips.vacuum().files == []
    dry = trips.vacuum(retention_hours=0)
    assert (len(dry.files), dry.kept, dry.removed) == (1, [0, 2], False)
    assert sorted(path.name for path in folder.glob("*.parquet")) == before
    done = trips.vacuum(retention_hours=0, remove=True)
    assert (done.files, done.removed) == (dry.files, True)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [6]
    data.checkout(workspace, "trips", 1)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [1, 2, 3]
    data.checkout(workspace, "trips", kept.number)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [5]
    with pytest.raises(Exception, match="files of it were removed") as gone:
        trips.frame(version=1)
    assert "vacuumed" in str(getattr(gone.value, "hint", ""))


def test_vacuum_says_what_was_lost_and_refuses_a_strange_table(trips: Table) -> None:
    workspace, log = trips.workspace, trips.workspace.root / "data/trips/_delta_log"
    data.add(workspace, "trips")
    trips.append(rows(4))
    table = DeltaTable(trips.source.uri)
    table.create_checkpoint()
    (log / f"{0:020}.json").unlink()
    found = trips.vacuum(retention_hours=0)
    assert (found.lost, found.kept) == ([0], [])
    with pytest.raises(Exception, match="cannot be read any more: its log was cleaned up"):
        data.checkout(workspace, "trips", 1)
    for path in log.iterdir():
        path.unlink()
    trips.create(rows(1))
    with pytest.raises(Conflict, match="another table than the one whose versions are pinned"):
        trips.vacuum(retention_hours=0, remove=True)
