"""Steps: remembered, retried, recorded, run over processes."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from mainspring.automation import records
from mainspring.automation.execute import list_executions, steps
from mainspring.automation.recorder import recording
from mainspring.automation.results import SMALL
from mainspring.automation.step import step
from mainspring.automation.values import Unhashable
from mainspring.base.errors import InvalidData, MainspringError, StepFailed, UsageError

CALLS: list[object] = []


@step
def double(x):
    CALLS.append(x)
    return 2 * x


@step
def table(rows: int) -> pl.DataFrame:
    CALLS.append(rows)
    return pl.DataFrame({"a": range(rows)})


@step
def total(frame: pl.DataFrame, *, plus: int = 0) -> int:
    CALLS.append(plus)
    return int(frame["a"].sum()) + plus


@step(cache=False)
def fresh():
    CALLS.append("fresh")
    return lambda: 1


@step
def draw():
    return [random.random(), float(np.random.rand())]


@step
def other_draw():
    return [random.random(), float(np.random.rand())]


@pytest.fixture(autouse=True)
def _forget_calls():
    CALLS.clear()


def test_outside_of_an_execution_a_step_is_its_function():
    assert (double(2), double(2), double.map([1, 2]), double.submit(3).result()) == (4, 4, [2, 4], 6)
    assert CALLS == [2, 2, 1, 2, 3]
    assert double.__name__ == "double"


def test_a_step_runs_once_for_the_same_inputs(bare):
    for _ in range(2):
        with recording(bare):
            assert (double(2), double(x=2), double(3)) == (4, 4, 6)
    assert CALLS == [2, 3]
    newest, first = list_executions(bare)
    assert [(row.name, row.status) for row in steps(bare, newest.id)] == [("double", "cached")] * 3
    assert [(row.name, row.status) for row in steps(bare, first.id)] == [
        ("double", "finished"),
        ("double", "cached"),
        ("double", "finished"),
    ]


def test_defaults_and_keywords_are_the_same_input(bare):
    with recording(bare):
        frame = table(4)
        assert total(frame) == total(frame, plus=0) == total(frame=frame) == 6
        assert total(frame, plus=1) == 7
    assert CALLS == [4, 0, 1]


def test_tables_flow_through_remembered_steps(bare):
    for _ in range(2):
        with recording(bare):
            assert total(table(5)) == 10
    assert CALLS == [5, 0]


def test_nothing_is_read_without_the_cache(bare):
    for cache in (True, False, True):
        with recording(bare, cache=cache):
            double(2)
    assert CALLS == [2, 2]


def test_a_step_that_is_not_to_be_remembered(bare):
    for _ in range(2):
        with recording(bare):
            assert fresh()() == 1
    assert CALLS == ["fresh", "fresh"]


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_result_that_is_lost_is_made_again(bare, harm):
    text = "x" * SMALL
    with recording(bare):
        double(text)
    [address] = bare.objects.addresses()
    path = bare.objects.path(address)
    path.chmod(0o644)
    path.unlink() if harm == "gone" else path.write_bytes(b"43")
    for _ in range(2):
        with recording(bare):
            assert double(text) == 2 * text
    assert len(CALLS) == 2


def test_random_numbers_belong_to_the_step(bare, tmp_path):
    with recording(bare):
        first = draw()
        second = other_draw()
    assert first != second
    with recording(bare, cache=False):
        assert other_draw() == second
        assert draw() == first


@pytest.mark.parametrize("cache", [True, False])
def test_a_step_leaves_the_numbers_of_others_alone_remembered_or_not(bare, cache):
    with recording(bare):
        draw()
    with recording(bare, cache=cache):
        random.seed(5)
        np.random.seed(5)
        np.random.normal()
        draw()
        assert random.random() == random.Random(5).random()
        other = np.random.RandomState(5)
        other.normal(size=2)  # they come in pairs, and the spare one is dropped
        assert np.random.normal() == other.normal()


def test_retries_are_recorded(bare):
    left = [2]

    @step(retries=3, retry_delay=0)
    def flaky():
        if left[0]:
            left[0] -= 1
            raise OSError("no route")
        return "done"

    with recording(bare):
        assert flaky() == "done"
    [row] = steps(bare, list_executions(bare)[0].id)
    assert (row.status, row.attempts) == ("finished", 3)
    assert row.error.splitlines() == ["attempt 1: OSError: no route", "attempt 2: OSError: no route"]


def test_a_failure_names_step_reason_and_line(workspace):
    (workspace.root / "broken.py").write_text(
        "from mainspring.automation.step import step\n\n@step(retries=1, retry_delay=0)\ndef divide(x):\n    return 1 / x\n"
    )
    from mainspring.automation.entrypoint import load

    divide = load(workspace, "broken:divide").function
    with pytest.raises(StepFailed) as failed, recording(workspace):
        divide(0)
    assert failed.value.message == "step 'divide' failed: ZeroDivisionError: division by zero (broken.py:5)"
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    execution = list_executions(workspace)[0]
    assert execution.status == "failed"
    [row] = steps(workspace, execution.id)
    assert (row.status, row.attempts) == ("failed", 2)


def test_an_input_without_content_names_the_argument(bare):
    with pytest.raises(Unhashable, match="step 'double', argument 'x'"), recording(bare):
        double(x for x in "ab")


def test_a_result_that_cannot_be_stored(bare):
    @step
    def opened():
        return (x for x in "ab")

    with pytest.raises(StepFailed, match="cannot be stored") as failed, recording(bare):
        opened()
    assert isinstance(failed.value.__cause__, InvalidData)
    assert "cache=False" in failed.value.hint


def test_files_that_a_step_returns_come_back(bare):
    @step
    def written(text: str):
        path = bare.root / "made" / "out.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        CALLS.append(text)
        return path

    with recording(bare):
        written("one")
    (bare.root / "made" / "out.txt").unlink()
    with recording(bare):
        assert written("one").read_text() == "one"
    assert CALLS == ["one"]


def test_a_step_within_a_step(bare):
    @step
    def outer(x):
        return double(x) + 1

    for _ in range(2):
        with recording(bare):
            assert outer(4) == 9
    assert CALLS == [4]


def test_negative_retries_are_refused():
    with pytest.raises(UsageError, match="retries=-1"):
        step(retries=-1)


def test_an_interrupted_step_is_on_record(bare):
    @step
    def waits():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), recording(bare):
        waits()
    execution = list_executions(bare)[0]
    assert execution.status == "interrupted"
    assert steps(bare, execution.id)[0].status == "interrupted"


def test_steps_of_one_execution_in_two_threads(bare):
    from concurrent.futures import ThreadPoolExecutor

    from mainspring.automation.active import acting

    with recording(bare) as recorder:

        def work(x):
            with acting(recorder):
                return double(x)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, range(20))) == [2 * x for x in range(20)]
    rows = steps(bare, list_executions(bare)[0].id)
    assert sorted(row.position for row in rows) == list(range(1, 21))


def test_errors_carry_what_to_do(bare):
    with pytest.raises(MainspringError) as caught, recording(bare):
        double("x", "y", "z") if False else total(pl.DataFrame({"b": [1]}))
    assert "ColumnNotFoundError" in caught.value.message
    assert caught.value.hint


def test_results_are_recorded_before_the_next_step(bare):
    with recording(bare):
        double(100)
        with bare.database.read() as connection:
            execution = records.find_executions(connection)[0]
            assert [row.name for row in records.steps_of(connection, execution.id)] == ["double"]
