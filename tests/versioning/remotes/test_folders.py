"""Remotes that are folders: written and read without the store's client, as long as that goes well."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import NotFound, StorageError
from mainspring.store.remotes import inventory, local
from mainspring.store.remotes.traffic import soon
from mainspring.versioning import data, exchange
from mainspring.versioning.remotes import open_remote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.store.workspace import Workspace

LOOKS_FOR_THE_CLIENT = """
import sys
from mainspring.cli import datasets, exchange
getattr(exchange, sys.argv[1])((), json=True)
print("obstore" in sys.modules)
"""


@pytest.fixture
def ours(make: Callable[..., Workspace], tmp_path: Path) -> Workspace:
    files = {f"data/{number:03d}.csv": f"a\n{number}\n" for number in range(100)}
    workspace = make(files=files, url=tmp_path / "store")
    data.add(workspace, workspace.root / "data")
    return workspace


def stored(tmp_path: Path) -> dict[str, int]:
    return {path.parent.name + path.name: path.stat().st_size for path in (tmp_path / "store").rglob("*/*/*/*")}


def test_the_client_is_not_loaded(ours: Workspace) -> None:
    for command in ("push", "push", "fetch"):
        done = subprocess.run(
            [sys.executable, "-c", LOOKS_FOR_THE_CLIENT, command],
            cwd=ours.root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "False"


def test_what_is_there_at_another_size_is_written_again(ours: Workspace, tmp_path: Path) -> None:
    assert exchange.push(ours).objects == 101
    whole = stored(tmp_path)
    md5 = min(whole)
    (tmp_path / "store/files/md5" / md5[:2] / md5[2:]).write_bytes(b"")
    assert exchange.push(ours).objects == 1
    assert stored(tmp_path) == whole


def test_a_disk_that_fills_leaves_nothing_unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, taken = os.write, []

    def fills(descriptor: int, content: Any) -> int:
        if taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken.append(write(descriptor, bytes(content)[:2]))
        return taken[0]

    with monkeypatch.context() as patched:
        patched.setattr(local.os, "write", fills)
        assert not local.write(f"{tmp_path}/aa/bb", b"0123456789")
    assert taken == [2]
    assert not any((tmp_path / "aa").iterdir())
    assert local.write(f"{tmp_path}/aa/bb", b"0123456789")
    assert (tmp_path / "aa/bb").read_bytes() == b"0123456789"


def test_what_cannot_be_written_is_told_by_the_client(ours: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "store/files/md5"
    folder.mkdir(parents=True)
    for number in range(256):
        (folder / f"{number:02x}").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="cannot write to the remote 'store'"):
        exchange.push(ours)


def test_a_write_that_was_killed_is_seen_as_unfinished(ours: Workspace, tmp_path: Path) -> None:
    exchange.push(ours)
    path = str(tmp_path / "store/files/md5/aa" / ("0" * 30))
    killed = (
        "import os, sys; from mainspring.store.remotes import local\n"
        "local.os.replace = lambda *_: os._exit(9)\n"
        "local.write(sys.argv[1], b'half')"
    )
    subprocess.run([sys.executable, "-c", killed, path], check=False)
    [left] = inventory.unfinished(open_remote(ours))
    assert left.name.startswith("0" * 30 + "#")
    assert len(inventory.held(open_remote(ours))) == 101


def test_objects_that_are_gone_there_are_told(ours: Workspace, tmp_path: Path) -> None:
    exchange.push(ours)
    md5 = min(md5 for md5 in stored(tmp_path) if not md5.endswith(".dir"))
    (tmp_path / "store/files/md5" / md5[:2] / md5[2:]).unlink()
    (ours.objects.path(md5)).unlink()
    with pytest.raises(NotFound, match="not on the remote 'store'"):
        exchange.fetch(ours)


def test_quick_work_needs_no_threads() -> None:
    seen = list(soon(lambda item: (item, threading.current_thread()), range(300)))
    assert [item for item, _ in seen] == list(range(300))
    assert {thread for _, (_, thread) in seen} == {threading.current_thread()}


def test_slow_work_is_done_by_many() -> None:
    def slow(item: int) -> threading.Thread:
        time.sleep(0.01)
        return threading.current_thread()

    seen = dict(soon(slow, range(100), requests=8))
    assert seen.keys() == set(range(100))
    assert len(set(seen.values())) > 2


def test_time_of_who_asks_does_not_count() -> None:
    for item, thread in soon(lambda _: threading.current_thread(), range(130)):
        assert thread is threading.current_thread()
        if item % 32 == 0:
            time.sleep(0.05)
