"""What steps ask a machine for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mainspring.automation import resources
from mainspring.automation.entrypoint import load
from mainspring.automation.execute import execute, list_executions, steps
from mainspring.automation.recorder import recording
from mainspring.automation.resources import at_once, held, require
from mainspring.automation.step import step
from mainspring.base.errors import UsageError

CODE = """
import os, time
from pathlib import Path
from mainspring.automation.pipeline import pipeline
from mainspring.automation.step import step

HERE = Path(__file__).parent

def busy(x):
    (HERE / f"busy-{os.getpid()}").touch()
    most = len(list(HERE.glob("busy-*")))
    time.sleep(0.05)
    (HERE / f"busy-{os.getpid()}").unlink()
    return most

@step(resources={"cpu": 4})
def wide(x):
    return busy(x)

@step(resources={"cpu": 1})
def narrow(x):
    return os.getpid()

@step
def before():
    return 1

@step(resources={"gpu": 1})
def trained(x):
    raise AssertionError("it ran")

@pipeline
def train():
    return trained(before())
"""


@pytest.fixture
def four(monkeypatch):
    monkeypatch.setattr(resources, "processors", lambda: 4)
    monkeypatch.delenv("MAINSPRING_PROCESSES", raising=False)


@pytest.fixture
def code(bare):
    (bare.root / "asking.py").write_text(CODE)
    load(bare, "asking:narrow")
    return sys.modules["asking"]


def test_as_many_calls_run_at_once_as_share_the_processors(four, monkeypatch):
    assert [at_once(asked) for asked in ({}, {"cpu": 1}, {"cpu": 2}, {"cpu": 3}, {"cpu": 4}, {"cpu": 0.5})] == [
        4,
        4,
        2,
        1,
        1,
        4,
    ]
    monkeypatch.setenv("MAINSPRING_PROCESSES", "3")
    assert [at_once(asked) for asked in ({}, {"cpu": 1}, {"cpu": 2})] == [3, 3, 2]
    monkeypatch.setenv("MAINSPRING_PROCESSES", "many")
    with pytest.raises(UsageError, match="is no number of processes"):
        at_once({})


@pytest.mark.slow
def test_a_step_that_needs_the_machine_runs_alone(bare, code, four):
    with recording(bare) as recorder:
        assert code.wide.map(range(4)) == [1, 1, 1, 1]
        assert list(recorder._pool._executors) == [1]
        code.narrow.map(range(2))
        assert sorted(recorder._pool._executors) == [1, 4]


def test_more_than_there_is_is_an_error_before_it_runs(bare, code, monkeypatch):
    monkeypatch.setattr(resources, "held", lambda: {"cpu": 2, "gpu": 0})
    with pytest.raises(UsageError, match="step 'trained' asks for 1 gpu, and this machine has none") as refused:
        execute(bare, entrypoint="asking:train", progress=False)
    assert "lower `resources` of step 'trained'" in refused.value.hint
    [execution] = list_executions(bare)
    assert execution.status == "failed"
    assert [row.name for row in steps(bare, execution.id)] == ["before"]
    for call in (lambda: code.wide.map([1, 2]), lambda: code.wide(1), lambda: code.wide.submit(1)):
        with pytest.raises(UsageError, match="step 'wide' asks for 4 cpu, and this machine has 2"), recording(bare):
            call()


def test_a_resource_that_nobody_knows():
    with pytest.raises(UsageError, match=r"has no such thing \(it knows cpu, gpu\)"):
        require("fit", {"unicorn": 1})


def test_graphics_cards_are_counted_as_far_as_they_may_be_seen(monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda *_: iter([Path("/dev/nvidia0"), Path("/dev/nvidia1")]))
    for visible, count in ((None, 2), ("0", 1), ("", 0), ("-1", 0)):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert held()["gpu"] == count


@pytest.mark.parametrize("amount", [-1, "two", True, float("nan")])
def test_amounts_are_numbers(amount):
    with pytest.raises(UsageError, match="resources: cpu"):
        step(resources={"cpu": amount})
