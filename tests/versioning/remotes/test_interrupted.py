"""A push and a fetch that are interrupted or killed, as processes: nothing half is left, and the next one goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.versioning import data, exchange
from tests import s3
from tests.faults import Fault, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

pytestmark = pytest.mark.slow

COUNT = 300
INTERRUPTED = 130


@pytest.fixture
def ours(make: Callable[..., Workspace], s3_server: s3.Server, proxy: Proxy, keys: None) -> Workspace:
    """A workspace with many files, added."""
    files = {f"data/{number}.csv": f"{number}\n" for number in range(COUNT)}
    workspace = make(files=files, url=s3_server.url(), endpoint=proxy.endpoint, retries=0)
    data.add(workspace, workspace.root / "data")
    return workspace


def stopped(workspace: Workspace, proxy: Proxy, how: signal.Signals, *words: str) -> int:
    """Run a command and send it a signal when some requests have been answered and others hang; return its exit code."""
    proxy.lines.clear()
    verb = "PUT" if words[1] == "push" else "GET"
    proxy.fault = Fault("silence", of=verb, after=COUNT // 2)
    process = subprocess.Popen(
        [sys.executable, "-m", "mainspring", *words], cwd=workspace.root, env={**os.environ}, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len([line for line in proxy.lines if line.startswith(verb)]) < COUNT // 2 + 32:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    begun = time.monotonic()
    process.send_signal(how)
    process.communicate(timeout=20)
    assert time.monotonic() - begun < 10
    proxy.fault = None
    return process.returncode


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL)])
def test_push(ours: Workspace, proxy: Proxy, s3_server: s3.Server, how: signal.Signals, code: int) -> None:
    assert stopped(ours, proxy, how, "data", "push") == code
    there = s3_server.store(ours.settings.remotes["store"].url).list().collect()
    assert COUNT // 2 <= len(there) < COUNT
    assert not [item for item in there if item["path"].endswith(".dir")]
    again = exchange.push(ours)
    assert (again.objects, again.present) == (COUNT + 1 - len(there), len(there))


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL)])
def test_fetch(ours: Workspace, proxy: Proxy, how: signal.Signals, code: int) -> None:
    exchange.push(ours)
    shutil.rmtree(ours.objects.root)
    assert stopped(ours, proxy, how, "data", "fetch") == code
    assert list(ours.objects.verify()) == []
    kept = len(list(ours.objects.addresses()))
    if how is signal.SIGINT:
        assert kept >= COUNT // 4  # what had arrived was made durable
        assert not list(ours.objects.root.glob("incoming/*"))
    again = exchange.fetch(ours)
    assert (again.objects, again.present) == (COUNT + 1 - kept, kept)
    assert list(ours.objects.verify()) == []
