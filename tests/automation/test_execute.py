"""Executing a pipeline from its data to a registered version."""

from __future__ import annotations

import signal
import subprocess
import sys

import polars as pl
import pytest

from mainspring.automation.binding import Typed
from mainspring.automation.execute import DataRefused, execute, get_execution, list_executions, steps
from mainspring.base.errors import Conflict, NotFound, StepFailed, UsageError
from mainspring.tracking import artifacts
from mainspring.tracking.search import get_run, history
from mainspring.versioning import data, models
from tests.automation.conftest import customers, edit, wait_for

SUITE = """
{"name": "customers", "expectations": [
  {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": 0, "max_value": 120}}
]}
"""


def test_a_pipeline_becomes_a_registered_version(workspace, plots):
    done = execute(workspace, progress=False)
    assert (done.status, done.model, done.model_version) == ("finished", "churn", "1.0.0")
    assert [(step.name, step.status) for step in steps(workspace, done.id)] == [
        ("prepare", "finished"),
        ("split", "finished"),
        ("fit", "finished"),
    ]
    version = models.resolve(workspace, "churn@1.0.0")
    assert (version.stage, version.run_id) == ("development", done.run_id)
    run = get_run(workspace, done.run_id)
    assert (run.status, run.execution_id) == ("finished", done.id)
    assert run.params["strength"] == "1.0"
    auc = run.metrics["roc_auc"]
    assert auc.low < auc.value < auc.high
    assert auc.n == 200
    drawn = {item.path for item in artifacts.list_artifacts(workspace, done.run_id)}
    assert {"plots/roc.png", "plots/calibration.png"} <= drawn


@pytest.mark.slow
def test_an_edit_runs_what_depends_on_it_and_nothing_else(workspace):
    execute(workspace, progress=False)
    again = execute(workspace, progress=False)
    assert (again.ran, again.cached) == (0, 3)
    edit(workspace.root / "pipeline.py", "C=strength", "C=2 * strength")
    changed = execute(workspace, progress=False)
    assert [step.status for step in steps(workspace, changed.id)] == ["cached", "cached", "finished"]
    edit(workspace.root / "features.py", "10.0", "12.0")
    helper = execute(workspace, progress=False)
    assert [step.status for step in steps(workspace, helper.id)] == ["finished"] * 3
    customers(seed=1).write_parquet(workspace.root / "data" / "customers.parquet")
    new_data = execute(workspace, progress=False)
    assert (new_data.ran, new_data.cached) == (3, 0)
    assert [version.number for version in data.log(workspace, "customers")] == [1, 2]


def test_parameters_are_bound_and_checked(workspace):
    assert execute(workspace, parameters={"strength": Typed("3")}, progress=False).parameters == {"strength": 3.0}
    with pytest.raises(UsageError, match="no parameter 'strenght'") as wrong:
        execute(workspace, parameters={"strenght": 1}, progress=False)
    assert wrong.value.hint == "did you mean 'strength'?"
    with pytest.raises(UsageError, match="is float, found 'much'"):
        execute(workspace, parameters={"strength": Typed("much")}, progress=False)
    with pytest.raises(UsageError, match="is a dataset"):
        execute(workspace, parameters={"customers": 1}, progress=False)
    edit(
        workspace.root / "pipeline.py",
        "customers: pl.DataFrame, strength: float = 0.5",
        "customer: pl.DataFrame, strength: float",
    )
    with pytest.raises(UsageError, match="needs 'customer'") as missing:
        execute(workspace, progress=False)
    assert missing.value.hint == "did you mean 'customers'?"
    assert len(list_executions(workspace)) == 1


def test_datasets_come_as_annotated(workspace):
    (workspace.root / "kinds.py").write_text(
        "from pathlib import Path\n"
        "import polars as pl, pandas as pd\n"
        "from mainspring.automation.pipeline import pipeline\n"
        "from mainspring.versioning.data import Dataset\n"
        "@pipeline\ndef path(customers: Path): return [customers.name]\n"
        "@pipeline\ndef lazy(customers: pl.LazyFrame): return customers.collect().height\n"
        "@pipeline\ndef handle(customers: Dataset): return customers.version.number\n"
        "@pipeline\ndef pandas(customers: pd.DataFrame): return list(customers.shape)\n"
        "@pipeline\ndef bare(customers): return type(customers).__name__\n"
    )
    found = {
        name: execute(workspace, entrypoint=f"kinds:{name}", progress=False).outcome["value"]
        for name in ("path", "lazy", "handle", "pandas", "bare")
    }
    assert found == {"path": ["customers.parquet"], "lazy": 600, "handle": 1, "pandas": [600, 3], "bare": "DataFrame"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_like_this", "No module named 'nothing_like_this' (broken.py:1)"),
        ("def train(:", "broken.py:1"),
        ("1 / 0", "ZeroDivisionError: division by zero (broken.py:1)"),
        ("x = 1", "broken has no pipeline 'train'"),
    ],
)
def test_an_entrypoint_that_cannot_be_loaded_says_why(workspace, text, message):
    (workspace.root / "broken.py").write_text(text + "\n")
    with pytest.raises(UsageError) as wrong:
        execute(workspace, entrypoint="broken:train", progress=False)
    assert message in wrong.value.message


def test_a_module_that_is_not_there(workspace):
    with pytest.raises(UsageError, match="no module 'pipelin'") as wrong:
        execute(workspace, entrypoint="pipelin:train", progress=False)
    assert wrong.value.hint == "did you mean 'pipeline'?"


def test_data_that_fails_validation_blocks_the_execution(workspace):
    (workspace.root / "suite.json").write_text(SUITE)
    edit(workspace.root / "mainspring.yaml", "customers.parquet}", "customers.parquet, suite: suite.json}")
    execute(workspace, progress=False)
    broken = customers().with_columns(pl.col("age") * 1000)
    broken.write_parquet(workspace.root / "data" / "customers.parquet")
    with pytest.raises(DataRefused) as refused:
        execute(workspace, progress=False)
    assert refused.value.exit_code == 1
    execution = list_executions(workspace)[0]
    assert (execution.status, execution.run_id) == ("blocked", None)
    assert steps(workspace, execution.id) == []
    assert len(data.log(workspace, "customers")) == 1


def test_a_pipeline_that_raises(workspace):
    edit(workspace.root / "pipeline.py", "    learn, holdout", '    raise KeyError("age")\n    learn, holdout')
    with pytest.raises(StepFailed) as failed:
        execute(workspace, progress=False)
    assert failed.value.message.startswith("pipeline 'train' failed: KeyError: 'age' (pipeline.py:")
    execution = list_executions(workspace)[0]
    assert execution.status == "failed"
    assert get_run(workspace, execution.run_id).status == "failed"


def test_a_candidate_without_a_model_in_the_settings(workspace):
    edit(workspace.root / "mainspring.yaml", "model: {name: churn}", "")
    with pytest.raises(UsageError, match="the settings name no model"):
        execute(workspace, progress=False)
    assert list_executions(workspace)[0].status == "failed"


def test_an_execution_that_is_not_there(workspace):
    with pytest.raises(NotFound, match="no execution 'abc'"):
        get_execution(workspace, "abc")


WAITING = """
import pathlib, time
from mainspring.automation.step import step
from mainspring.automation.pipeline import pipeline

HERE = pathlib.Path(__file__).parent

@step
def first():
    with open(HERE / "ran", "a") as file:
        file.write("first ")
    return 1

@step
def second(x):
    with open(HERE / "ran", "a") as file:
        file.write("second ")
    (HERE / "waiting").touch()
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return x + 1

@pipeline
def train():
    return second(first())
"""


@pytest.fixture
def waiting(bare):
    (bare.root / "waits.py").write_text(WAITING)
    command = [sys.executable, "-m", "mainspring", "--workspace", str(bare.root), "run", "waits:train", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (bare.root / "waiting").exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield bare, process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_killed_execution_goes_on_where_it_was(waiting):
    workspace, process = waiting
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list_executions(workspace)[0].status == "interrupted"
    (workspace.root / "go").touch()
    done = execute(workspace, entrypoint="waits:train", progress=False)
    assert (done.status, done.ran, done.cached, done.outcome["value"]) == ("finished", 1, 1, 2)
    assert (workspace.root / "ran").read_text() == "first second second "


@pytest.mark.slow
def test_a_second_process_is_refused_while_the_first_lives(waiting):
    workspace, process = waiting
    with pytest.raises(Conflict, match=str(process.pid)) as refused:
        execute(workspace, entrypoint="waits:train", progress=False)
    assert refused.value.hint
    (workspace.root / "go").touch()
    assert process.wait(timeout=60) == 0
    assert [item.status for item in list_executions(workspace)] == ["finished"]


@pytest.mark.slow
def test_ctrl_c_is_on_record(waiting):
    workspace, process = waiting
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    [execution] = list_executions(workspace)
    assert execution.status == "interrupted"
    assert [(row.name, row.status) for row in steps(workspace, execution.id)] == [
        ("first", "finished"),
        ("second", "interrupted"),
    ]
    assert get_run(workspace, execution.run_id).status == "killed"


def test_progress_is_one_line_a_step(workspace, capfd):
    execute(workspace)
    execute(workspace)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("▸ prepare … ran ")
    assert lines[3:] == ["▸ prepare … cached", "▸ split … cached", "▸ fit … cached"]


LOGGING = """
from mainspring.automation.step import step
from types import SimpleNamespace
from mainspring.tracking.run import log_metric, log_param, log_text, set_tag

@step
def fit(rounds):
    for number in range(rounds):
        log_metric("loss", 1 / (number + 1), step=number)
    log_param("rounds", rounds)
    set_tag("kind", "linear")
    log_text("fitted", "note.txt")
    log_metric("auc", SimpleNamespace(value=0.8, low=0.7, high=0.9, n=10))
    return rounds

@step
def fold(number):
    log_metric("fold", number, step=number)
    return number

def train():
    log_metric("body", 1.0)
    return fit(3) + sum(fold.map([1, 2]))
"""


@pytest.mark.slow
def test_what_steps_log_is_in_every_run_that_uses_them(bare, monkeypatch):
    monkeypatch.setenv("MAINSPRING_PROCESSES", "1")
    (bare.root / "logs.py").write_text(LOGGING)
    found = []
    for _ in range(3):
        done = execute(bare, entrypoint="logs:train", progress=False)
        assert done.outcome["value"] == 6
        histories = {key: history(bare, done.run_id, key) for key in ("loss", "fold", "body")}
        found.append({key: sorted(zip(each.steps, each.values, strict=True)) for key, each in histories.items()})
        run = get_run(bare, done.run_id)
        assert (run.params["rounds"], run.tags["kind"], run.metrics["auc"].high) == ("3", "linear", 0.9)
        assert artifacts.read_artifact(bare, done.run_id, "note.txt") == b"fitted"
    assert (done.ran, done.cached) == (0, 3)
    assert found[0] == {"loss": [(0, 1.0), (1, 0.5), (2, 1 / 3)], "fold": [(1, 1.0), (2, 2.0)], "body": [(0, 1.0)]}
    assert found[1:] == found[:1] * 2
