"""What leaves a remote, and what never does."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted, ExternalToolError, Refused
from mainspring.cli.main import run as command
from mainspring.store.remotes import inventory
from mainspring.versioning import data, exchange
from mainspring.versioning.clearance import clear
from mainspring.versioning.remotes import open_remote
from tests import s3
from tests.versioning.remotes.scene import git, run, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

WEEK = 7 * 24 * 3600
STRANGE = "aa3456789abcdef0123456789abcdef0"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def ours(make: Callable[..., Workspace], store: Path) -> Workspace:
    """A workspace in git with two versions pushed, and an object on the remote that nothing needs; all of it is old."""
    workspace = make(url="../store")
    (workspace.root / ".gitignore").write_text(".mainspring\n")
    git(workspace.root, "init", "-q")
    for text in ("a\n1\n", "a\n9\n"):
        (workspace.root / "data/months/01.csv").write_text(text)
        data.add(workspace, workspace.root / "data/months")
        git(workspace.root, "add", ".")
        git(workspace.root, "commit", "-qm", "data")
        exchange.push(workspace)
    (store / "files/md5/aa").mkdir(exist_ok=True)
    (store / "files/md5/aa" / STRANGE[2:]).write_bytes(b"strange")
    age(store)
    return workspace


def age(store: Path) -> None:
    """Make all objects of a remote two weeks old."""
    for path in store.rglob("*"):
        os.utime(path, (time.time() - 2 * WEEK,) * 2)


def forget(workspace: Workspace) -> None:
    """Lose the records and the objects, as a new clone has none."""
    workspace.close()
    shutil.rmtree(workspace.state)


def test_only_what_nothing_needs_goes_and_only_when_asked(ours: Workspace, store: Path) -> None:
    before = stored(store)
    told = clear(ours, "store", older_than_seconds=WEEK)
    assert (told.objects, told.bytes, told.kept, told.removed) == (1, 7, 5, False)
    assert stored(store) == before
    assert clear(ours, "store", older_than_seconds=WEEK, remove=True).objects == 1
    assert stored(store) == before - {STRANGE}


def test_what_is_young_stays(ours: Workspace, store: Path) -> None:
    os.utime(store / "files/md5/aa" / STRANGE[2:])
    assert clear(ours, "store", older_than_seconds=WEEK, remove=True).objects == 0
    assert STRANGE in stored(store)


def test_what_killed_uploads_left_goes_with_age(ours: Workspace, store: Path) -> None:
    before = stored(store)
    old, young = (store / "files/md5/aa" / f"{STRANGE[2:]}{ending}" for ending in ("#1", ".dir#12"))
    for path in (old, young):
        path.write_bytes(b"half")
    age(store)
    os.utime(young)
    told = clear(ours, "store", older_than_seconds=WEEK)
    assert (told.objects, told.unfinished, told.bytes, told.kept) == (1, 1, 11, 5)
    assert old.is_file()
    assert clear(ours, "store", older_than_seconds=WEEK, remove=True).unfinished == 1
    assert stored(store) == before - {STRANGE} | {young.parent.name + young.name}


def test_a_clone_without_records_keeps_what_history_names(ours: Workspace, store: Path) -> None:
    before = stored(store)
    forget(ours)
    with pytest.raises(Refused, match="nothing was ever recorded here"):
        clear(ours, "store", older_than_seconds=WEEK, remove=True)
    assert stored(store) == before
    assert clear(ours, "store", older_than_seconds=WEEK, remove=True, accept_lost=True).objects == 1
    assert stored(store) == before - {STRANGE}


def test_the_outputs_of_dvc_pipelines_stay(ours: Workspace, store: Path) -> None:
    (ours.root / "dvc.lock").write_text(f"stages: {{train: {{outs: [{{path: m, md5: {STRANGE}}}]}}}}\n")
    git(ours.root, "add", ".")
    git(ours.root, "commit", "-qm", "pipeline")
    (ours.root / "dvc.lock").unlink()
    assert clear(ours, "store", older_than_seconds=WEEK, remove=True).objects == 0


def test_a_listing_that_nobody_has_is_a_refusal(ours: Workspace, store: Path) -> None:
    first = data.log(ours, "months")[0].md5
    forget(ours)
    (store / "files/md5" / first[:2] / first[2:]).unlink()
    before = stored(store)
    with pytest.raises(Refused, match=f"{first} is neither here nor on the remote"):
        clear(ours, "store", older_than_seconds=WEEK, remove=True)
    assert stored(store) == before
    assert clear(ours, "store", older_than_seconds=WEEK, remove=True, accept_lost=True).objects == 2


def test_a_listing_that_is_damaged_there_is_a_refusal(ours: Workspace, store: Path) -> None:
    first = data.log(ours, "months")[0].md5
    forget(ours)
    damaged = store / "files/md5" / first[:2] / first[2:]
    damaged.write_bytes(b"[]")
    age(store)
    before = stored(store)
    with pytest.raises(Corrupted, match="is damaged"):
        clear(ours, "store", older_than_seconds=WEEK, remove=True, accept_lost=True)
    assert stored(store) == before


def test_a_history_that_cannot_be_read_is_a_refusal(ours: Workspace, store: Path, tmp_path: Path) -> None:
    before = stored(store)
    shallow = tmp_path / "shallow"
    run(Path("git"), "clone", "-q", "--depth", "1", f"file://{ours.root}", str(shallow), folder=tmp_path)
    opened = type(ours)(shallow)
    with pytest.raises(ExternalToolError, match="so what older commits name is not known"):
        clear(opened, "store", older_than_seconds=WEEK, remove=True)
    opened.close()
    shutil.rmtree(ours.root / ".git" / "objects")
    with pytest.raises(ExternalToolError, match="git could not read the history"):
        clear(ours, "store", older_than_seconds=WEEK, remove=True)
    assert stored(store) == before


def test_the_command_wants_to_hear_that_nobody_else_is_there(
    ours: Workspace, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ours.root)
    assert command(["data", "gc", "--remote", "store", "--older-than", "7d"]) == 0
    assert "1 objects (7 B) would go from 'store', 5 stay" in capsys.readouterr().out
    (store / "files/md5/aa" / f"{STRANGE[2:]}#1").write_bytes(b"half")
    age(store)
    assert command(["data", "gc", "--remote", "store", "--older-than", "7d"]) == 0
    assert "1 objects and 1 unfinished uploads (11 B) would go" in capsys.readouterr().out
    assert command(["data", "gc", "--remote", "store", "--older-than", "7d", "--remove"]) == 2
    assert STRANGE in stored(store)
    assert command(["data", "gc", "--remote", "store", "--older-than", "7d", "--remove", "--not-shared"]) == 0
    assert STRANGE not in stored(store)


@pytest.mark.slow
def test_only_below_the_address_of_the_remote(make: Callable[..., Workspace], s3_server: s3.Server, keys: None) -> None:
    ours = make(url=s3_server.url(), endpoint=s3_server.endpoint)
    exchange.push(ours)
    data.add(ours, ours.root / "data/airports.csv")
    exchange.push(ours)
    inside, outside = s3_server.store(ours.settings.remotes["store"].url), s3_server.store(f"s3://{s3.BUCKET}")
    for store in (inside, outside):
        store.put(f"files/md5/aa/{STRANGE[2:]}", b"strange")
    assert clear(ours, "store", older_than_seconds=-60, remove=True).objects == 1
    assert STRANGE[2:] not in str(inside.list().collect())
    assert outside.head(f"files/md5/aa/{STRANGE[2:]}")["size"] == 7
    assert exchange.push(ours).present == 1


def test_what_is_gone_already_is_no_error(ours: Workspace, store: Path) -> None:
    remote = open_remote(ours, write=True)
    inventory.delete(remote, [f"{number:032x}" for number in range(20)] + [STRANGE])
    assert not (store / "files/md5/aa" / STRANGE[2:]).exists()
