"""A whole life of tables with all kinds of values, names and parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from mainspring.base.errors import InvalidData
from mainspring.monitoring.data_diff import diff
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from tests.versioning.delta.conftest import rows
from tests.versioning.delta.kinds import ODD

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

LATER = ODD.with_columns(pl.col("id") + 10)
CHANGED = ODD.with_columns(
    i8=pl.lit(7, pl.Int8), st=pl.lit({"a": 9, "b c": {"d": "z"}}, ODD.schema["st"]), li=pl.lit([7])
)
SPECIAL = ["a b", "c/d", None, "é%", "x=y", "[z]*?", "#h&;", "it's", "%20", "plain", "a+b:c"]


def counted(table: Table, before: str, after: str | None, **said: Any) -> tuple[int, int, int]:
    found = diff(table.workspace, "trips", before, after, **said).rows
    assert found is not None
    return found.added, found.removed, found.changed


def holds(table: Table, *frames: pl.DataFrame, version: int | None = None) -> bool:
    expected = pl.concat(frames).sort("id")
    return table.frame(version=version).sort("id").select(expected.columns).equals(expected)


@pytest.mark.slow
@pytest.mark.parametrize("parted", ["", "t", "z", "day", "b", "i8", "f32", "a b", "x.y"])
def test_a_whole_life(lake: Workspace, parted: str) -> None:
    table = Table("trips", lake)
    table.create(ODD, partition_by=[parted] if parted else [], change_feed=True)
    assert data.add(lake, "trips").number == 1
    table.append(LATER)
    assert holds(table, ODD, LATER)
    changed = CHANGED if parted != "i8" else CHANGED.with_columns(ODD["i8"])
    table.merge(changed)
    assert holds(table, changed, LATER)
    assert table.delete('id > 10 AND "a b" IS NOT NULL').rows == 3
    left = LATER.filter(pl.col("a b").is_null())
    assert holds(table, changed, left)
    assert counted(table, "@0", "@1", examples=2) == (4, 0, 0)
    assert counted(table, "@1", "@2", examples=2) == (0, 0, 4)
    assert counted(table, "@1", "@2", key=[]) == (4, 4, 0)
    assert counted(table, "@2", "@3", key=["id", "a b"]) == (0, 3, 0)
    told = pl.concat(table.changes(0))
    kinds = told["_change_type"].value_counts().sort("_change_type").rows()
    assert kinds == [("delete", 3), ("insert", 4), ("update_postimage", 4), ("update_preimage", 4)]
    assert told.filter(_commit_version=1).select(ODD.columns).sort("id").equals(LATER)
    table.overwrite(ODD)
    table.append(LATER)
    table.compact(by=["id"])
    assert holds(table, ODD, LATER)
    data.add(lake, "trips")
    table.append(ODD.drop("st").with_columns(pl.col("id") + 20, new=pl.lit("n")), evolve=True)
    table.merge(ODD.select("id", *([parted] if parted else [])).with_columns(more=1), evolve=True)
    assert (table.frame()["more"].sum(), table.frame()["new"].drop_nulls().len()) == (4, 4)
    assert holds(table, ODD, version=0)
    table.vacuum(retention_hours=0, orphans=True, remove=True)
    assert holds(table, ODD, version=0)
    assert data.verify(lake) == []


@pytest.mark.parametrize("parted", ["", "day"])
def test_no_rows_and_no_files(lake: Workspace, parted: str) -> None:
    table = Table("trips", lake)
    table.create(ODD.head(0), partition_by=[parted] if parted else [])
    assert (table.frame().height, data.add(lake, "trips").files) == (0, 0)
    table.append(ODD)
    table.delete(everything=True)
    assert (table.frame().schema, data.add(lake, "trips").files) == (ODD.schema, 0)
    for before, after, expected in (("@0", "@1", (4, 0, 0)), ("@1", "@2", (0, 4, 0)), ("@0", "@2", (0, 0, 0))):
        assert counted(table, before, after) == counted(table, before, after, key=[]) == expected
    assert table.delete("id = 1").rows == 0
    assert table.compact().files == 0
    with pytest.raises(InvalidData, match="has no rows"):
        data.open_dataset(lake, "trips").frame()
    table.merge(ODD)
    assert holds(table, ODD)
    assert [each.state for each in data.status(lake)] == ["modified"]
    table.restore(1)
    assert table.frame().height == 0


def test_parts_with_values_that_paths_escape(lake: Workspace) -> None:
    table = Table("trips", lake)
    frame = pl.DataFrame({"id": range(len(SPECIAL)), "city": SPECIAL})
    table.create(frame, partition_by=["city"], change_feed=True)
    data.add(lake, "trips")
    table.append(frame.with_columns(pl.col("id") + 100))
    table.merge(frame.head(3).with_columns(city=pl.lit("q r/%")))
    for number, city in enumerate(SPECIAL[3:], 3):
        condition = f"city = '{str(city).replace(chr(39), chr(39) * 2)}'"
        assert [(each.version, each.rows) for each in table.remains(condition)] == [(0, 1)]
        assert table.delete(f"{condition} AND id < 100").rows == 1, number
    table.compact()
    assert counted(table, "@0", None) == (len(SPECIAL), len(SPECIAL) - 3, 3)
    state = {tuple(row) for row in frame.rows()}
    for change in pl.concat(table.changes(0)).to_dicts():
        row = (change["id"], change["city"])
        if change["_change_type"] in ("delete", "update_preimage"):
            state.remove(row)
        else:
            state.add(row)
    assert state == set(table.frame().rows()), "the feed leads from there to here"
    done = table.vacuum(retention_hours=0, orphans=True, remove=True)
    assert all(not (lake.root / "data/trips" / file).exists() for file in done.files)
    again = table.version
    assert table.vacuum(retention_hours=0, orphans=True, remove=True).files == []
    assert table.version == again, "nothing was left to commit"
    assert (data.verify(lake), table.frame(version=0).height) == ([], len(SPECIAL))


@pytest.mark.skipif(not hasattr(pl, "Map"), reason="polars of before cannot write them")
def test_maps(lake: Workspace) -> None:
    """Other engines write them; polars had no type for them at first."""
    path, plain = lake.root / "data/trips", lake.root / "plain"
    write_deltalake(plain, rows(1, 2, 3))

    def asked(query: str) -> Any:
        return QueryBuilder().register("t", DeltaTable(plain)).execute(query)

    write_deltalake(path, asked("SELECT id, CASE WHEN id < 3 THEN map(['k', 'l'], [id, NULL]) END AS m FROM t"))
    write_deltalake(path, asked("SELECT id + 10 AS id, map(['z'], [id]) AS m FROM t"), mode="append")
    table = Table("trips", lake)
    assert counted(table, "@0", "@1", examples=1) == (3, 0, 0)
    table.append(table.frame(version=0).with_columns(pl.col("id") + 20))
    table.merge(table.frame(version=0).with_columns(m=None))
    assert table.delete("id > 11 AND id < 20").rows == 2
    assert counted(table, "@0", None) == (4, 0, 2)
    table.compact(by=["id"])
    assert (table.frame().height, table.frame()["m"].null_count()) == (7, 4)
