"""Who may read what is written: what the umask says, and never more than could before."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from mainspring.store.links import Linker
from mainspring.store.sinks import Sink
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange
from mainspring.versioning.bringing import bring
from tests.versioning.folders import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.links import Link


@pytest.fixture(params=[0o077, 0o022, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.mark.parametrize("kind", ["reflink", "copy"])
def test_files_are_for_those_that_the_umask_names(workspace: Workspace, umask: int, kind: Link) -> None:
    write(workspace, {"data/sub/a": "1", "file": "2"})
    linker = Linker([kind])
    for name in ("data", "file"):
        data.add(workspace, workspace.root / name, linker=linker)
    stored = [path for path in workspace.objects.files.rglob("*") if path.is_file()]
    assert {mode(path) for path in stored} == {oct(0o444 & ~umask)}
    (workspace.root / "data/sub/a").unlink()
    (workspace.root / "file").unlink()
    for name in ("data", "file"):
        data.checkout(workspace, name, linker=linker)
    written = ["data/sub/a", "file", "data.dvc", "file.dvc", ".gitignore"]
    assert {mode(workspace.root / name) for name in written} == {oct(0o666 & ~umask)}


def test_a_private_file_stays_private_when_it_becomes_an_object(workspace: Workspace) -> None:
    write(workspace, {"secret": "1", "data/public": "2"})
    (workspace.root / "secret").chmod(0o600)
    (workspace.root / "data/public").chmod(0o644)
    for name in ("secret", "data"):
        data.add(workspace, workspace.root / name, linker=Linker(["hardlink"]))
    assert mode(workspace.root / "secret") == oct(0o400)
    assert mode(workspace.root / "data/public") == oct(0o444)


def test_what_arrives_is_for_those_that_the_umask_names(tmp_path: Path, umask: int) -> None:
    (root := tmp_path / "project").mkdir()
    (root / "mainspring.yaml").write_text("project: x\nremotes: {store: {url: ../store}}\n")
    workspace = Workspace(root)
    write(workspace, {"file": "2", "../far": "3"})
    data.add(workspace, root / "file")
    exchange.push(workspace)
    shutil.rmtree(workspace.objects.files)
    exchange.fetch(workspace)
    bring(workspace, str(tmp_path / "far"), out=str(root / "near"))
    with Sink(workspace.objects) as sink:
        sink.write(b"4")
        sink.keep()
    stored = [path for path in workspace.objects.files.rglob("*") if path.is_file()]
    assert [mode(path) for path in stored] == [oct(0o444 & ~umask)] * 3
    workspace.close()
