"""Rows that leave a table, who still has them, and versions that are given up."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.base.errors import Conflict, Corrupted, NotFound, Refused, UsageError
from mainspring.cli.main import run as command
from mainspring.tracking.run import start_run
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from mainspring.versioning.delta import deleting
from mainspring.versioning.delta.conditions import BadCondition
from tests.versioning.delta.conftest import rows
from tests.versioning.delta.kinds import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

CONDITIONS = [
    "n = 5",
    "n IS NULL",
    "n > 0 OR id = 1",
    "id BETWEEN 2 AND 5",
    '"x.y" < 0',
    '"x.y" = 0',
    '"x.y" IS NAN',
    '"x.y" IS NULL OR "x.y" = 1e300',
    "f < 0",
    "f = 0.1",
    "f IS NAN AND id > 1",
    "m = 1.23 OR m = -0.05",
    "m < 0",
    "s LIKE 'x%'",
    "s IN ('it''s', 'a/b c', 'ü%')",
    "s = '' OR s IS NULL",
    "NOT s LIKE 'x%'",
    "b",
    "NOT b",
    "b IS NULL AND id = 2",
    "day < '1970-01-01'",
    "day IS NULL",
    "t < '1970-01-01'",
    "z >= '2026-01-03T12:00:00Z'",
    "z IS NULL OR n = 127",
]


@pytest.mark.slow
@pytest.mark.parametrize("parted", ["", "n", "s", "b", "day", "z"])
def test_exactly_what_fits_goes(lake: Workspace, parted: str) -> None:
    table = Table("trips", lake)
    kinds = KINDS.with_columns(pl.col("s").replace("", "ß")) if parted == "s" else KINDS
    table.create(kinds[:4], partition_by=[parted] if parted else [])
    table.append(kinds[4:])
    for condition in CONDITIONS:
        before = table.frame()
        fitting = deleting.read_condition(condition, before.schema, table="trips")
        expected = before.filter(~fitting.rows.fill_null(False))
        done = table.delete(condition)
        assert (done.rows, done.before) == (8 - expected.height, 8)
        left = table.frame()
        assert left.sort("id").select(expected.columns).equals(expected.sort("id")), condition
        table.overwrite(kinds)


def test_a_delete_is_a_commit_like_others(trips: Table) -> None:
    with start_run(trips.workspace, snapshot=False) as run:
        done = trips.delete("id = 2")
    assert (done.version, done.rows, done.before) == (1, 1, 3)
    assert sorted(trips.frame()["id"]) == [1, 3]
    assert trips.frame(version=0).height == 3
    newest = trips.history(limit=1)[0]
    assert (newest.operation, newest.run, newest.actor) == ("delete", run.id, trips.workspace.actor)
    assert newest.metrics["num_target_rows_deleted"] == 1
    told = pl.concat(trips.changes(0))
    assert told.select("id", "_change_type").rows() == [(2, "delete")]
    trips.merge(rows(3).with_columns(city=pl.lit("secret")))
    done = trips.delete("city = 'secret'")
    log = trips.workspace.root / "data/trips/_delta_log" / f"{done.version:020}.json"
    assert "secret" not in log.read_text(), "what was asked for may be a name, and the log stays"


def test_nothing_fits(trips: Table) -> None:
    done = trips.delete("id > 3")
    assert (done.version, done.rows, trips.version) == (0, 0, 0)


def test_nobody_deletes_all_by_accident(trips: Table) -> None:
    with pytest.raises(UsageError, match="which rows of 'trips' are to go was not said") as unsaid:
        trips.delete()
    assert "--all" in str(unsaid.value.hint)
    with pytest.raises(Refused, match="all 3 rows of data/trips fit"):
        trips.delete("id < 9")
    with pytest.raises(Refused):
        trips.delete("id < 9", dry_run=True)
    with pytest.raises(BadCondition, match="a column is missing"):
        trips.delete("1 = 1", everything=True)
    assert trips.version == 0
    assert trips.delete("id < 9", everything=True).rows == 3
    trips.append(rows(4, 5))
    assert trips.delete(everything=True, dry_run=True).rows == 2
    assert trips.frame().height == 2
    done = trips.delete(everything=True)
    assert (done.rows, trips.frame().height, trips.version) == (2, 0, done.version)
    assert pl.concat(trips.changes(done.version - 1))["_change_type"].to_list() == ["delete", "delete"]
    assert trips.delete(everything=True).rows == 0
    trips.append(rows(6))
    assert trips.frame()["id"].to_list() == [6]


def test_a_held_table_and_another_table_are_left_alone(trips: Table) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    trips.append(rows(4))
    data.checkout(workspace, "trips", 1)
    with pytest.raises(Refused, match="held at version 0"):
        trips.delete("id = 1")
    data.add(workspace, "trips")
    shutil.rmtree(workspace.root / "data/trips")
    trips.create(rows(1, 2))
    with pytest.raises(Conflict, match="another table than the one that was pinned"):
        trips.delete("id = 1")
    with pytest.raises(Conflict, match="another table"):
        trips.delete(everything=True)
    data.add(workspace, "trips", recreated=True)
    assert trips.delete("id = 1").rows == 1


def test_a_delete_that_meets_another_commit(trips: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with_zeros = deleting._with_both_zeros

    def slow(found: pl.DataFrame) -> pl.DataFrame:
        monkeypatch.setattr(deleting, "_with_both_zeros", with_zeros)
        trips.merge(rows(1, 2, price=50.0))
        return with_zeros(found)

    monkeypatch.setattr(deleting, "_with_both_zeros", slow)
    done = trips.delete("price < 12 OR price > 50")
    assert (done.rows, done.version) == (2, 2)
    assert trips.frame()["id"].to_list() == [3], "what fits is looked up anew"


def test_no_table_and_a_damaged_one(lake: Workspace) -> None:
    table = Table("trips", lake)
    with pytest.raises(NotFound, match="no Delta table"):
        table.delete("id = 1")
    table.create(rows(1, 2))
    table.append(rows(3))
    table.append(rows(4))
    (lake.root / "data/trips/_delta_log" / f"{1:020}.json").unlink()
    with pytest.raises(Corrupted):
        table.delete("id = 1")


def test_who_still_has_rows_is_told(
    trips: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    trips.append(rows(4))
    trips.append(rows(5))
    data.add(workspace, "trips")
    trips.delete("id = 1")
    data.add(workspace, "trips")
    assert [(each.version, each.numbers, each.rows) for each in trips.remains("id = 1")] == [(2, [2], 1), (0, [1], 1)]
    assert [each.version for each in trips.remains("id = 4")] == [3, 2]
    trips.append(rows(6).with_columns(tip=1.0), evolve=True)
    assert [(each.version, each.rows) for each in trips.remains("tip = 2")] == [(3, None), (2, None), (0, None)]
    monkeypatch.chdir(workspace.root)
    assert command(["data", "delete", "trips", "--where", "id in (4, 5)", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 rows of 5 would go",
        "pinned versions of the table that have such rows: 3 (trips@3), 2 (trips@2);"
        " `data vacuum --forget` gives them up",
    ]
    assert command(["data", "delete", "trips", "--where", "id = 4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 1
    assert told["table_version"] == trips.version
    assert told["remains"][0] == {"version": 3, "numbers": [3], "rows": 1}
    assert command(["data", "delete", "trips", "--where", "id = 77"]) == 0
    assert "no rows of trips fit, of 4: nothing was committed" in capsys.readouterr().out
    assert command(["data", "delete", "trips", "--where", "nope = 1"]) == 2
    assert command(["data", "delete", "trips"]) == 2


def test_rows_that_went_for_good(trips: Table) -> None:
    """Not only the table is without them then: no file of it has them, but what the log says of its files."""
    workspace, folder = trips.workspace, trips.workspace.root / "data/trips"
    trips.append(rows(7).with_columns(city=pl.lit("secret")))
    data.add(workspace, "trips")
    trips.delete("city = 'secret'")
    data.add(workspace, "trips")
    assert [each.version for each in trips.remains("city = 'secret'")] == [1]
    kept = trips.vacuum(retention_hours=0, orphans=True, remove=True)
    assert (kept.kept, _has(folder, "secret")) == ([1, 2], True)
    assert not list((folder / "_change_data").iterdir()), "the feed goes with orphans, pinned or not"

    with pytest.raises(Refused, match="version 1 of data/trips would be lost for good") as refused:
        trips.vacuum(retention_hours=0, orphans=True, forget=[1], remove=True)
    assert "--accept-lost" in str(refused.value.hint)
    planned = trips.vacuum(retention_hours=0, orphans=True, forget=[1])
    assert (planned.forgotten, planned.kept, _has(folder, "secret")) == ([1], [2], True)
    done = trips.vacuum(retention_hours=0, orphans=True, forget=[1], accept_lost=True, remove=True)
    assert (done.files, done.forgotten, done.kept, done.lost) == (planned.files, [1], [2], [])
    assert not _has(folder, "secret")
    assert trips.frame()["id"].sort().to_list() == [1, 2, 3]

    assert trips.vacuum(retention_hours=0).lost == [1]
    assert trips.history(limit=1)[0].forgot == [1]
    assert trips.remains("city = 'secret'") == []
    assert data.verify(workspace) == [], "what was given up on purpose is no damage"
    with pytest.raises(NotFound, match=f"it was given up by {workspace.actor} at 20"):
        data.checkout(workspace, "trips", 1)
    with pytest.raises(NotFound, match="given up"):
        trips.frame(version=1)
    assert [each.number for each in data.log(workspace, "trips")] == [1, 2], "records stay"


def _has(folder: Path, city: str) -> bool:
    return any(city in pl.read_parquet(file)["city"].to_list() for file in folder.rglob("*.parquet"))


def test_what_cannot_be_given_up(trips: Table) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    trips.append(rows(4))
    with pytest.raises(UsageError, match="version 1 of data/trips is not pinned"):
        trips.vacuum(forget=[1])
    with pytest.raises(Refused, match="version 0 of data/trips is what 'trips' is read at now"):
        trips.vacuum(forget=[0])
    data.add(workspace, "trips")
    with pytest.raises(Refused, match="version 1 of data/trips is what"):
        trips.vacuum(forget=[0, 1])
    data.checkout(workspace, "trips", 1)
    with pytest.raises(Refused, match="version 0 of data/trips is what"):
        trips.vacuum(forget=[0])
    assert trips.version == 1


def test_giving_up_by_command(
    trips: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data.add(trips.workspace, "trips")
    trips.overwrite(rows(4))
    data.add(trips.workspace, "trips")
    monkeypatch.chdir(trips.workspace.root)
    given = ["data", "vacuum", "trips", "--forget", "@0", "--retention", "0h"]
    assert command(given) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 files would go; --remove does it",
        "kept for pinned versions: 1; given up: 0",
    ]
    assert command([*given, "--remove"]) != 0
    assert trips.version == 1
    assert command([*given, "--remove", "--accept-lost"]) == 0
    assert command(["data", "vacuum", "trips", "--forget", "x"]) == 2
    capsys.readouterr()
    assert command(["data", "history", "trips"]) == 0
    assert "gave up 0" in capsys.readouterr().out


def test_a_moment_in_the_table(lake: Workspace) -> None:
    table = Table("trips", lake)
    table.create(
        pl.DataFrame({"id": [1, 2], "at": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]})
    )
    assert table.delete("at < '2026-01-01T01:00:00+00:30'").rows == 1
    assert table.frame()["id"].to_list() == [2]
