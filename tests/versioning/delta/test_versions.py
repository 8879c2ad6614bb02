from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from mainspring.base.errors import Conflict, Corrupted, ExternalToolError, InvalidData, NotFound, Refused, UsageError
from mainspring.store.garbage import collect
from mainspring.store.workspace import Workspace
from mainspring.tracking.run import start_run
from mainspring.tracking.tables import Table
from mainspring.versioning import data, snapshot
from mainspring.versioning.delta.pins import named_in_git
from mainspring.versioning.wanted import choose
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from pathlib import Path


def test_a_version_names_the_table_and_copies_nothing(trips: Table) -> None:
    workspace = trips.workspace
    version = data.add(workspace, "trips")
    assert (version.number, version.path, version.table_version, version.files) == (1, "data/trips", 0, 1)
    assert version.size == sum(path.stat().st_size for path in (workspace.root / "data/trips").glob("*.parquet"))
    assert workspace.objects.read_bytes(version.md5).startswith(b'{"delta":')
    assert len(list(workspace.objects.addresses())) == 1
    pointer = (workspace.root / "data/trips.delta").read_text()
    assert f"pin: {{id: {version.table_id}, version: 0, at: " in pointer
    assert "held: false" in pointer
    assert (workspace.root / "data/.gitignore").read_text() == "/trips\n"
    assert data.add(workspace, "data/trips") == version
    trips.append(rows(4))
    assert data.add(workspace, workspace.root / "data/trips").number == 2
    assert [each.table_version for each in data.log(workspace, "trips")] == [0, 1]


def test_a_push_of_a_table_says_that_it_stays_where_it_is(trips: Table) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    with pytest.raises(UsageError, match="stays where it lies"):
        choose(workspace, ["trips"])
    assert choose(workspace) == []


def test_a_push_of_a_table_at_an_address_names_the_address(workspace: Workspace) -> None:
    (workspace.root / "mainspring.yaml").write_text("project: x\ndatasets: {trips: {path: 's3://lake/trips'}}\n")
    opened = Workspace(workspace.root)
    with pytest.raises(UsageError, match="s3://lake/trips is a Delta table"):
        choose(opened, ["trips"])
    opened.close()


def test_a_folder_with_a_log_is_known_as_a_table(trips: Table) -> None:
    workspace = trips.workspace
    (workspace.root / "mainspring.yaml").write_text("project: x\ndatasets:\n  trips: {path: data/trips}\n")
    fresh = Workspace(workspace.root)
    assert data.add(fresh, "trips").table_version == 0
    fresh.close()


def test_a_dataset_is_read_at_its_version_whatever_is_committed(trips: Table) -> None:
    dataset = data.open_dataset(trips.workspace, "trips")
    lazy = dataset.scan()
    trips.overwrite(rows(9))
    assert dataset.frame()["id"].to_list() == [1, 2, 3]
    assert lazy.collect()["id"].to_list() == [1, 2, 3]
    assert dataset.frame(["city"]).columns == ["city"]
    with pytest.raises(InvalidData, match="no column 'town'"):
        dataset.frame(["town"])
    later = data.open_dataset(trips.workspace, "trips")
    assert (later.version.number, later.frame()["id"].to_list(), later.time) == (2, [9], "at")


def test_status_says_how_far_the_table_went_on(trips: Table) -> None:
    workspace = trips.workspace

    def told() -> tuple[str, str | None]:
        [status] = data.status(workspace)
        return status.state, status.problem

    assert told()[0] == "not added"
    data.add(workspace, "trips")
    assert told() == ("up to date", None)
    trips.append(rows(4))
    trips.append(rows(5))
    assert told() == ("modified", "2 commits after version 0 of the table, which is pinned")
    data.checkout(workspace, "trips", 1)
    assert told() == ("up to date", "held at version 0 of the table; the table is at 2")
    shutil.rmtree(workspace.root / "data/trips")
    assert told()[0] == "missing"


def test_checkout_holds_a_version_and_add_follows_the_table_again(trips: Table) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    trips.append(rows(4))
    data.add(workspace, "trips")
    held = data.checkout(workspace, "trips", 1)
    assert data.open_dataset(workspace, "trips").frame().height == 3
    assert data.current(workspace, "trips") == held
    assert trips.version == 1
    with pytest.raises(Refused, match="held at version 0") as refused:
        trips.append(rows(5))
    assert "data add trips" in str(refused.value.hint)
    assert data.add(workspace, "trips").number == 2
    assert data.open_dataset(workspace, "trips").frame().height == 4
    with pytest.raises(NotFound, match="no version '7'"):
        data.checkout(workspace, "trips", 7)


def test_a_held_version_is_known_where_only_git_came(trips: Table, tmp_path: Path) -> None:
    first = data.add(trips.workspace, "trips")
    trips.append(rows(4))
    data.checkout(trips.workspace, "trips", 1)
    root = tmp_path / "colleague"
    shutil.copytree(trips.workspace.root, root, ignore=shutil.ignore_patterns(".mainspring"))
    other = Workspace(root)
    if other.settings.state.database is None:
        dataset = data.open_dataset(other, "trips")
        assert (dataset.version.number, dataset.version.md5, dataset.frame().height) == (1, first.md5, 3)
    other.close()


def test_restore_is_a_new_commit_and_loses_nothing(trips: Table) -> None:
    workspace = trips.workspace
    data.add(workspace, "trips")
    trips.overwrite(rows(9))
    data.add(workspace, "trips")
    restored = data.checkout(workspace, "trips", 1, restore=True)
    assert (restored.number, restored.table_version) == (3, 2)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [1, 2, 3]
    assert trips.frame(version=1)["id"].to_list() == [9]
    with pytest.raises(UsageError, match="no Delta table"):
        (workspace.root / "a.csv").write_text("a\n1\n")
        data.add(workspace, workspace.root / "a.csv")
        data.checkout(workspace, "a", 1, restore=True)


def test_a_table_made_anew_is_never_taken_for_the_old_one(trips: Table) -> None:
    workspace = trips.workspace
    old = data.open_dataset(workspace, "trips")
    shutil.rmtree(workspace.root / "data/trips")
    trips.create(rows(7, 8))
    for verb in (
        lambda: data.add(workspace, "trips"),
        lambda: data.open_dataset(workspace, "trips"),
        lambda: data.open_dataset(workspace, "trips", add=False),
        lambda: data.checkout(workspace, "trips", 1),
        old.frame,
    ):
        with pytest.raises(Conflict, match="is another table than the one that was pinned"):
            verb()
    [status] = data.status(workspace)
    assert status.state == "damaged"
    assert "another table" in str(status.problem)
    meant = data.add(workspace, "trips", recreated=True)
    assert (meant.number, meant.table_version, meant.table_id != old.version.table_id) == (2, 0, True)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [7, 8]


def test_a_table_whose_columns_grow_is_the_same_table(trips: Table) -> None:
    workspace = trips.workspace
    first = data.add(workspace, "trips")
    trips.append(rows(4).with_columns(tip=1.5), evolve=True)
    trips.merge(
        rows(1, 5, price=50.0).with_columns(note=pl.lit("n"), at=pl.lit(datetime(2026, 1, 1, tzinfo=UTC))), evolve=True
    )
    assert [each.operation for each in trips.history(limit=2)] == ["merge", "add columns"]
    later = data.add(workspace, "trips")
    assert (later.number, later.table_id) == (2, first.table_id)
    assert trips.frame().sort("id")["note"].to_list() == ["n", None, None, None, "n"]
    trips.overwrite(rows(1), evolve=True)
    assert data.add(workspace, "trips").table_id == first.table_id
    assert trips.vacuum(retention_hours=0).kept == [0, 3, 4]


def test_a_table_to_which_another_writer_gave_a_new_id_is_the_same_table(trips: Table) -> None:
    workspace = trips.workspace
    first = data.add(workspace, "trips")
    merging = DeltaTable(trips.source.uri).merge(
        rows(1, 5, price=50.0).with_columns(note=pl.lit("n")),
        predicate="target.id = source.id",
        source_alias="source",
        target_alias="target",
        merge_schema=True,
    )
    merging.when_matched_update_all().when_not_matched_insert_all().execute()
    assert str(DeltaTable(trips.source.uri).metadata().id) != first.table_id, "as this library does"
    assert [status.state for status in data.status(workspace)] == ["modified"]
    later = data.add(workspace, "trips")
    assert (later.number, later.table_version) == (2, 1)
    trips.overwrite(rows(9), evolve=True)
    data.add(workspace, "trips")
    assert trips.vacuum(retention_hours=0, remove=True).kept == [0, 1, 2]
    assert data.verify(workspace) == []
    assert [each.version for each in trips.remains("id = 2")] == [1, 0]
    data.checkout(workspace, "trips", 1)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [1, 2, 3]
    data.add(workspace, "trips")
    assert trips.delete(everything=True).rows == 1
    shutil.rmtree(workspace.root / "data/trips")
    trips.create(rows(1))
    for number in range(5):
        trips.append(rows(number))
    for verb in (lambda: data.add(workspace, "trips"), lambda: trips.vacuum(retention_hours=0, remove=True)):
        with pytest.raises(Conflict, match="is another table than the one"):
            verb()


def test_a_log_that_was_put_back_is_told_from_the_one_that_was_pinned(trips: Table, tmp_path: Path) -> None:
    workspace, folder = trips.workspace, trips.workspace.root / "data/trips"
    shutil.copytree(folder, tmp_path / "backup")
    trips.append(rows(4))
    pinned = data.open_dataset(workspace, "trips")
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)
    [status] = data.status(workspace)
    assert (status.state, "its log was put back" in str(status.problem)) == ("damaged", True)
    trips.append(rows(5))
    with pytest.raises(Conflict, match="not the commit that was pinned"):
        pinned.frame()


def test_a_log_that_was_put_back_and_went_on_past_the_pin_is_told(trips: Table) -> None:
    workspace, log = trips.workspace, trips.workspace.root / "data/trips/_delta_log"
    trips.append(rows(4))
    data.add(workspace, "trips")
    (log / "00000000000000000001.json").unlink()
    with pytest.raises(Conflict, match="is at version 0, and 1 was pinned: its log was put back"):
        data.add(workspace, "trips")
    trips.append(rows(5))
    trips.append(rows(6))
    [status] = data.status(workspace)
    assert (status.state, "not the commit that was pinned" in str(status.problem)) == ("damaged", True)
    for verb in (
        lambda: data.add(workspace, "trips"),
        lambda: data.open_dataset(workspace, "trips", add=False),
        lambda: data.checkout(workspace, "trips", 1),
    ):
        with pytest.raises(Conflict, match="version 1 of data/trips is not the commit that was pinned"):
            verb()
    meant = data.add(workspace, "trips", recreated=True)
    assert (meant.number, meant.table_version) == (2, 2)
    assert data.add(workspace, "trips") == meant


@pytest.mark.parametrize("left", [b"", b"\n", b'{"commitInfo": {"timestamp": "soon"}}\n'])
def test_a_commit_that_holds_nothing_is_damage(trips: Table, left: bytes) -> None:
    workspace, log = trips.workspace, trips.workspace.root / "data/trips/_delta_log"
    trips.append(rows(4))
    dataset = data.open_dataset(workspace, "trips")
    trips.append(rows(5))
    newest = log / "00000000000000000002.json"
    whole = newest.read_bytes()
    for path in (newest, log / "00000000000000000001.json"):
        path.write_bytes(left)
        [status] = data.status(workspace)
        assert (status.state, "cannot be read" in str(status.problem)) == ("damaged", True)
        with pytest.raises(Corrupted, match="cannot be read"):
            data.add(workspace, "trips")
        newest.write_bytes(whole)
    with pytest.raises(Corrupted):
        dataset.frame()


def test_commits_without_information_are_as_good_as_others(trips: Table) -> None:
    workspace, log = trips.workspace, trips.workspace.root / "data/trips/_delta_log"
    for commit in log.glob("*.json"):
        lines = commit.read_text().splitlines(keepends=True)
        commit.write_text("".join(line for line in lines if not line.startswith('{"commitInfo"')))
    assert data.add(workspace, "trips").number == 1
    trips.append(rows(4))
    assert [status.state for status in data.status(workspace)] == ["modified"]
    assert data.add(workspace, "trips").table_version == 1


def test_after_going_back_to_the_earlier_table_that_one_is_followed(trips: Table, tmp_path: Path) -> None:
    workspace, folder = trips.workspace, trips.workspace.root / "data/trips"
    data.add(workspace, "trips")
    folder.rename(tmp_path / "first")
    trips.create(rows(7))
    data.add(workspace, "trips", recreated=True)
    shutil.rmtree(folder)
    (tmp_path / "first").rename(folder)
    assert data.add(workspace, "trips", recreated=True).number == 1
    trips.append(rows(4))
    assert (data.add(workspace, "trips").number, trips.frame().height) == (3, 4)


def test_a_vacuum_changes_no_rows_and_makes_no_version(trips: Table) -> None:
    workspace = trips.workspace
    trips.overwrite(rows(9))
    version = data.add(workspace, "trips")
    assert trips.vacuum(retention_hours=0, remove=True).files
    assert trips.version == 3
    [status] = data.status(workspace)
    assert (status.state, status.problem) == ("up to date", None)
    assert data.add(workspace, "trips") == version
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [9]
    trips.append(rows(10))
    assert [status.problem for status in data.status(workspace)] == [
        "3 commits after version 1 of the table, which is pinned"
    ]
    assert data.add(workspace, "trips").table_version == 4


def test_a_vacuum_that_was_pinned_before_stays_up_to_date(trips: Table) -> None:
    workspace, pointer = trips.workspace, trips.workspace.root / "data/trips.delta"
    trips.overwrite(rows(9))
    data.add(workspace, "trips")
    trips.vacuum(retention_hours=0, remove=True)
    at = trips.history(limit=1)[0].at
    pinned = re.sub(r"version: 1, at: \d+", f"version: 3, at: {at}", pointer.read_text())
    pointer.write_text(pinned)
    assert [status.state for status in data.status(workspace)] == ["up to date"]
    assert data.open_dataset(workspace, "trips", add=False).frame()["id"].to_list() == [9]


def test_snapshots_name_the_version_of_the_table(trips: Table) -> None:
    workspace = trips.workspace
    dataset = data.open_dataset(workspace, "trips")
    taken = snapshot.take(workspace, datasets=[dataset.version])
    [item] = snapshot.load(workspace, taken.id).data
    assert item["table"] == {"uri": "data/trips", "id": dataset.version.table_id, "version": 0}
    trips.append(rows(4))
    later = snapshot.take(workspace, datasets=[data.add(workspace, "trips")])
    [difference] = [each for each in snapshot.diff(taken, later) if each.part == "data"]
    assert (difference.before, difference.after) == ("version 1 (table version 0)", "version 2 (table version 1)")


def test_a_commit_inside_of_a_run_says_so(trips: Table) -> None:
    with start_run(trips.workspace, snapshot=False) as run:
        trips.append(rows(4))
    trips.append(rows(5))
    assert [(each.version, each.run) for each in trips.history()] == [(2, None), (1, run.id), (0, None)]
    assert {each.actor for each in trips.history()} == {trips.workspace.actor}


def test_time_travel_by_version_and_moment(trips: Table) -> None:
    trips.append(rows(4))
    newest, first = trips.history()
    assert trips.frame(version=0).height == 3
    assert trips.frame(at=datetime.fromtimestamp(newest.at / 1000, UTC)).height == 4
    assert trips.frame(at=datetime.fromtimestamp((newest.at - 1) / 1000, UTC)).height == 3
    assert trips.frame(at=datetime.now(UTC) + timedelta(days=1)).height == 4
    with pytest.raises(NotFound, match="had no version at 2001"):
        trips.frame(at=datetime(2001, 1, 1))  # noqa: DTZ001 - without a zone it is UTC
    with pytest.raises(NotFound, match="no version 9: its newest is 1"):
        trips.frame(version=9)
    assert first.operation == "write"


def test_garbage_collection_keeps_what_names_tables(trips: Table) -> None:
    workspace = trips.workspace
    version = data.add(workspace, "trips")
    found = collect(workspace.database, workspace.objects, grace_seconds=0, remove=True)
    assert (found.objects, found.kept) == (0, 1)
    assert data.verify(workspace) == []
    workspace.objects.path(version.md5).chmod(0o644)
    workspace.objects.path(version.md5).write_bytes(b"x")
    assert [damage.md5 for damage in data.verify(workspace)] == [version.md5]
    data.checkout(workspace, "trips", 1)  # the row says the same
    data.add(workspace, "trips")
    assert data.verify(workspace) == []


def test_verify_misses_files_of_pinned_versions(trips: Table, tmp_path: Path) -> None:
    workspace, folder = trips.workspace, trips.workspace.root / "data/trips"
    first = data.add(workspace, "trips")
    trips.overwrite(rows(9))
    data.add(workspace, "trips")
    assert data.verify(workspace, "trips") == data.verify(workspace) == []
    commits = sorted(path.name for path in (folder / "_delta_log").iterdir())
    trips.overwrite(rows(10))
    DeltaTable(str(folder)).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    damages = data.verify(workspace, "trips")
    assert [damage.used_by for damage in damages] == [["trips version 1"], ["trips version 2"]]
    assert (damages[0].md5, "files of version 0 of data/trips are not there: part-" in damages[0].problem) == (
        first.md5,
        True,
    )
    assert len(list((folder / "_delta_log").iterdir())) == len(commits) + 3, "looking commits nothing"
    folder.rename(tmp_path / "old")
    assert {damage.problem for damage in data.verify(workspace)} == {"there is no Delta table at data/trips"}
    trips.create(rows(1))
    data.add(workspace, "trips", recreated=True)
    assert data.verify(workspace) == []


@pytest.mark.parametrize("left", [b"", b'{"commitInfo": {"timestamp": 1}}\n{"add": {"pa', b"\x00" * 40, b"<html>"])
def test_verify_reads_every_commit_of_the_log(trips: Table, left: bytes) -> None:
    workspace, log = trips.workspace, trips.workspace.root / "data/trips/_delta_log"
    data.add(workspace, "trips")
    for number in range(4, 8):
        trips.append(rows(number))
    data.add(workspace, "trips")
    trips.append(rows(8))
    middle = log / f"{2:020}.json"
    whole = middle.read_bytes()
    middle.write_bytes(left)
    found = data.verify(workspace)
    assert [damage.used_by for damage in found] == [["trips version 2"]], "the first is made without it"
    assert "the log of the table data/trips is damaged: the commit of version 2 cannot be read" in found[0].problem
    middle.write_bytes(whole)
    assert data.verify(workspace) == []
    last = log / f"{5:020}.json"
    last.write_bytes(left)
    [damage] = data.verify(workspace, "trips")
    assert (damage.used_by, "version 5 cannot be read" in damage.problem) == (["trips version 2"], True)


def test_a_log_that_was_checkpointed_and_cleaned_up_is_no_damage(lake: Workspace) -> None:
    """As others do: the commits that a checkpoint holds are gone, one that is left says nothing of itself."""
    folder = lake.root / "data/trips"
    for number in range(6):
        write_deltalake(folder, rows(number), mode="append")
        if number == 3:
            data.add(lake, "trips")
            DeltaTable(folder).create_checkpoint()
    log = folder / "_delta_log"
    for number in range(3):
        (log / f"{number:020}.json").unlink()
    (log / f"{3:020}.crc").write_text("x")
    (log / f"{4:020}.json.tmp").write_text("x")
    commit = log / f"{4:020}.json"
    lines = commit.read_text().splitlines()
    commit.write_text(
        "\n".join(line for line in lines if "commitInfo" not in line) + '\n{"txn": {"appId": "a", "version": 1}}'
    )
    data.add(lake, "trips")
    assert [version.table_version for version in data.log(lake, "trips")] == [3, 5]
    assert data.verify(lake) == []
    commit.write_bytes(b"")
    assert [damage.used_by for damage in data.verify(lake)] == [["trips version 2"]]
    DeltaTable(folder).create_checkpoint()
    assert [damage.used_by for damage in data.verify(lake)] == [["trips version 2"]], (
        "named, though nothing is made of it"
    )


def test_git_remembers_what_pointers_named(trips: Table) -> None:
    workspace = trips.workspace
    git = ["git", "-C", str(workspace.root), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    table_id = data.add(workspace, "trips").table_id or ""
    subprocess.run([*git, "add", "data/trips.delta"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    trips.append(rows(4))
    data.add(workspace, "trips")
    assert named_in_git(workspace.root) == {table_id: {0, 1}}
    head = workspace.root / ".git" / "HEAD"
    head.write_text("ref: refs/heads/none-such\n")
    assert named_in_git(workspace.root) == {table_id: {0, 1}}  # also without a commit that is checked out
    head.unlink()
    trips.overwrite(rows(9))
    with pytest.raises(ExternalToolError):
        trips.vacuum(retention_hours=0, remove=True)
    assert trips.frame(version=0).height


def test_a_pointer_in_conflict(trips: Table) -> None:
    data.add(trips.workspace, "trips")
    pointer = trips.workspace.root / "data/trips.delta"
    pointer.write_text("<<<<<<< ours\npin: 1\n=======\n")
    with pytest.raises(InvalidData, match=r"trips\.delta cannot be read") as found:
        data.open_dataset(trips.workspace, "trips")
    assert "merge conflict" in str(found.value.hint)
    [status] = data.status(trips.workspace)
    assert status.state == "damaged"


def test_damaged_tables_say_what_is_wrong(trips: Table) -> None:
    workspace, folder = trips.workspace, trips.workspace.root / "data/trips"
    trips.append(rows(4))
    trips.append(rows(5))
    dataset = data.open_dataset(workspace, "trips")
    file = max(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidData, match="version 2 of data/trips cannot be read"):
        dataset.frame()
    file.unlink()
    with pytest.raises(NotFound, match="files of it were removed"):
        dataset.frame()
    (folder / "_delta_log/00000000000000000001.json").unlink()
    with pytest.raises(Corrupted, match="a commit file is missing"):
        data.open_dataset(workspace, "trips")
    [status] = data.status(workspace)
    assert (status.state, "a commit file is missing" in str(status.problem)) == ("damaged", True)


def test_no_table_there(lake: Workspace) -> None:
    with pytest.raises(NotFound, match="no Delta table at data/trips") as found:
        data.open_dataset(lake, "trips")
    assert "data create trips" in str(found.value.hint)
    assert [status.state for status in data.status(lake)] == ["missing"]
    with pytest.raises(NotFound):
        Table("other", lake)
    (lake.root / "a.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="no Delta table"):
        Table("a.csv", Workspace(lake.root))


def test_a_table_outside_of_the_workspace(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "mainspring.yaml").write_text(
        "project: x\ndatasets: {trips: {path: ../lake/trips, table: delta}}\n"
    )
    table = Table("trips", Workspace(workspace.root))
    table.create(rows(1))
    version = data.add(table.workspace, "trips")
    assert version.path == str(tmp_path / "lake/trips")
    assert (workspace.root / "data/trips.delta").is_file()
    assert data.open_dataset(table.workspace, "trips").frame().height == 1
    assert not (tmp_path / "lake/.gitignore").exists()
    table.workspace.close()


def test_partitions_and_empty_tables(lake: Workspace) -> None:
    table = Table("trips", lake)
    frame = rows(1, 2, 3).with_columns(pl.Series("city", ["a b", "c/d", None]))
    table.create(frame, partition_by=["city"])
    read = data.open_dataset(lake, "trips").frame().sort("id")
    assert read.select(frame.columns).equals(frame)
    table.overwrite(frame.head(0))
    assert table.frame().height == 0
    with pytest.raises(InvalidData, match="has no rows"):
        data.open_dataset(lake, "trips").frame()
