"""Executions that `up` starts: in a process of their own, which may be stopped, killed or left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from mainspring.automation import events
from mainspring.automation.delegate import delegate
from mainspring.automation.events import emit
from mainspring.automation.execute import list_executions, steps
from mainspring.base.errors import ExternalToolError
from tests.automation.conftest import wait_for, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

SETTINGS = """
project: slow
pipeline: {entrypoint: slow:train}
"""
SLOW = """
import os, pathlib, time
from mainspring.automation.step import step
from mainspring.automation.pipeline import pipeline

HERE = pathlib.Path(__file__).parent

@step
def first():
    return 1

@step
def second(x):
    (HERE / "pid.new").write_text(str(os.getpid()))
    (HERE / "pid.new").rename(HERE / "pid")
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return x + 1

@pipeline
def train():
    return second(first())
"""


@pytest.fixture
def slow(bare, state: str) -> Workspace:
    write(bare.root, mainspring__yaml=SETTINGS + state, slow__py=SLOW)
    return bare


@pytest.fixture
def event(slow):
    made = emit(slow, "drift", "decay", "an alert", {})
    assert made is not None
    return made


@contextmanager
def up(workspace: Workspace, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run `mainspring up`; its pipeline is where it waits."""
    mark = workspace.root / "pid"
    mark.unlink(missing_ok=True)
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "up", "--port", "0", *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: mark.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
        if mark.exists():
            wait_for(lambda: not psutil.pid_exists(int(mark.read_text())))


def trainer(workspace: Workspace) -> int:
    return int((workspace.root / "pid").read_text())


def once(workspace: Workspace) -> str:
    (workspace.root / "go").touch()
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "up", "--once"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_it_runs_beside_and_shows_its_progress(slow, event):
    said = once(slow)
    assert "▸ first … ran" in said
    done = events.get(slow, event.id)
    [execution] = list_executions(slow)
    assert (done.status, done.execution_id, execution.status) == ("done", execution.id, "finished")
    assert trainer(slow) != os.getpid()


@pytest.mark.slow
def test_stopping_up_interrupts_the_execution_and_the_next_start_goes_on(slow, event):
    with up(slow) as process:
        assert trainer(slow) != process.pid
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert not psutil.pid_exists(trainer(slow))
    waiting = events.get(slow, event.id)
    assert (waiting.status, waiting.reason) == (
        "pending",
        "waits: the worker was stopped; finished steps are remembered",
    )
    [execution] = list_executions(slow)
    assert execution.status == "interrupted"
    assert [(row.name, row.status) for row in steps(slow, execution.id)] == [
        ("first", "finished"),
        ("second", "interrupted"),
    ]
    once(slow)
    again = list_executions(slow)[0]
    assert (again.status, again.ran, again.cached) == ("finished", 1, 1)
    assert events.get(slow, event.id).status == "done"


@pytest.mark.slow
def test_ctrl_c_of_one_look_lets_the_event_wait(slow, event):
    with up(slow, "--once") as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert events.get(slow, event.id).status == "pending"
    assert list_executions(slow)[0].status == "interrupted"


@pytest.mark.slow
def test_a_killed_execution_is_told_and_up_goes_on(slow, event):
    with up(slow) as process:
        os.kill(trainer(slow), signal.SIGKILL)
        wait_for(lambda: events.get(slow, event.id).status != "running")
        failed = events.get(slow, event.id)
        assert process.poll() is None
    [execution] = list_executions(slow)
    assert failed.status == "failed"
    assert failed.reason == "its process was ended by SIGKILL: most often memory ran out; finished steps are remembered"
    assert (execution.status, execution.error, failed.execution_id) == ("interrupted", failed.reason, execution.id)


@pytest.mark.slow
def test_when_up_is_killed_the_execution_ends_too_and_the_next_start_goes_on(slow, event):
    with up(slow) as process:
        process.kill()
        process.wait()
        wait_for(lambda: not psutil.pid_exists(trainer(slow)))
    once(slow)
    assert events.get(slow, event.id).status == "done"
    assert (list_executions(slow)[0].ran, list_executions(slow)[0].cached) == (1, 1)


@pytest.mark.slow
def test_a_process_that_cannot_begin_lets_the_event_wait(slow, event, capfd):
    _ = slow.settings
    (slow.root / "mainspring.yaml").write_text("project: [")
    with pytest.raises(ExternalToolError, match="ended with exit code 2"):
        delegate(slow, event, progress=False)
    assert "error:" in capfd.readouterr().err
    assert events.get(slow, event.id).status == "pending"
