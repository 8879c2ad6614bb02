"""A PostgreSQL that stops, crashes and comes back beneath those who use it, and two of them on one database."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from mainspring.automation import events, leases
from mainspring.base.errors import StorageError
from mainspring.store.workspace import Workspace
from mainspring.tracking import history
from mainspring.tracking.run import start_run
from scripts.environments import Unavailable
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.postgres import Server

pytestmark = pytest.mark.slow
SETTINGS = """\
project: x
pipeline: {entrypoint: "flow:train"}
"""
FLOW = """\
import pathlib
from mainspring import pipeline

@pipeline
def train():
    with pathlib.Path(__file__).with_name("trained").open("a") as told:
        told.write("once\\n")
"""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own."""
    try:
        with postgres.running() as made:
            made.say("ALTER ROLE mainspring SET synchronous_commit = on")  # as a server does that may crash
            yield made
    except Unavailable as reason:
        pytest.skip(f"no PostgreSQL: {reason}")


@pytest.fixture
def workspace(server: Server, project: Path) -> Iterator[Workspace]:
    with server.database() as url:
        (project / "mainspring.yaml").write_text(f"{SETTINGS}state: {{database: '{url}'}}\n")
        (project / "flow.py").write_text(FLOW)
        opened = Workspace(project)
        yield opened
        opened.close()


@contextmanager
def up(workspace: Workspace, log: str = "log") -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "up", "--port", "0"]
    with (workspace.root / log).open("w") as told:
        process = subprocess.Popen([*command, "--interval", "0.2"], stdout=subprocess.PIPE, stderr=told, text=True)
    assert process.stdout is not None
    try:
        yield process, next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
    finally:
        process.kill()
        process.communicate()


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def status(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def train(workspace: Workspace, number: int) -> None:
    """Ask for a training, and wait until it is done; it is the so many-th."""
    events.emit(workspace, "data", "new", f"data:{number}", {})
    wait(lambda: [event.status for event in events.list_events(workspace)] == ["done"] * number)


def wait_for_line(log: Path, line: str, times: int) -> None:
    wait(lambda: log.read_text().count(line) == times)


def test_up_goes_on_when_its_server_stopped_or_crashed(server: Server, workspace: Workspace) -> None:
    log = workspace.root / "log"
    with up(workspace) as (process, url):
        wait(lambda: status(url)[0] == 200)
        for number, how in enumerate((signal.SIGINT, signal.SIGQUIT), start=1):
            server.stop(how)
            wait(lambda: log.read_text().rstrip().endswith(")") and "this look failed" in log.read_text())
            code, said = status(url)
            assert (code, "check the host and the port" in said) == (503, True), said
            assert status(f"{url}/health")[0] == 200
            server.start()
            wait_for_line(log, "looking works again", number)
            assert status(url)[0] == 200
            train(workspace, number)
        server.stop()
        process.terminate()
        assert process.wait(60) == 0
        server.start()
    told = log.read_text()
    assert "Traceback" not in told
    assert "Exception" not in told


def test_a_lease_is_not_lost_to_a_server_that_was_away_when_it_was_given_back(
    server: Server, workspace: Workspace
) -> None:
    lease = leases.acquire(workspace, "work")
    server.stop()
    with pytest.raises(StorageError):
        lease.release()
    server.start()
    leases.acquire(workspace, "work").release()


def test_a_run_outlives_its_server(server: Server, workspace: Workspace) -> None:
    with start_run(workspace=workspace, snapshot=False) as run:
        run.log_metric("loss", 1.0, step=0)
        run.flush()
        server.stop(signal.SIGQUIT)
        run.log_metric("loss", 0.5, step=1)
        with pytest.raises(StorageError):
            run.log_param("depth", 3)
        with pytest.raises(StorageError):
            run.flush()
        server.start()
        run.log_param("depth", 3)
    assert list(history.page(workspace, run.id, "loss").points.values) == [1.0, 0.5]


def test_two_of_them_share_the_work_and_one_that_is_killed_is_replaced(workspace: Workspace) -> None:
    with up(workspace, "one") as (first, _), up(workspace, "two"):
        for number in (1, 2):
            train(workspace, number)
            assert (workspace.root / "trained").read_text() == "once\n" * number
            if number == 1:
                first.kill()
    assert (workspace.root / "one").read_text() + (workspace.root / "two").read_text() == ""
