from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from folders import tree, write

from mainspring.base.errors import Conflict, Corrupted, InvalidData, NotFound, Refused, UsageError
from mainspring.store.workspace import Workspace
from mainspring.versioning import contents, data
from mainspring.versioning.pointers import read_pointer


def age(folder: Path) -> None:
    """Make files old enough for their times to be trusted."""
    past = time.time_ns() - 10_000_000_000
    for path in folder.rglob("*"):
        os.utime(path, ns=(past, past))


@pytest.fixture
def flights(workspace: Workspace, state: str) -> Workspace:
    (workspace.root / "mainspring.yaml").write_text(
        f"project: x\n{state}datasets:\n  flights: {{path: data/months, time: at}}\n  airports: {{path: data/airports.csv}}\n"
    )
    write(
        workspace, {"data/months/01.csv": "a\n1\n", "data/months/sub/02.csv": "a\n2\n", "data/airports.csv": "b\n1\n"}
    )
    return Workspace(workspace.root)


def test_a_pointer_is_what_dvc_writes(flights: Workspace) -> None:
    version = data.add(flights, "flights")
    pointer = flights.root / "data" / "months.dvc"
    expected = f"outs:\n- md5: {version.md5}\n  size: {version.size}\n  nfiles: 2\n  hash: md5\n  path: months\n"
    assert pointer.read_text() == expected
    data.add(flights, "airports")
    airports = yaml.safe_load((flights.root / "data" / "airports.csv.dvc").read_text())
    md5 = hashlib.md5(b"b\n1\n").hexdigest()
    assert airports == {"outs": [{"md5": md5, "size": 4, "hash": "md5", "path": "airports.csv"}]}
    assert (flights.root / "data" / ".gitignore").read_text() == "/months\n/airports.csv\n"


def test_the_same_content_is_the_same_version(flights: Workspace) -> None:
    first = data.add(flights, "flights")
    assert data.add(flights, "flights") == first
    assert data.add(flights, flights.root / "data" / "months") == first
    assert (first.number, first.files, first.size) == (1, 2, 8)
    write(flights, {"data/months/03.csv": "a\n3\n"})
    assert data.add(flights, "flights").number == 2
    (flights.root / "data/months/03.csv").unlink()
    assert data.add(flights, "flights").number == 3
    assert [version.number for version in data.log(flights, "flights")] == [1, 2, 3]
    assert data.log(flights, "flights")[2].md5 == first.md5


def test_unchanged_files_are_not_read_again(flights: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    age(flights.root / "data")
    first = data.add(flights, "flights")

    def refuse(*_arguments: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(contents, "md5_file", refuse)
    monkeypatch.setattr(flights.objects, "put_files", refuse)
    assert data.add(flights, "flights") == first
    assert next(item for item in data.status(flights) if item.dataset == "flights").state == "up to date"


def test_recent_times_are_not_trusted(flights: Workspace) -> None:
    data.add(flights, "flights")
    path = flights.root / "data/months/01.csv"
    before = path.stat()
    path.write_text("a\n9\n")
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert data.add(flights, "flights").number == 2


def test_changing_while_added_is_refused(flights: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = flights.objects.put_files

    def meddle(sources: list[str], **more: Any) -> object:
        stored = real(sources, **more)
        (flights.root / "data/months/01.csv").write_text("a\n1\n2\n")
        return stored

    monkeypatch.setattr(flights.objects, "put_files", meddle)
    with pytest.raises(Conflict, match=r"01\.csv changed while it was being read"):
        data.add(flights, "flights")
    assert data.log(flights, "flights") == []
    assert not (flights.root / "data/months.dvc").exists()


def test_status(flights: Workspace) -> None:
    assert [item.state for item in data.status(flights)] == ["not added", "not added"]
    data.add(flights, "flights")
    (flights.root / "data/airports.csv").unlink()
    write(flights, {"data/months/01.csv": "a\n5\n", "data/months/04.csv": "a\n"})
    (flights.root / "data/months/sub/02.csv").unlink()
    airports, months = data.status(flights)
    assert (airports.state, airports.command) == ("missing", None)
    assert months.command == "mainspring data add flights"
    assert (months.state, months.added, months.modified, months.deleted) == ("modified", 1, 1, 1)
    for entry in flights.objects.listing(months.md5 or ""):
        flights.objects.path(entry.md5).unlink()
    told = data.status(flights)[1]
    assert (told.state, told.added, told.modified, told.deleted) == ("modified", 1, 1, 1)
    assert str(told.problem).endswith("not all of the version is in the store; get it: mainspring data pull flights")


def test_what_a_colleague_changed_is_to_be_pulled(flights: Workspace) -> None:
    data.add(flights, "flights")
    pointer = flights.root / "data/months.dvc"
    pointer.write_text(f"outs:\n- md5: {'f' * 32}.dir\n  size: 8\n  nfiles: 2\n  hash: md5\n  path: months\n")
    told = data.status(flights)[1]
    assert (told.state, told.number) == ("modified", None)
    assert str(told.problem).endswith("get it: mainspring data pull flights")
    assert told.remedy == "pull"


def test_what_git_put_back_is_to_be_checked_out(flights: Workspace) -> None:
    data.add(flights, "flights")
    pointer = flights.root / "data/months.dvc"
    before = pointer.read_bytes()
    write(flights, {"data/months/01.csv": "a\n5\n"})
    data.add(flights, "flights")
    pointer.write_bytes(before)
    told = data.status(flights)[1]
    assert (told.state, told.number, told.remedy) == ("modified", 1, "checkout")


def test_what_the_store_alone_lost_is_to_be_added(flights: Workspace) -> None:
    version = data.add(flights, "flights")
    flights.objects.path(version.md5).unlink()
    told = data.status(flights)[1]
    assert (told.state, told.command) == ("damaged", "mainspring data add flights")
    assert data.add(flights, "flights") == version
    assert data.status(flights)[1].state == "up to date"


def test_a_missing_dataset_is_restored_or_got(flights: Workspace) -> None:
    version = data.add(flights, "flights")
    shutil.rmtree(flights.root / "data/months")
    told = data.status(flights)[1]
    assert (told.remedy, told.problem) == ("checkout", "restore it: mainspring data checkout flights")
    flights.objects.path(version.md5).unlink()
    told = data.status(flights)[1]
    assert (told.remedy, told.problem) == ("pull", "get it: mainspring data pull flights")


def test_checkout_restores_exactly(flights: Workspace) -> None:
    data.add(flights, "flights")
    folder = flights.root / "data/months"
    before = tree(folder)
    write(flights, {"data/months/01.csv": "changed", "data/months/new/03.csv": "more"})
    (folder / "sub/02.csv").unlink()
    data.add(flights, "flights")
    after = tree(folder)
    assert data.checkout(flights, "flights", 1).number == 1
    assert tree(folder) == before
    assert not (folder / "new").exists()
    assert data.status(flights)[1].state == "up to date"
    assert data.current(flights, "flights").number == 1
    assert len(data.log(flights, "flights")) == 2
    assert data.checkout(flights, "data/months", "2").number == 2
    assert tree(folder) == after
    assert data.checkout(flights, "flights", data.log(flights, "flights")[0].md5[:8]).number == 1
    with pytest.raises(NotFound, match="no version '7'"):
        data.checkout(flights, "flights", 7)


def test_checkout_follows_the_pointer_that_git_holds(flights: Workspace) -> None:
    data.add(flights, "flights")
    pointer = flights.root / "data/months.dvc"
    first = pointer.read_bytes()
    write(flights, {"data/months/01.csv": "changed"})
    data.add(flights, "flights")
    pointer.write_bytes(first)
    assert data.status(flights)[1].state == "modified"
    assert data.checkout(flights, "flights").number == 1


def test_checkout_loses_nothing(flights: Workspace) -> None:
    data.add(flights, "flights")
    write(flights, {"data/months/01.csv": "only here"})
    with pytest.raises(Refused, match=r"01\.csv would be lost"):
        data.checkout(flights, "flights", 1)
    assert (flights.root / "data/months/01.csv").read_text() == "only here"
    data.checkout(flights, "flights", 1, force=True)
    assert (flights.root / "data/months/01.csv").read_text() == "a\n1\n"


def test_checkout_of_damaged_objects_touches_nothing(flights: Workspace) -> None:
    data.add(flights, "flights")
    write(flights, {"data/months/01.csv": "second", "data/months/sub/02.csv": "second too"})
    version = data.add(flights, "flights")
    before = tree(flights.root / "data/months")
    first = data.log(flights, "flights")[0]
    [entry, _] = flights.objects.listing(first.md5)
    path = flights.objects.path(entry.md5)
    path.chmod(0o644)
    path.write_text("a\n7\n")
    with pytest.raises(Corrupted):
        data.checkout(flights, "flights", 1)
    assert tree(flights.root / "data/months") == before
    with pytest.raises(NotFound, match="not in the store"):
        data.checkout(flights, "flights", 1)
    assert data.current(flights, "flights") == version


def test_checkout_where_nothing_is(flights: Workspace) -> None:
    import shutil

    data.add(flights, "flights")
    data.add(flights, "airports")
    shutil.rmtree(flights.root / "data/months")
    (flights.root / "data/airports.csv").unlink()
    data.checkout(flights, "flights")
    data.checkout(flights, "airports")
    assert {item.state for item in data.status(flights)} == {"up to date"}


def test_files_of_equal_content_and_a_file_that_becomes_a_folder(workspace: Workspace) -> None:
    write(workspace, {"d": "x"})
    data.add(workspace, workspace.root / "d")
    (workspace.root / "d").unlink()
    write(workspace, {"d/1": "same", "d/2": "same"})
    data.add(workspace, "d")
    data.checkout(workspace, "d", 1)
    assert (workspace.root / "d").read_text() == "x"
    data.checkout(workspace, "d", 2)
    assert tree(workspace.root / "d") == {"1": "same", "2": "same"}


def test_verify_finds_damage_and_adding_heals(flights: Workspace) -> None:
    version = data.add(flights, "flights")
    assert data.verify(flights) == []
    entry = flights.objects.listing(version.md5)[0]
    path = flights.objects.path(entry.md5)
    path.chmod(0o644)
    path.write_text("zzzz")
    [damage] = data.verify(flights, "flights")
    assert damage.md5 == entry.md5
    assert damage.used_by == ["flights version 1: 01.csv"]
    assert not path.exists()
    assert [item.md5 for item in data.verify(flights)] == [entry.md5]
    data.add(flights, "flights")
    assert data.verify(flights) == []
    listing = flights.objects.path(version.md5)
    listing.chmod(0o644)
    listing.write_text("[]")
    assert [item.md5 for item in data.verify(flights)] == [version.md5]


def test_what_cannot_be_added(flights: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside.csv").touch()
    (flights.root / "empty").mkdir()
    (flights.root / "links").mkdir()
    (flights.root / "links" / "dangling").symlink_to("nowhere")
    write(flights, {"other/months/x.csv": "1", "flights.csv": "1"})
    with pytest.raises(UsageError, match="not inside the workspace"):
        data.add(flights, tmp_path / "outside.csv")
    with flights.settings_file.open("a") as settings:
        settings.write("  away: {path: ../outside.csv}\n")
    with pytest.raises(UsageError, match="not inside the workspace"):
        data.add(Workspace(flights.root), "away")
    with pytest.raises(UsageError):
        data.add(flights, flights.root)
    with pytest.raises(UsageError):
        data.add(flights, flights.state / "mainspring.db")
    with pytest.raises(InvalidData, match="holds no files"):
        data.add(flights, flights.root / "empty")
    with pytest.raises(InvalidData, match="no regular file"):
        data.add(flights, flights.root / "links")
    with pytest.raises(NotFound, match="neither a dataset nor a path"):
        data.add(flights, "flihgts")
    with pytest.raises(Conflict, match="the dataset 'flights' is"):
        data.add(flights, flights.root / "flights.csv")


def test_pointers_of_others(flights: Workspace) -> None:
    pointer = flights.root / "data/months.dvc"
    pointer.write_text("outs:\n- md5: abc\n  path: months\n  cache: true\ndesc: months of flights\n")
    assert data.status(flights)[1].state == "damaged"
    version = data.add(flights, "flights")
    held = yaml.safe_load(pointer.read_text())
    assert held["desc"] == "months of flights"
    assert held["outs"][0] == {
        "md5": version.md5, "size": 8, "nfiles": 2, "hash": "md5", "path": "months", "cache": True,
    }  # fmt: skip
    pointer.write_text("<<<<<<< HEAD\n")
    with pytest.raises(InvalidData, match="cannot be read"):
        read_pointer(flights.root / "data/months")


def test_datasets_as_pipelines_get_them(flights: Workspace) -> None:
    found = data.open_dataset(flights, "flights")
    assert (found.name, found.version.number, found.time) == ("flights", 1, "at")
    assert found.frame()["a"].to_list() == [1, 2]
    assert found.scan().select(pl.len()).collect().item() == 2
    write(flights, {"data/months/01.csv": "a\n8\n"})
    with pytest.raises(NotFound, match="is no version of 'flights'"):
        data.current(flights, "flights", add=False)
    assert data.current(flights, "flights").number == 2
    assert data.current(flights, "flights", add=False).number == 2


@pytest.mark.parametrize("kind", ["hardlink", "copy"])
def test_who_may_run_a_file_may_still_when_it_was_added(flights: Workspace, kind: str) -> None:
    with flights.settings_file.open("a") as settings:
        settings.write("" if "state:" in flights.settings_file.read_text() else f"state: {{links: [{kind}]}}\n")
    workspace = Workspace(flights.root)
    write(workspace, {"data/y.sh": "echo\n", "data/n.sh": "echo no\n"})
    (workspace.root / "data/y.sh").chmod(0o755)
    version = data.add(workspace, workspace.root / "data/y.sh")
    assert "isexec: true" in (workspace.root / "data/y.sh.dvc").read_text()
    assert os.access(workspace.root / "data/y.sh", os.X_OK)
    assert not workspace.objects.path(version.md5).stat().st_mode & 0o111
    data.add(workspace, workspace.root / "data/n.sh")
    assert "isexec" not in (workspace.root / "data/n.sh.dvc").read_text()
    workspace.close()
