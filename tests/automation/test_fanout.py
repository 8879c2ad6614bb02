"""Steps over processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from mainspring.automation.entrypoint import load
from mainspring.automation.execute import list_executions, steps
from mainspring.automation.recorder import recording
from mainspring.base.errors import StepFailed, UsageError
from tests.automation.conftest import wait_for

pytestmark = pytest.mark.slow  # starts processes

CODE = """
import os
import polars as pl
from mainspring.automation.step import step

@step
def scaled(x, frame=None, fail=(), mark=None):
    if mark is not None:
        with open(mark, "a") as file:
            file.write(f"{x} {os.getpid()}\\n")
    if x in fail:
        raise ValueError(f"no {x}")
    return x * (1 if frame is None else int(frame["a"].sum()))

@step
def dies(x):
    os._exit(3)

@step
def drawn(x):
    import random
    return random.random()
"""


@pytest.fixture
def code(bare, monkeypatch):
    monkeypatch.setenv("MAINSPRING_PROCESSES", "2")
    (bare.root / "many.py").write_text(CODE)
    load(bare, "many:scaled")
    return sys.modules["many"]


def test_items_run_in_other_processes_and_are_remembered(bare, code, tmp_path):
    frame = pl.DataFrame({"a": [1, 2]})
    mark = str(tmp_path / "mark")
    with recording(bare):
        assert code.scaled.map([1, 2, 3], frame=frame, mark=mark) == [3, 6, 9]
    with recording(bare):
        assert code.scaled.map([3, 4, 1], frame=frame, mark=mark) == [9, 12, 3]
        assert code.scaled.submit(2, frame=frame, mark=mark).result() == 6
    lines = [line.split() for line in Path(mark).read_text().splitlines()]
    assert sorted(item for item, _ in lines) == ["1", "2", "3", "4"]
    assert str(os.getpid()) not in {pid for _, pid in lines}
    assert not list((bare.state / "scratch").glob("*.pickle"))


def test_one_failure_keeps_the_results_of_the_others(bare, code):
    with pytest.raises(StepFailed) as failed, recording(bare):
        code.scaled.map([1, 2, 3], fail=(2,))
    assert "1 of 3 calls of step 'scaled' failed" in failed.value.message
    assert "ValueError: no 2 (many.py:12)" in failed.value.message
    rows = steps(bare, list_executions(bare)[0].id)
    assert sorted(row.status for row in rows) == ["failed", "finished", "finished"]


def test_a_process_that_dies_is_an_error_that_says_so(bare, code):
    with pytest.raises(StepFailed, match="ended without an answer"), recording(bare):
        code.dies.map([1, 2])
    assert list_executions(bare)[0].status == "failed"


def test_every_item_draws_its_own_numbers(bare, code):
    with recording(bare):
        first = code.drawn.map([1, 2])
    assert first[0] != first[1]
    with recording(bare, cache=False):
        assert code.drawn.map([2, 1]) == first[::-1]


def test_what_cannot_be_sent_is_named(bare, code):
    with pytest.raises(UsageError, match="step 'scaled'"), recording(bare):
        code.scaled.map([1], frame=lambda: 1)


def test_a_pipeline_killed_while_items_run_leaves_no_process_and_loses_no_item(bare, tmp_path):
    (bare.root / "slow.py").write_text(
        """
import pathlib, time
from mainspring.automation.step import step
from mainspring.automation.pipeline import pipeline

@step
def item(x):
    (pathlib.Path(__file__).parent / f"began-{x}").touch()
    if x >= 2 and not (pathlib.Path(__file__).parent / "go").exists():
        time.sleep(600)
    return x

@pipeline
def all_items():
    return item.map(range(4))
"""
    )
    environment = os.environ | {"MAINSPRING_PROCESSES": "2"}
    command = [sys.executable, "-m", "mainspring", "--workspace", str(bare.root), "run", "slow:all_items", "--json"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: all((bare.root / f"began-{x}").exists() for x in range(4)))
    wait_for(lambda: len([row for row in rows_of(bare) if row.status == "finished"]) == 2)
    children = children_of(process.pid)
    assert children
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in children))
    for mark in bare.root.glob("began-*"):
        mark.unlink()
    (bare.root / "go").touch()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert {path.name for path in bare.root.glob("began-*")} == {"began-2", "began-3"}
    newest, killed = list_executions(bare)
    assert (newest.status, killed.status) == ("finished", "interrupted")


def rows_of(workspace):
    found = list_executions(workspace)
    return steps(workspace, found[0].id) if found else []


def children_of(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
