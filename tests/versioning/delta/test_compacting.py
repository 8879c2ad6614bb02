"""Small files become large ones, and nothing else changes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import write_deltalake

from mainspring.base.errors import Conflict, InvalidData, Refused
from mainspring.cli.main import run as command
from mainspring.monitoring.data_diff import diff
from mainspring.tracking.run import start_run
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from mainspring.versioning.delta import compacting
from tests.versioning.delta.conftest import rows
from tests.versioning.delta.kinds import KINDS

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


@pytest.fixture
def many(trips: Table) -> Table:
    """The table in six files."""
    for number in range(4, 9):
        trips.append(rows(number))
    return trips


@pytest.mark.parametrize("by", [[], ["price", "city"]])
def test_no_version_comes_of_it(many: Table, by: list[str]) -> None:
    workspace = many.workspace
    version = data.add(workspace, "trips")
    before = many.frame()
    with start_run(workspace, snapshot=False) as run:
        done = many.compact(by=by)
    assert (done.version, done.before, done.files) == (6, 6, 1)
    assert many.frame().sort("id").equals(before.sort("id"))
    [status] = data.status(workspace)
    assert (status.state, status.problem) == ("up to date", None)
    assert data.add(workspace, "trips") == version
    assert data.open_dataset(workspace, "trips").pin.version == 5
    assert data.open_dataset(workspace, "trips").frame().equals(before), "in the order of before"
    assert diff(workspace, "trips").same
    assert many.frame(version=2).height == 5
    newest = many.history(limit=1)[0]
    assert (newest.operation, newest.run) == ("optimize", run.id)
    assert sum(frame.height for frame in many.changes(5)) == 0
    many.append(rows(20))
    assert [status.problem for status in data.status(workspace)] == [
        "2 commits after version 5 of the table, which is pinned"
    ]
    later = data.add(workspace, "trips")
    assert (later.number, later.table_version, later.files) == (2, 7, 2)
    assert pl.concat(many.changes(5))["id"].to_list() == [20]


def test_what_is_pinned_keeps_its_files(many: Table) -> None:
    workspace = many.workspace
    data.add(workspace, "trips")
    many.compact()
    assert many.vacuum(retention_hours=0, remove=True).files == []
    many.append(rows(20))
    data.add(workspace, "trips")
    done = many.vacuum(retention_hours=0, forget=[5], accept_lost=True, remove=True)
    assert len(done.files) == 6
    assert many.frame().height == 9
    assert data.verify(workspace) == []


def test_nothing_to_do(trips: Table) -> None:
    done = trips.compact()
    assert (done.version, done.before, done.files, trips.version) == (0, 1, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("parted", ["n", "s", "b", "day", "z", "t"])
@pytest.mark.parametrize("by", [[], ["id", "f"]])
def test_all_kinds_of_values(lake: Workspace, parted: str, by: list[str]) -> None:
    table = Table("trips", lake)
    kinds = KINDS.with_columns(pl.col("s").replace("", "ß"))
    table.create(kinds, partition_by=[parted])
    table.append(kinds.with_columns(pl.col("id") + 10))
    before = table.frame().sort("id")
    done = table.compact(by=by)
    assert done.files < done.before
    assert table.frame().sort("id").equals(before)
    assert diff(lake, "trips", "@0", "@1", key=["id"]).rows == diff(lake, "trips", "@0", "@2", key=["id"]).rows


def test_what_files_cannot_be_ordered_by(lake: Workspace) -> None:
    table = Table("trips", lake)
    table.create(KINDS.rename({"s": "a b"}), partition_by=["n"])
    for name, said in (("N", "no column 'N'"), ("n", "parts data/trips already"), ("x.y", "takes the point for")):
        with pytest.raises(InvalidData, match=said):
            table.compact(by=[name])
    assert table.version == 0
    assert table.compact(by=["a b"]).version == 1


def test_a_part_that_would_become_null(lake: Workspace) -> None:
    write_deltalake(lake.root / "data/trips", KINDS.select("id", "s"), partition_by=["s"])
    table = Table("trips", lake)
    with pytest.raises(InvalidData, match="some rows have an empty text: compacted, it would be null"):
        table.compact(by=["id"])
    assert table.version == 0


def test_a_held_table_and_another_one_are_left_alone(many: Table) -> None:
    workspace = many.workspace
    data.add(workspace, "trips")
    data.checkout(workspace, "trips", 1)
    with pytest.raises(Refused, match="held at version 5"):
        many.compact()
    data.add(workspace, "trips")
    pointer = workspace.root / "data/trips.delta"
    pointer.write_text(re.sub("id: [0-9a-f]+", "id: 0", pointer.read_text()))
    with pytest.raises(Conflict, match="another table"):
        many.compact()
    assert many.version == 5


def test_a_compaction_that_meets_other_commits(many: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    options = compacting.commit_options
    for meanwhile, height in ((lambda: many.append(rows(30)), 9), (lambda: many.merge(rows(4, price=99.0)), 9)):

        def slow(*arguments: object, meanwhile: object = meanwhile) -> object:
            monkeypatch.setattr(compacting, "commit_options", options)
            assert callable(meanwhile)
            meanwhile()
            return options(*arguments)  # type: ignore[arg-type]  # arguments of another function

        monkeypatch.setattr(compacting, "commit_options", slow)
        many.compact()
        assert many.history(limit=1)[0].operation == "optimize"
        assert many.frame().height == height
        many.append(rows(40, 41))
        many.delete("id > 39")
    assert many.frame().filter(id=4)["price"].to_list() == [103.0]


def test_by_command(many: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(many.workspace.root)
    assert command(["data", "compact", "trips"]) == 0
    assert capsys.readouterr().out == "1 file, where 6 were\n"
    assert command(["data", "compact", "trips"]) == 0
    assert capsys.readouterr().out == "1 file: nothing to join\n"
    assert command(["data", "compact", "trips", "--by", "id,price", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"dataset": "trips", "table_version": 7, "files": 1, "before": 1}
    assert command(["data", "history", "trips"]) == 0
    told = capsys.readouterr().out
    assert "optimize" in told
    assert "6 files → 1" in told
