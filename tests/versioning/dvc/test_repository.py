"""A repository of DVC's is a workspace as it is: both tools read what the other one wrote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from mainspring.base.errors import Corrupted, InvalidData, NotFound, UsageError
from mainspring.cli.main import app
from mainspring.cli.main import run as command
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange
from mainspring.versioning.lineage import find, walk
from mainspring.versioning.remotes import list_remotes, open_remote
from tests.versioning.dvc.repository import STRANGE, Repository, states
from tests.versioning.remotes.scene import git

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow


def test_what_dvc_added_is_up_to_date_and_comes_back(repository: Repository, opened: Workspace) -> None:
    repository.write({**STRANGE, "single/ü.csv": "s\n", "other/data/x": "x"})
    repository.dvc("add", "data", "single/ü.csv", "other/data")
    repository.commit()
    workspace = Workspace.open(repository.root)
    assert states(data.status(workspace)) == dict.fromkeys(("data", "other/data", "single/ü.csv"), "up to date")
    assert repository.is_clean(), "looking changes nothing"
    for name in ("data", "single/ü.csv"):
        repository.remove(name)
    assert states(data.status(workspace))["data"] == "missing"
    assert data.checkout(workspace, "data").files == len(STRANGE)
    data.checkout(workspace, "single/ü.csv")
    assert repository.tree() == STRANGE
    assert (repository.root / "single/ü.csv").read_text() == "s\n"
    assert repository.is_clean()
    assert data.verify(workspace) == []
    workspace.close()


def test_what_we_add_is_clean_for_dvc_and_comes_back(repository: Repository, opened: Workspace) -> None:
    repository.write({**STRANGE, "table.csv": "s\n"})
    data.add(opened, repository.root / "data")
    data.add(opened, repository.root / "table.csv")
    repository.commit()
    assert repository.is_clean()
    for name in ("data", "table.csv"):
        repository.remove(name)
    repository.dvc("checkout")
    assert repository.tree() == STRANGE
    assert (repository.root / "table.csv").read_text() == "s\n"
    assert repository.is_clean()
    repository.write({"data/new": "n"})
    assert "modified" in repository.dvc("status")
    assert states(data.status(opened))["data"] == "modified"


def test_names_are_paths_and_the_nearer_one_is_meant(
    repository: Repository, opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"data/a": "1", "sub/data/b": "2", "sub/x.csv": "3"})
    for path in ("data", "sub/data", "sub/x.csv"):
        data.add(opened, repository.root / path)
    workspace = Workspace.open(repository.root)
    names = ["data", "sub/data", "sub/x.csv"]
    assert list(states(data.status(workspace))) == names
    monkeypatch.chdir(repository.root / "sub")
    assert [data.name_of(workspace, name) for name in ("data", "data.dvc", "x.csv")] == [
        "sub/data",
        "sub/data",
        "sub/x.csv",
    ]
    monkeypatch.chdir(repository.root)
    assert [data.name_of(workspace, name) for name in names] == names
    workspace.close()


def test_the_commands_work_with_what_dvc_pushed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    repository.write(STRANGE)
    repository.dvc("add", "data")
    repository.dvc("push")
    repository.commit()
    git(tmp_path, "clone", "-q", str(repository.root), "clone")
    monkeypatch.chdir(tmp_path / "clone")
    runner = CliRunner()
    for words, code in (("pull", 0), ("verify", 0), ("status", 0), ("log data", 0)):
        done = runner.invoke(app, ["data", *words.split()])
        assert done.exit_code == code, done.output
    clone = Repository(repository.program, tmp_path / "clone")
    assert clone.tree() == STRANGE
    assert clone.is_clean()
    clone.write({"data/new": "n"})
    for words in ("add data", "push"):
        assert runner.invoke(app, ["data", *words.split()]).exit_code == 0
    shutil.rmtree(clone.root / ".dvc" / "cache")
    clone.remove("data")
    clone.dvc("pull")
    assert clone.tree() == STRANGE | {"data/new": "n"}


def test_files_that_are_the_objects_themselves_can_be_added_again(repository: Repository, opened: Workspace) -> None:
    repository.write({"data/a": "1"})
    first = data.add(opened, repository.root / "data")
    repository.remove("data/a")
    os.link(opened.objects.path(next(iter(opened.objects.listing(first.md5))).md5), repository.root / "data/a")
    assert data.add(opened, "data") == first


def test_both_take_turns(repository: Repository, opened: Workspace) -> None:
    repository.write({"data/a": "1"})
    repository.dvc("add", "data")
    repository.write({"data/b": "2"})
    assert data.add(opened, repository.root / "data").files == 2
    repository.write({"data/c": "3"})
    repository.dvc("add", "data")
    [found] = data.status(opened)
    assert (found.state, found.number) == ("up to date", None)
    assert data.checkout(opened, "data").number == 2
    assert data.checkout(opened, "data", 1).files == 2
    assert "up to date" in repository.dvc("status")
    assert repository.tree() == {"data/a": "1", "data/b": "2"}


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy", "reflink,hardlink"])
def test_the_links_and_the_cache_folder_are_those_of_dvc(repository: Repository, kind: str, tmp_path: Path) -> None:
    repository.dvc("cache", "dir", str(tmp_path / "cache"))
    repository.dvc("config", "cache.type", "copy")
    repository.dvc("config", "--local", "cache.type", kind)
    repository.write({"data/a": "1", "data/b": "1", "c": "3"})
    repository.dvc("add", "data", "c")
    repository.commit()
    workspace = Workspace.open(repository.root)
    assert workspace.objects.root == tmp_path / "cache"
    assert states(data.status(workspace)) == {"c": "up to date", "data": "up to date"}
    data.add(workspace, "data")
    repository.remove("data")
    data.checkout(workspace, "data")
    shares = (repository.root / "data/a").stat().st_nlink > 1
    assert shares == ("hardlink" in kind)
    assert repository.is_clean()
    (repository.root / "c").unlink()
    (repository.root / "c").write_text("4")
    repository.write({"data/new": "n"}) if not shares else None
    data.add(workspace, "c")
    assert "up to date" in repository.dvc("status", "c")
    assert data.verify(workspace) == []
    workspace.close()


def test_a_cache_in_a_relative_folder(repository: Repository) -> None:
    repository.dvc("cache", "dir", "../shared")
    repository.write({"a": "1"})
    repository.dvc("add", "a")
    workspace = Workspace.open(repository.root)
    assert workspace.objects.root == repository.root.parent / "shared"
    assert states(data.status(workspace)) == {"a": "up to date"}


def test_dvc_uses_our_folder_of_objects(make_settled: Callable[[str], Workspace], repository: Repository) -> None:
    workspace = make_settled("project: x\n")
    repository.write({"data/a": "1", "b": "2"})
    data.add(workspace, repository.root / "data")
    data.add(workspace, repository.root / "b")
    repository.dvc("cache", "dir", str(workspace.state / "objects"))
    repository.remove("data")
    repository.dvc("checkout")
    assert repository.tree() == {"data/a": "1"}
    repository.write({"data/c": "3"})
    repository.dvc("add", "data")
    assert states(data.status(workspace)) == {"b": "up to date", "data": "up to date"}


def test_our_settings_name_the_cache_of_dvc(make_settled: Callable[[str], Workspace], repository: Repository) -> None:
    workspace = make_settled("project: x\nstate: {objects: .dvc/cache}\ndatasets: {d: {path: data}}\n")
    repository.write(STRANGE)
    repository.dvc("add", "data")
    assert states(data.status(workspace)) == {"d": "up to date"}
    repository.remove("data")
    assert data.checkout(workspace, "d").number == 1
    assert repository.tree() == STRANGE


def test_the_executable_bit_of_a_file(repository: Repository, opened: Workspace) -> None:
    repository.write({"ours.sh": "o", "theirs.sh": "t", "plain": "p"})
    for name in ("ours.sh", "theirs.sh"):
        (repository.root / name).chmod(0o755)
    for name in ("ours.sh", "plain"):
        data.add(opened, repository.root / name)
    repository.dvc("add", "theirs.sh")
    pointers = {path.stem: yaml.safe_load(path.read_text())["outs"][0] for path in repository.root.glob("?*.dvc")}
    assert list(pointers["ours.sh"]) == list(pointers["theirs.sh"]) == ["md5", "size", "isexec", "hash", "path"]
    assert "isexec" not in pointers["plain"]
    for name in ("ours.sh", "theirs.sh", "plain"):
        repository.remove(name)
    repository.dvc("checkout", "ours.sh")
    data.checkout(opened, repository.root / "theirs.sh")
    data.checkout(opened, "plain")
    modes = {name: (repository.root / name).stat().st_mode & stat.S_IXUSR for name in ("ours.sh", "theirs.sh", "plain")}
    assert modes == {"ours.sh": stat.S_IXUSR, "theirs.sh": stat.S_IXUSR, "plain": 0}
    assert "up to date" in repository.dvc("status")
    (repository.root / "ours.sh").chmod(0o644)
    data.add(opened, "ours.sh")
    assert "isexec" not in (repository.root / "ours.sh.dvc").read_text()


def test_an_executable_file_does_not_make_the_object_executable(repository: Repository) -> None:
    repository.dvc("config", "cache.type", "hardlink")
    repository.write({"run.sh": "r"})
    (repository.root / "run.sh").chmod(0o755)
    repository.dvc("add", "run.sh")
    repository.remove("run.sh")
    workspace = Workspace.open(repository.root)
    [stored] = workspace.objects.files.glob("*/*")
    stored.chmod(0o444)
    data.checkout(workspace, "run.sh")
    assert (repository.root / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not stored.stat().st_mode & stat.S_IXUSR
    workspace.close()


def test_links_to_files_are_followed_as_dvc_does_and_links_to_folders_refused(
    repository: Repository, opened: Workspace
) -> None:
    repository.write({"data/a": "1", "elsewhere/b": "2", "twin/data/a": "1", "twin/data/link": "1"})
    (repository.root / "data/link").symlink_to("a")
    ours = data.add(opened, repository.root / "data")
    repository.dvc("add", "twin/data")
    assert ours.md5 in (repository.root / "twin/data.dvc").read_text()
    (repository.root / "data/folder").symlink_to("../elsewhere")
    with pytest.raises(InvalidData, match="link to a folder"):
        data.add(opened, "data")


def test_pointers_of_several_files_and_what_else_they_say_stay(repository: Repository, opened: Workspace) -> None:
    repository.write({"a": "1", "b": "2"})
    repository.dvc("add", "a", "b")
    one, two = (yaml.safe_load((repository.root / f"{name}.dvc").read_text())["outs"][0] for name in "ab")
    said = {
        "desc": "both",
        "meta": {"owner": "we"},
        "frozen": True,
        "deps": [{"path": "source", "md5": one["md5"], "hash": "md5", "size": 1}],
        "outs": [one | {"desc": "first", "push": False}, two],
    }
    for name in "ab":
        (repository.root / f"{name}.dvc").unlink()
    pointer = repository.root / "both.dvc"
    pointer.write_text(yaml.safe_dump(said))
    workspace = Workspace.open(repository.root)
    assert states(data.status(workspace)) == {"a": "up to date", "b": "up to date"}
    (repository.root / "b").write_text("22")
    assert states(data.status(workspace)) == {"a": "up to date", "b": "modified"}
    added = data.add(workspace, "b")
    outs = [said["outs"][0], two | {"md5": added.md5, "size": 2}]  # type: ignore[index]
    assert yaml.safe_load(pointer.read_text()) == said | {"outs": outs}
    assert not (repository.root / "b.dvc").exists()
    assert "up to date" in repository.dvc("status", "b")
    workspace.close()


@pytest.mark.parametrize("how", ["wdir", "path"])
def test_pointers_of_what_lies_elsewhere_are_refused_and_not_passed_over(repository: Repository, how: str) -> None:
    repository.write({"sub/a": "1", "sub/here": "2"})
    repository.dvc("add", "sub/a", "sub/here")
    said = yaml.safe_load((repository.root / "sub/a.dvc").read_text())
    (repository.root / "sub/a.dvc").unlink()
    if how == "wdir":
        said["wdir"] = "sub"
    else:
        said["outs"][0]["path"] = "sub/a"
    (repository.root / "a.dvc").write_text(yaml.safe_dump(said))
    assert "up to date" in repository.dvc("status")
    workspace = Workspace.open(repository.root)
    found = {status.dataset: status for status in data.status(workspace)}
    assert {name: status.state for name, status in found.items()} == {"a": "damaged", "sub/here": "up to date"}
    assert "names what lies in another folder (sub" in str(found["a"].problem)
    with pytest.raises(InvalidData, match="another folder"):
        data.checkout(workspace, "a")
    repository.write({"a": "3"})
    with pytest.raises(InvalidData, match="another folder"):
        data.add(workspace, repository.root / "a")
    assert (repository.root / "sub/a").read_text() == "1"
    workspace.close()


def test_what_dvc_imported_from_an_address_stays_so(repository: Repository, opened: Workspace, tmp_path: Path) -> None:
    (tmp_path / "far").write_text("1")
    repository.dvc("import-url", str(tmp_path / "far"), "near")
    (repository.root / "near").write_text("2")
    data.add(opened, repository.root / "near")
    assert "changed checksum" not in repository.dvc("status", "near.dvc")


def test_what_is_not_in_the_cache_is_asked_for(repository: Repository, opened: Workspace) -> None:
    repository.write({"data/a": "1"})
    repository.dvc("add", "data")
    repository.remove("data")
    shutil.rmtree(repository.root / ".dvc" / "cache")
    with pytest.raises(NotFound, match="not all of what the pointer") as error:
        data.checkout(opened, repository.root / "data")
    assert "data pull data" in (error.value.hint or "")
    assert not (repository.root / "data").exists()


def test_an_object_that_somebody_wrote_into_is_not_served(repository: Repository, opened: Workspace) -> None:
    repository.write({"data/a": "1", "data/b": "2"})
    repository.dvc("add", "data")
    spoiled = opened.objects.path(hashlib.md5(b"1").hexdigest())
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"x")
    spoiled.chmod(0o444)
    repository.remove("data")
    with pytest.raises(Corrupted, match="is damaged"):
        data.checkout(opened, repository.root / "data")
    assert not (repository.root / "data").exists()
    repository.write({"data/a": "1", "data/b": "2"})
    data.add(opened, repository.root / "data")
    repository.remove("data")
    data.checkout(opened, "data")
    assert repository.tree() == {"data/a": "1", "data/b": "2"}


def test_a_conflict_in_one_pointer_is_told_and_spoils_no_other(repository: Repository, opened: Workspace) -> None:
    repository.write({"a": "1", "b": "2"})
    repository.dvc("add", "a", "b")
    text = (repository.root / "a.dvc").read_text()
    (repository.root / "a.dvc").write_text(f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n")
    workspace = Workspace.open(repository.root)
    told = {item.dataset: item for item in data.status(workspace)}
    assert {name: item.state for name, item in told.items()} == {"a": "damaged", "b": "up to date"}
    assert "a.dvc cannot be read" in (told["a"].problem or "")
    workspace.close()


def test_it_is_found_from_below_and_reading_leaves_no_trace(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"sub/data/a": "1"})
    repository.dvc("add", "sub/data")
    repository.commit()
    monkeypatch.chdir(repository.root / "sub")
    workspace = Workspace.open()
    assert workspace.root == repository.root
    assert states(data.status(workspace)) == {"sub/data": "up to date"}
    assert data.log(workspace, "sub/data") == []
    assert not git(repository.root, "status", "--porcelain")
    assert sorted(path.name for path in repository.root.iterdir()) == [
        ".dvc",
        ".dvcignore",
        ".git",
        ".mainspring",
        "sub",
    ]
    workspace.close()


def test_the_users_and_the_machines_configuration_count_too(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for name, value in (
        ("HOME", home),
        ("DVC_SYSTEM_CONFIG_DIR", tmp_path / "machine"),
        ("DVC_GLOBAL_CONFIG_DIR", tmp_path / "user"),
    ):
        monkeypatch.setenv(name, str(value))
    repository.dvc("config", "--system", "cache.type", "copy")
    repository.dvc("config", "--system", "cache.dir", "~/cache")
    repository.dvc("config", "--global", "cache.type", "hardlink")
    repository.dvc("remote", "add", "--global", "-d", "theirs", "../store")
    repository.dvc("remote", "add", "near", "../near")
    (repository.root / ".dvc" / "config.local").write_text("['remote \"near\"']\n    url = ~/near\n")
    repository.write({"data/x": "x"})
    repository.dvc("add", "data")
    repository.dvc("push")
    workspace = Workspace.open(repository.root)
    assert workspace.settings.state.objects == str(home / "cache")
    assert workspace.settings.state.links == ("hardlink",)
    assert states(data.status(workspace)) == {"data": "up to date"}
    near = next(item for item in list_remotes(workspace) if item.name == "near")
    assert (near.url, near.source, near.default) == (str(home / "near"), ".dvc/config.local", False)
    assert exchange.push(workspace).present == 2  # what dvc pushed is there, where it pushed it
    assert exchange.push(workspace, remote="near").objects == 2
    assert any((home / "near" / "files" / "md5").iterdir())
    workspace.close()
    monkeypatch.delenv("DVC_GLOBAL_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    repository.dvc("config", "--global", "cache.type", "copy")
    assert Workspace(repository.root).settings.state.links == ("copy",)


def test_a_link_to_a_folder_may_be_left_out(repository: Repository, opened: Workspace) -> None:
    repository.write({"data/a": "1", "elsewhere/b": "2", ".dvcignore": "data/folder\n"})
    (repository.root / "data/folder").symlink_to("../elsewhere")
    ours = data.add(opened, repository.root / "data")
    assert (ours.files, states(data.status(Workspace.open(repository.root)))) == (1, {"data": "up to date"})
    assert "up to date" in repository.dvc("status")


def test_what_pointers_need_is_verified_and_kept(
    repository: Repository, opened: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write({"data/a": "1", "data/b": "2"})
    repository.dvc("add", "data")
    repository.commit()
    line = ["--workspace", str(repository.root)]
    stored = [path for path in (repository.root / ".dvc/cache/files").rglob("*") if path.is_file()]
    for path in stored:
        path.chmod(0o644)
        os.utime(path, (1, 1))
    [listing] = [path for path in stored if path.suffix == ".dir"]
    file = next(path for path in stored if path != listing)
    assert data.verify(opened) == data.verify(opened, "data") == []
    aside = repository.root / "aside"
    file.rename(aside)
    for name in (None, "data"):
        [damage] = data.verify(opened, name)
        assert damage.md5 == file.parent.name + file.name
        assert damage.used_by[0].startswith("the pointer of data: ")
    aside.rename(file)
    listing.rename(aside)
    assert [damage.used_by for damage in data.verify(opened)] == [["the pointer of data"]]
    for words in (["gc"], ["gc", "--remove"]):
        assert command([*line, *words]) == 1
        assert "whose listing is not in the store" in capsys.readouterr().err
    assert file.is_file()
    aside.rename(listing)
    assert command([*line, "gc", "--remove"]) == 0
    assert all(path.is_file() for path in stored)


def test_a_repository_without_remotes_is_told_how_dvc_adds_one(repository: Repository, opened: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        open_remote(opened)
    assert caught.value.hint == "add one: dvc remote add --default NAME URL"


def test_what_only_a_pointer_names_is_compared(
    repository: Repository, opened: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write({"data/a": "1", "data/b": "2", "one.csv": "id,x\n1,1\n"})
    repository.dvc("add", "data", "one.csv")
    line = ["--workspace", str(repository.root), "data", "diff"]
    repository.write({"data/a": "3", "one.csv": "id,x\n1,1\n2,1\n"})
    for name in ("data", "one.csv"):
        assert command([*line, name, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["before"] == "the pointer's"
    assert told["rows"]["added"] == 1
    assert data.log(opened, "data") == [], "looking records nothing"
    shutil.rmtree(repository.root / ".dvc/cache/files")
    assert command([*line, "data"]) == 3
    assert "mainspring data fetch" in capsys.readouterr().err


def test_what_stages_made_is_found_in_lineage_beside_settings_of_ours(
    repository: Repository, make_settled: Callable[[str], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"in.csv": "a\n1\n"})
    repository.write({"dvc.yaml": "stages: {copy: {cmd: cp in.csv out.csv, deps: [in.csv], outs: [out.csv]}}\n"})
    repository.dvc("add", "in.csv")
    repository.dvc("repro")
    workspace = make_settled("project: x\nstate: {objects: .dvc/cache}\n")
    monkeypatch.chdir(repository.root)
    for asset in ("out.csv", "dataset:out.csv", "./out.csv"):
        up = walk(workspace, find(workspace, asset), down=False)
        assert [node.label for node in up.of("stage")] == ["copy"]
    down = walk(workspace, find(workspace, "in.csv"), up=False)
    assert sorted(node.facts["dataset"] for node in down.of("dataset")) == ["in.csv", "out.csv"]


def test_folders_that_a_stage_only_reads_hold_nothing_up(repository: Repository) -> None:
    repository.write({"src/a.py": "1", "src/b.py": "2", "old": "x"})
    repository.write({"dvc.yaml": "stages: {copy: {cmd: cp src/a.py out, deps: [src], outs: [out]}}\n"})
    repository.dvc("add", "old")
    repository.dvc("repro")
    (repository.root / "old.dvc").unlink()
    for path in (repository.root / ".dvc/cache/files").rglob("*"):
        os.utime(path, (1, 1))
    opened = Workspace.open(repository.root)
    assert data.verify(opened) == []
    opened.close()
    assert command(["--workspace", str(repository.root), "gc", "--remove"]) == 0
    assert len([path for path in (repository.root / ".dvc/cache/files").rglob("*") if path.is_file()]) == 1
