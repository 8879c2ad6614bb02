"""Tables that other engines wrote, with what our own verbs never write."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.base.errors import Corrupted, InvalidData, NotFound, Refused
from mainspring.monitoring.data_diff import diff
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from mainspring.versioning.delta import committing
from tests.versioning.delta.foreign import Foreign

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

SCHEMA = {"id": pl.Int64, "city": pl.String}
PHYSICAL = {
    "id": {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"},
    "city": {"delta.columnMapping.id": 2, "delta.columnMapping.physicalName": "col-2"},
}
MAPPED = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"}
BESIDE = ["deletionVectors"]


def rows(*ids: int, city: str = "a") -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "city": [city] * len(ids)}, schema=SCHEMA)


def physical(*ids: int) -> pl.DataFrame:
    return rows(*ids).rename({"id": "col-1", "city": "col-2"})


@pytest.fixture
def table(lake: Workspace) -> Table:
    return Table("trips", lake)


def made(table: Table, **said: Any) -> Foreign:
    schema = said.pop("schema", SCHEMA)
    return Foreign(table.workspace.root / "data/trips", schema, **said)


def ids(table: Table, version: int | None = None) -> list[int]:
    return sorted(table.frame(version=version)["id"])


def counted(table: Table, before: str, after: str, **said: Any) -> tuple[int, int, int]:
    found = diff(table.workspace, "trips", before, after, **said).rows
    assert found is not None
    return found.added, found.removed, found.changed


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("parted", [False, True])
@pytest.mark.parametrize("features", [BESIDE, [*BESIDE, "v2Checkpoint"], [*BESIDE, "columnMapping"]])
def test_rows_deleted_beside_their_files(table: Table, inline: bool, parted: bool, features: list[str]) -> None:
    is_mapped = "columnMapping" in features
    foreign = made(
        table, reader=features, writer=features, configuration=MAPPED if is_mapped else {}, fields=PHYSICAL if is_mapped else {},
        partition_by=["city"] if parted else [],
    )  # fmt: skip
    name = "col-2" if is_mapped else "city"
    frames = [(physical if is_mapped else rows)(*each) for each in ((1, 2, 3, 4), (5, 6))]
    parts = {name: "a"} if parted else {}
    added = [
        foreign.add(frame.drop(name) if parted else frame, f"{number}.parquet", parts=parts)
        for number, frame in enumerate(frames)
    ]
    foreign.commit(*added)
    foreign.commit(*foreign.without(added[0], [1, 3], inline=inline), operation="DELETE")
    workspace = table.workspace
    assert (ids(table), ids(table, 1)) == ([1, 3, 5, 6], [1, 2, 3, 4, 5, 6])
    assert data.add(workspace, "trips").table_version == 2
    assert [status.state for status in data.status(workspace)] == ["up to date"]
    assert counted(table, "@1", "@2") == counted(table, "@1", "@2", key=[]) == (0, 2, 0)
    assert counted(table, "@2", "@1") == (2, 0, 0)
    table.append(rows(9))
    table.merge(rows(3, city="m"))
    assert table.delete("id = 1 OR id = 5").rows == 2
    assert [(each.version, each.rows) for each in table.remains("id IN (1, 2)")] == [(2, 1)]
    assert table.frame().sort("id").rows() == [(3, "m"), (6, "a"), (9, "a")]
    if not is_mapped:
        table.compact()
    data.add(workspace, "trips")
    table.overwrite(rows(20))
    table.vacuum(retention_hours=0, remove=True)
    assert (ids(table, 2), ids(table)) == ([1, 3, 5, 6], [20])
    assert data.verify(workspace) == []
    table.restore(1)
    assert ids(table) == [1, 3, 5, 6]
    assert table.delete(everything=True).rows == 4


def test_vectors_are_no_orphans_and_are_missed(table: Table) -> None:
    foreign = made(table, reader=BESIDE, writer=BESIDE)
    added = foreign.add(rows(1, 2, 3), "a.parquet")
    foreign.commit(added)
    foreign.commit(*foreign.without(added, [0], inline=False))
    data.add(table.workspace, "trips")
    for remove in (False, True):
        with pytest.raises(Refused, match="those would be taken for orphans"):
            table.vacuum(retention_hours=0, orphans=True, remove=remove)
    assert table.vacuum(retention_hours=0, remove=True).files == []
    assert ids(table) == [2, 3]
    assert data.verify(table.workspace) == []
    [vector] = foreign.folder.glob("*.bin")
    vector.unlink()
    [damage] = data.verify(table.workspace)
    assert f"a file of data/trips is not there: {vector}" in damage.problem
    with pytest.raises(Corrupted, match=r"is not there: .*deletion_vector_"):
        table.frame()


def test_vectors_and_the_change_feed(table: Table) -> None:
    foreign = made(
        table, reader=BESIDE, writer=[*BESIDE, "changeDataFeed"], configuration={"delta.enableChangeDataFeed": "true"}
    )
    added = foreign.add(rows(1, 2, 3), "a.parquet")
    foreign.commit(added)
    foreign.commit(*foreign.without(added, [0, 2]))
    assert sorted(pl.concat(table.changes(1)).select("id", "_change_type").rows()) == [(1, "delete"), (3, "delete")]


@pytest.mark.parametrize("mode", ["name", "id"])
@pytest.mark.parametrize(
    "asks", [{"reader": 2, "writer": 5}, {"reader": ["columnMapping"], "writer": ["columnMapping"]}]
)
def test_renamed_columns(table: Table, mode: str, asks: dict[str, Any]) -> None:
    foreign = made(table, configuration=MAPPED | {"delta.columnMapping.mode": mode}, fields=PHYSICAL, **asks)
    for number in range(8):
        foreign.commit(foreign.add(physical(*range(number * 10, number * 10 + 10)), f"{number}.parquet"))
    data.add(table.workspace, "trips")
    first = data.open_dataset(table.workspace, "trips").frame()
    assert sorted(first["id"]) == list(range(80))
    for _ in range(5):
        assert data.open_dataset(table.workspace, "trips").frame().equals(first), "always in the same order"
    assert counted(table, "@1", "@3") == (20, 0, 0)
    table.append(rows(100))
    table.merge(rows(5, 101, city="m"))
    assert table.delete("city = 'm' AND id < 50").rows == 1
    assert ids(table) == sorted({*range(80), 100, 101} - {5})
    assert [each.rows for each in table.remains("id = 5")] == [1]
    assert table.vacuum(retention_hours=0, remove=True).kept == [8]
    with pytest.raises(Refused, match="Column mapping is not supported for write operation 'OPTIMIZE'"):
        table.compact()
    with pytest.raises(Refused, match="Schema evolution on column-mapped tables"):
        table.append(rows(7).with_columns(new=1), evolve=True)
    table.overwrite(rows(1))
    assert (ids(table), len(ids(table, 8))) == ([1], 80)


def test_columns_that_are_renamed_and_dropped(table: Table) -> None:
    foreign = made(table, reader=2, writer=5, configuration=MAPPED, fields=PHYSICAL)
    foreign.commit(foreign.add(physical(1, 2), "a.parquet"))
    fields = json.loads(foreign.metadata["metaData"]["schemaString"])["fields"]

    def changed(columns: list[dict[str, Any]]) -> dict[str, Any]:
        metadata = copy.deepcopy(foreign.metadata)
        metadata["metaData"]["schemaString"] = json.dumps({"type": "struct", "fields": columns})
        return metadata

    renamed = [fields[0], fields[1] | {"name": "town. name"}]
    foreign.commit(changed(renamed), operation="RENAME COLUMN")
    foreign.commit(foreign.add(physical(3), "b.parquet"))
    foreign.commit(changed(renamed[:1]), operation="DROP COLUMNS")
    assert [table.frame(version=version).columns for version in range(1, 5)] == [
        ["id", "city"], ["id", "town. name"], ["id", "town. name"], ["id"]
    ]  # fmt: skip
    found = diff(table.workspace, "trips", "@1", "@3")
    assert [(each.column, each.change) for each in found.schema] == [("city", "removed"), ("town. name", "added")]
    assert counted(table, "@1", "@3") == (1, 0, 0)
    assert counted(table, "@3", "@4") == (0, 0, 0)


def test_the_feed_of_renamed_columns_is_not_misread(table: Table) -> None:
    feed = {"delta.enableChangeDataFeed": "true"}
    foreign = made(
        table, reader=["columnMapping"], writer=["columnMapping", "changeDataFeed"], configuration=MAPPED | feed, fields=PHYSICAL
    )  # fmt: skip
    foreign.commit(foreign.add(physical(1), "a b.parquet", path="a%20b.parquet"))
    with pytest.raises(InvalidData, match="Column mapping is not supported for read operation"):
        list(table.changes(0))


def test_parts_that_only_the_log_tells(table: Table) -> None:
    schema = {"id": pl.Int64, "city": pl.String, "d": pl.Date, "t": pl.Datetime("us", "UTC"), "b": pl.Boolean}
    schema |= {"m": pl.Decimal(5, 2), "i": pl.Int32, "x": pl.Float64}
    foreign = made(
        table,
        schema=schema,
        partition_by=list(schema)[1:],
        writer=4,
        configuration={"delta.enableChangeDataFeed": "true"},
    )
    values = {"city": "x/y %", "d": "1969-01-01", "t": "1969-12-31 23:59:59.123456", "b": "true"}
    values |= {"m": "-0.50", "i": "-3", "x": "1.5"}
    other: dict[str, str | None] = dict.fromkeys(values) | {
        "city": "right",
        "t": "2026-01-01T00:00:00.000000Z",
        "b": "false",
    }
    foreign.commit(foreign.add(pl.DataFrame({"id": [1]}), "a b/1.parquet", parts=values, path="a%20b/1.parquet"))
    foreign.commit(foreign.add(pl.DataFrame({"id": [2, 3]}), "city=wrong/2.parquet", parts=other))
    expected = (1, "x/y %", date(1969, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 123456, tzinfo=UTC), True)
    assert table.frame(version=1).row(0) == (*expected, Decimal("-0.50"), -3, 1.5)
    nothing = (datetime(2026, 1, 1, tzinfo=UTC), False, None, None, None)
    assert table.frame().filter(pl.col("id") > 1).rows() == [(each, "right", None, *nothing) for each in (2, 3)]
    data.add(table.workspace, "trips")
    assert counted(table, "@1", "@2") == counted(table, "@1", "@2", key=[]) == (2, 0, 0)
    told = pl.concat(table.changes(0))
    assert told.select("id", "city", "_change_type").rows() == [
        (1, "x/y %", "insert"), (2, "right", "insert"), (3, "right", "insert")
    ]  # fmt: skip
    assert table.delete("city = 'right' AND id = 2").rows == 1
    assert [(each.version, each.rows) for each in table.remains("id = 2 AND i IS NULL")] == [(2, 1)]
    assert table.vacuum(retention_hours=0, orphans=True, remove=True).kept == [2]
    assert (ids(table), ids(table, 2)) == ([1, 3], [1, 2, 3])


def test_what_only_takes_rows(table: Table) -> None:
    foreign = made(table, configuration={"delta.appendOnly": "true"})
    foreign.commit(foreign.add(rows(1, 2), "a.parquet"))
    data.add(table.workspace, "trips")
    assert table.append(rows(3)) == 2
    assert table.merge(rows(4)) == 3
    for verb in (
        lambda: table.merge(rows(1, city="m")),
        lambda: table.overwrite(rows(9)),
        lambda: table.delete("id = 1"),
        lambda: table.delete("id = 77"),
        lambda: table.delete(everything=True),
        lambda: table.restore(1),
    ):
        with pytest.raises(Refused, match="data/trips only takes rows"):
            verb()
    assert (table.version, ids(table)) == (3, [1, 2, 3, 4])
    assert table.compact().files == 1


@pytest.mark.parametrize(
    "rule",
    [
        {"writer": 3, "configuration": {"delta.constraints.positive": "id > 0"}},
        {"fields": {"id": {"delta.invariants": json.dumps({"expression": {"expression": "id > 0"}})}}},
    ],
)
def test_rules_of_others_hold(table: Table, rule: dict[str, Any]) -> None:
    foreign = made(table, **rule)
    foreign.commit(foreign.add(rows(1, 2), "a.parquet"))
    for verb in (table.append, table.merge, table.overwrite):
        with pytest.raises(InvalidData, match="a rule of the table"):
            verb(rows(-1))
        verb(rows(3))
    table.append(rows(4))
    assert table.delete("id = 3").rows == 1
    assert ids(table) == [4]


def test_columns_that_are_computed(table: Table) -> None:
    foreign = made(
        table, schema=SCHEMA | {"twice": pl.Int64}, writer=4, fields={"twice": {"delta.generationExpression": "id * 2"}}
    )
    foreign.commit(foreign.add(rows(1).with_columns(twice=pl.col("id") * 2), "a.parquet"))
    with pytest.raises(InvalidData, match="a rule of the table"):
        table.append(rows(5).with_columns(twice=pl.lit(7, pl.Int64)))
    table.append(rows(5).with_columns(twice=pl.lit(10, pl.Int64)))
    table.append(rows(6), evolve=True)
    assert table.delete("twice = 10").rows == 1
    assert table.frame().sort("id").rows() == [(1, "a", 2), (6, "a", 12)]


@pytest.mark.parametrize(
    "feature", ["rowTracking", "identityColumns", "inCommitTimestamp", "icebergCompatV2", "somethingNew"]
)
def test_what_the_library_cannot_write_is_no_conflict(
    table: Table, feature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing.time, "sleep", lambda _: pytest.fail("it was tried again"))
    foreign = made(table, writer=[feature])
    foreign.commit(foreign.add(rows(1, 2), "a.parquet"))
    foreign.commit(foreign.add(rows(3), "b.parquet"))
    data.add(table.workspace, "trips")
    for verb in (
        lambda: table.append(rows(4)),
        lambda: table.merge(rows(1)),
        lambda: table.overwrite(rows(4)),
        lambda: table.delete("id = 1"),
        lambda: table.delete(everything=True),
        table.compact,
    ):
        with pytest.raises(Refused, match=r"the library for Delta tables cannot do it \(.*") as refused:
            verb()
        assert feature.lower() in str(refused.value).lower()
    assert (ids(table), ids(table, 1), counted(table, "@1", "@2")) == ([1, 2, 3], [1, 2], (1, 0, 0))


@pytest.mark.parametrize("feature", ["typeWidening", "vacuumProtocolCheck", "v2Checkpoint"])
def test_what_leaves_files_as_they_are_is_read_lazily(table: Table, feature: str) -> None:
    foreign = made(table, reader=[feature], writer=[feature])
    narrow = rows(1, 2).with_columns(pl.col("id").cast(pl.Int32)) if feature == "typeWidening" else rows(1, 2)
    foreign.commit(foreign.add(narrow, "a.parquet"))
    foreign.commit(foreign.add(rows(3), "b.parquet"))
    data.add(table.workspace, "trips")
    assert "Parquet SCAN" in table.scan().explain()
    assert (ids(table), table.scan().collect_schema()["id"]) == ([1, 2, 3], pl.Int64)
    assert counted(table, "@1", "@2") == counted(table, "@1", "@2", key=[]) == (1, 0, 0)
    assert [each.rows for each in table.remains("id = 2")] == [1]


def test_what_nobody_here_can_read_is_named(table: Table) -> None:
    foreign = made(table, reader=["somethingNew"], writer=["somethingNew"])
    foreign.commit(foreign.add(rows(1), "a.parquet"))
    for verb in (table.frame, lambda: data.add(table.workspace, "trips"), lambda: table.append(rows(2))):
        with pytest.raises(InvalidData, match=r"the library for Delta tables cannot do it .*somethingNew"):
            verb()
    [status] = data.status(table.workspace)
    assert (status.state, "somethingNew" in str(status.problem)) == ("damaged", True)


@pytest.mark.parametrize("kind", ["parts", "v2"])
def test_checkpoints_of_other_kinds(table: Table, kind: str) -> None:
    features = {"reader": ["v2Checkpoint"], "writer": ["v2Checkpoint"]} if kind == "v2" else {}
    foreign = made(table, **features)
    added = [foreign.add(rows(1, 2, 3), "a.parquet"), foreign.add(rows(4), "b.parquet")]
    for each in added:
        foreign.commit(each)
    (foreign.checkpoint_v2 if kind == "v2" else foreign.checkpoint_in_parts)(*added)
    workspace = table.workspace
    assert data.add(workspace, "trips").table_version == 2
    assert data.verify(workspace) == []
    assert ids(table) == [1, 2, 3, 4]
    with pytest.raises(NotFound, match="its log was cleaned up"):
        table.frame(version=1)
    table.append(rows(5))
    table.merge(rows(1, 6, city="m"))
    assert table.delete("id = 2").rows == 1
    assert counted(table, "@2", "@5") == (2, 1, 1)
    table.compact()
    data.add(workspace, "trips")
    table.overwrite(rows(9))
    assert table.vacuum(retention_hours=0, orphans=True, remove=True).kept == [2, 5]
    assert (ids(table, 2), ids(table, 5)) == ([1, 2, 3, 4], [1, 3, 4, 5, 6])
    assert data.verify(workspace) == []
