"""DVC and mainspring in one repository at once: who writes keeps the other one waiting, and who looks waits for nobody."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Conflict, InvalidData
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange, foreign, pull
from mainspring.versioning.turns import waiting
from mainspring.versioning.turns.repositories import alone, shared, working
from tests.versioning.dvc.repository import Repository, states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

THEIRS = """
import sys
from dvc.repo import Repo
with Repo().lock:
    print("held", flush=True)
    sys.stdin.readline()
"""
OURS = """
import sys
from mainspring.store.workspace import Workspace
from mainspring.versioning.turns.repositories import alone
with alone(Workspace.open()):
    print("held", flush=True)
    sys.stdin.readline()
"""
SLEEPY = """
stages:
  slow:
    cmd: touch started && while [ ! -e finish ]; do sleep 0.05; done && cp raw made
    deps: [raw]
    outs: [made]
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.6)


@contextmanager
def holding(repository: Repository, program: str) -> Iterator[subprocess.Popen[str]]:
    """Run what holds the lock until it is told to go on: DVC itself, or mainspring in another process."""
    python = repository.program.parent / "python" if program is THEIRS else Path(sys.executable)
    words = [str(python), "-c", program]
    process = subprocess.Popen(
        words, cwd=repository.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def refused(repository: Repository, *words: str) -> str:
    """Run DVC, which must fail, and return what it said."""
    done = subprocess.run(
        [str(repository.program), *words], cwd=repository.root, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def wait_until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["flock", "hardlink"])
def test_what_writes_waits_for_dvc_and_then_names_it(repository: Repository, kind: str) -> None:
    repository.dvc("config", "core.hardlink_lock", str(kind == "hardlink").lower())
    repository.write({"data/a": "1", "seen": "1"})
    repository.dvc("add", "seen")
    workspace = Workspace.open(repository.root)
    lock = repository.root / ".dvc" / "tmp" / "lock"
    with holding(repository, THEIRS) as dvc:
        for verb in (
            lambda: data.add(workspace, "data"),
            lambda: data.checkout(workspace, "seen"),
            lambda: pull.pull(workspace),
        ):
            with pytest.raises(Conflict, match=f"holds {lock}") as caught:
                verb()
            said = f"{caught.value.message} {caught.value.hint}"
            assert (f"process {dvc.pid} (-c" in said) == (kind == "flock")
            assert ("if no dvc runs in that repository, remove" in said) == (kind == "hardlink")
        assert not (repository.root / "data.dvc").exists()
        assert states(data.status(workspace))["seen"] == "up to date", "who looks does not wait"
        dvc.communicate("go on\n")
    assert data.add(workspace, "data").files == 1
    assert "up to date" in repository.dvc("status")
    workspace.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["flock", "hardlink"])
def test_dvc_waits_for_what_writes(repository: Repository, opened: Workspace, kind: str) -> None:
    repository.dvc("config", "core.hardlink_lock", str(kind == "hardlink").lower())
    repository.write({"a": "1"})
    with alone(opened):
        for words in (("add", "a"), ("gc", "-w", "-f"), ("checkout",)):
            assert "Unable to acquire lock" in refused(repository, *words)
        assert data.add(opened, repository.root / "a").number == 1, "what is asked for within is held already"
        assert "Unable to acquire lock" in refused(repository, "add", "a")
    assert "up to date" in repository.dvc("status")
    left = {path.name for path in (repository.root / ".dvc" / "tmp").iterdir()} & {"lock"}
    assert left == ({"lock"} if kind == "flock" else set())


def test_it_goes_on_when_dvc_is_done_and_says_that_it_waits(
    repository: Repository, opened: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    repository.write({"a": "1"})
    with holding(repository, THEIRS) as dvc, caplog.at_level(logging.WARNING):
        later = threading.Timer(1.5, lambda: dvc.communicate("go on\n"))
        later.start()
        assert data.add(opened, repository.root / "a").number == 1
        later.join()
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"waiting for process {dvc.pid} (-c")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("program", [THEIRS, OURS], ids=["theirs", "ours"])
def test_who_is_killed_leaves_nothing_that_blocks(repository: Repository, opened: Workspace, program: str) -> None:
    repository.write({"a": "1", "b": "2"})
    with holding(repository, program) as process:
        with pytest.raises(Conflict, match=f"process {process.pid} "):
            data.add(opened, repository.root / "a")
        process.send_signal(signal.SIGKILL)
        process.wait()
        data.add(opened, repository.root / "a")
        repository.dvc("add", "b")


@pytest.mark.usefixtures("impatient")
def test_a_killed_holder_of_a_hard_link_blocks_us_never_and_dvc_for_a_minute(repository: Repository) -> None:
    repository.dvc("config", "core.hardlink_lock", "true")
    repository.write({"a": "1", "b": "2"})
    lock = repository.root / ".dvc" / "tmp" / "lock"
    workspace = Workspace.open(repository.root)
    for name in ("a", "b"):
        with holding(repository, OURS) as process:
            with pytest.raises(Conflict, match=rf"process {process.pid} "), alone(workspace):
                pass
            process.kill()
            process.wait()
        assert lock.exists()
        if name == "a":
            data.add(workspace, name)
        else:
            assert "Unable to acquire lock" in refused(repository, "add", name)
            os.utime(lock, (time.time() - 30, time.time() - 30))  # that minute, and what DVC allows clocks to differ
            repository.dvc("add", name)
        assert not list(lock.parent.glob("lock*"))
    workspace.close()


def test_what_is_added_cannot_be_collected_meanwhile(repository: Repository, opened: Workspace) -> None:
    repository.write({f"data/{number}": str(number) for number in range(600)} | {"old": "x"})
    repository.dvc("add", "old")
    said = []

    def collect(done: int, _total: int) -> None:
        if not said:
            said.append(refused(repository, "gc", "-w", "-f"))
            assert done

    data.add(opened, repository.root / "data", tick=collect)
    assert "Unable to acquire lock" in said[0]
    repository.dvc("gc", "-w", "-f")
    assert data.verify(opened) == []
    repository.remove("data")
    repository.dvc("checkout", "data")
    assert len(repository.tree()) == 600


def test_adding_what_did_not_change_and_looking_take_no_lock(repository: Repository, tmp_path: Path) -> None:
    repository.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    repository.write({"data/a": "1"})
    repository.dvc("add", "data")
    workspace = Workspace.open(repository.root)
    first = data.add(workspace, "data")
    os.utime(repository.root / "data/a", ns=(1_700_000_000_000_000_000,) * 2)
    data.status(workspace)
    with holding(repository, THEIRS):
        assert data.add(workspace, "data") == first
        assert states(data.status(workspace)) == {"data": "up to date"}
        assert data.verify(workspace) == []
        (tmp_path / "store").mkdir()
        assert exchange.push(workspace).objects == 2
        assert exchange.fetch(workspace).objects == 0
    shutil.rmtree(repository.root / ".dvc" / "tmp")
    assert data.add(workspace, "data") == first
    data.status(workspace)
    assert not (repository.root / ".dvc" / "tmp").exists()
    workspace.close()


@pytest.mark.usefixtures("impatient")
def test_a_workspace_in_the_repository_or_with_its_cache_takes_part(
    repository: Repository, make_settled: Callable[[str], Workspace], tmp_path: Path
) -> None:
    workspace = make_settled("project: x\nstate: {objects: .dvc/cache}\n")
    repository.write({"sub/mainspring.yaml": "project: y\n", "sub/a": "1"})
    below = Workspace(repository.root / "sub")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "mainspring.yaml").write_text(f"project: z\nstate: {{objects: {repository.root}/.dvc/cache}}\n")
    (tmp_path / "far" / "a").write_text("1")
    far = Workspace(tmp_path / "far")
    for taking_part in (workspace, below, far):
        assert shared(taking_part) == [repository.root]
    with holding(repository, THEIRS):
        for taking_part in (below, far):
            with pytest.raises(Conflict, match="is at work"):
                data.add(taking_part, taking_part.root / "a")
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "mainspring.yaml").write_text("project: z\n")
    assert shared(Workspace(tmp_path / "near")) == []
    below.close()
    far.close()


def test_what_a_running_stage_writes_is_left_alone(repository: Repository) -> None:
    repository.write({"dvc.yaml": SLEEPY, "raw": "1", "other": "2", "made": "0"})
    repository.dvc("add", "raw")
    workspace = Workspace.open(repository.root)
    running = subprocess.Popen([str(repository.program), "repro"], cwd=repository.root, stdout=subprocess.DEVNULL)
    try:
        wait_until((repository.root / "started").exists)
        repository.write({"made": "half"})
        with pytest.raises(Conflict, match=rf"a stage that runs .*/made: process {running.pid} \(dvc repro\)"):
            data.add(workspace, "made")
        (repository.root / "raw").unlink()
        with pytest.raises(Conflict, match=r"a stage that runs .*/raw: "):
            data.checkout(workspace, "raw")
        repository.write({"raw": "1"})
        assert data.add(workspace, "raw").number == 1, "a stage and we may read it at once"
        assert data.add(workspace, repository.root / "other").number == 1
        repository.write({"finish": ""})
        assert running.wait() == 0
    finally:
        running.kill()
        running.wait()
    assert states(data.status(Workspace.open(repository.root)))["made"] == "up to date"
    workspace.close()


def test_dvc_leaves_alone_what_a_stage_of_ours_is_at_work_on(repository: Repository, opened: Workspace) -> None:
    repository.write({"raw": "1", "made": "1", "other": "2"})
    repository.dvc("add", "raw")
    root = repository.root
    with working(opened, reads=[root / "raw"], writes=[root / "made"]):
        assert f"(PID {os.getpid()})" in refused(repository, "add", "made")
        repository.write({"raw": "11"})
        assert f"(PID {os.getpid()})" in refused(repository, "commit", "-f", "raw")
        repository.dvc("add", "other")
    repository.dvc("commit", "-f", "raw")
    repository.dvc("add", "made")
    killed = textwrap.dedent("""
        import os, signal
        from pathlib import Path
        from mainspring.store.workspace import Workspace
        from mainspring.versioning.turns.repositories import working
        with working(Workspace.open(), reads=[], writes=[Path.cwd() / "made"]):
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", killed], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    busy = root / ".dvc" / "tmp" / "rwlock"
    assert "/made" in busy.read_text()
    repository.write({"made": "2"})
    data.add(opened, "made")
    repository.dvc("add", "made")
    busy.write_text("{")
    with pytest.raises(InvalidData, match="rwlock"):
        data.checkout(opened, "made")
    with alone(opened):
        pass


@pytest.mark.usefixtures("impatient")
def test_data_of_another_repository_needs_no_turn_there(repository: Repository, dvc: Path, tmp_path: Path) -> None:
    source = Repository.make(dvc, tmp_path / "source")
    source.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    source.write({"data/a": "1"})
    source.dvc("add", "data")
    source.dvc("push")
    source.commit()
    shutil.rmtree(source.root / ".dvc" / "cache")
    workspace = Workspace.open(repository.root)
    with holding(source, THEIRS):
        foreign.get(str(source.root), "data", tmp_path / "got")
        assert foreign.bring(workspace, str(source.root), "data", repository.root / "data").files == 1
    with holding(repository, THEIRS), pytest.raises(Conflict, match="is at work"):
        foreign.bring(workspace, str(source.root), "data", repository.root / "again")
    assert not (repository.root / "again.dvc").exists()
    workspace.close()


def test_threads_of_one_process_wait_for_each_other(opened: Workspace) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with alone(opened), alone(opened):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
