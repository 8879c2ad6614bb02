"""From an event to a judged and released version, and the tick that carries it."""

from __future__ import annotations

import threading

import polars as pl
import pytest

from mainspring.automation import events, leases, worker
from mainspring.automation.continuous import deliver, run_manually
from mainspring.automation.events import emit, list_events
from mainspring.automation.execute import list_executions
from mainspring.automation.tick import tick
from mainspring.base.errors import MainspringError
from mainspring.serving import releases
from mainspring.testing import gate as gates
from mainspring.versioning import data, models
from tests.automation.conftest import customers, edit, wait_for

CHECKS = """
checks:
  - {type: metric, metric: accuracy, min: MINIMUM}
triggers:
  fresh: {type: data, dataset: customers}
"""


@pytest.fixture
def judged(workspace):
    def opened(minimum: float = 0.5, more: str = ""):
        file = workspace.root / "mainspring.yaml"
        file.write_text(file.read_text().split("checks:")[0] + CHECKS.replace("MINIMUM", str(minimum)).lstrip() + more)
        workspace.__dict__.pop("settings", None)
        return workspace

    return opened


def new_data(workspace, seed):
    customers(seed=seed).write_parquet(workspace.root / "data" / "customers.parquet")
    data.add(workspace, "customers")


def test_new_data_becomes_a_released_version(judged):
    workspace = judged()
    data.add(workspace, "customers")
    report = tick(workspace, progress=False)
    assert report.errors == []
    [event] = list_events(workspace)
    assert (event.kind, event.status) == ("data", "done")
    assert event.reason == "1.0.0 passed its gate: promoted"
    assert event.payload["outcome"] == "released"
    assert event.execution_id == list_executions(workspace)[0].id
    assert models.champion(workspace, "churn").version == "1.0.0"
    assert tick(workspace, progress=False).lines == ["nothing to do"]
    new_data(workspace, 1)
    tick(workspace, progress=False)
    assert list_events(workspace)[0].reason == "1.1.0 passed its gate against 1.0.0: canary"
    assert releases.list_releases(workspace, "churn")[0].state == "canary"


@pytest.mark.parametrize(("minimum", "outcome"), [(0.99, "fail"), (0.7, "inconclusive")])
def test_a_candidate_that_is_not_good_enough_is_not_released(judged, minimum, outcome):
    workspace = judged(minimum)
    data.add(workspace, "customers")
    tick(workspace, progress=False)
    [event] = list_events(workspace)
    assert (event.status, event.payload["outcome"]) == ("done", "not released")
    assert event.payload["gate"]["outcome"] == outcome
    assert event.reason.startswith(f"1.0.0 not released: gate {outcome}: ")
    assert ("needs n≈" in event.reason) == (outcome == "inconclusive")
    assert models.champion(workspace, "churn") is None


def test_without_automatic_release_it_waits_in_staging(judged):
    workspace = judged(more="release: {automatic: false}\n")
    data.add(workspace, "customers")
    tick(workspace, progress=False)
    assert list_events(workspace)[0].payload["outcome"] == "waits"
    assert models.resolve(workspace, "churn@1.0.0").stage == "staging"


def test_events_that_wait_together_are_answered_by_one_execution(judged):
    workspace = judged()
    data.add(workspace, "customers")
    emit(workspace, "drift", "decay", "an alert", {"summary": "age drifts"})
    tick(workspace, progress=False)
    assert len(list_executions(workspace)) == 1
    assert {event.status for event in list_events(workspace)} == {"done"}
    assert len({event.execution_id for event in list_events(workspace)}) == 1


def test_broken_data_goes_to_a_person(judged):
    workspace = judged()
    (workspace.root / "suite.json").write_text(
        '{"name": "s", "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}}]}'
    )
    edit(workspace.root / "mainspring.yaml", "customers.parquet}", "customers.parquet, suite: suite.json}")
    workspace.__dict__.pop("settings", None)
    broken = customers().with_columns(pl.lit(None, dtype=pl.Float64).alias("age"))
    broken.write_parquet(workspace.root / "data" / "customers.parquet")
    data.add(workspace, "customers")
    tick(workspace, progress=False)
    [event] = list_events(workspace)
    assert event.status == "blocked"
    assert event.reason.startswith("goes to a person: data failed validation")
    assert list_executions(workspace)[0].status == "blocked"
    assert models.versions(workspace) == []


def test_a_pipeline_that_fails_is_the_event_s_story(judged):
    workspace = judged()
    edit(workspace.root / "pipeline.py", "    return customers.with_columns", "    return customers.no_such")
    data.add(workspace, "customers")
    report = tick(workspace, progress=False)
    [event] = list_events(workspace)
    assert (event.status, event.execution_id) == ("failed", list_executions(workspace)[0].id)
    assert "step 'prepare' failed: AttributeError" in event.reason
    assert any("failed" in line for line in report.lines)


def test_an_event_waits_while_the_pipeline_runs_elsewhere(judged):
    workspace = judged()
    event = emit(workspace, "drift", "decay", "an alert", {})
    with leases.acquire(workspace, "pipeline train"):
        assert deliver(workspace, event, progress=False).event.status == "pending"
    assert deliver(workspace, events.get(workspace, event.id), progress=False).event.status == "done"


def test_an_event_whose_process_died_goes_on_where_it_was(judged, monkeypatch):
    workspace = judged()
    event = emit(workspace, "drift", "decay", "an alert", {})

    def dies(*_, **__):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(gates, "judge", dies)
        with pytest.raises(SystemExit):
            deliver(workspace, event, progress=False)
    assert events.get(workspace, event.id).status == "running"
    tick(workspace, progress=False)
    assert events.get(workspace, event.id).status == "done"
    assert len(list_executions(workspace)) == 1
    assert [version.version for version in models.versions(workspace, "churn")] == ["1.0.0"]


def test_a_tick_is_skipped_while_another_one_runs(judged):
    workspace = judged()
    with leases.acquire(workspace, "tick"):
        report = tick(workspace, progress=False)
    assert report.skipped
    assert "another process" in report.lines[0]


def test_running_by_hand_is_an_event_too(judged):
    workspace = judged()
    done = run_manually(workspace, progress=False)
    [event] = list_events(workspace)
    assert (event.kind, event.status, event.execution_id) == ("manual", "done", done.execution.id)
    released = run_manually(workspace, release=True, progress=False)
    assert (released.gate.outcome, released.release.state) == ("pass", "promoted")
    edit(workspace.root / "pipeline.py", "    learn, holdout", "    raise ValueError('no')\n    learn, holdout")
    with pytest.raises(MainspringError):
        run_manually(workspace, progress=False)
    assert list_events(workspace)[0].status == "failed"


def test_the_worker_ticks_until_it_is_told_to_stop(judged):
    workspace = judged()
    stop = threading.Event()
    reports = []
    thread = threading.Thread(target=worker.loop, args=(workspace, 0.05, stop), kwargs={"on_tick": reports.append})
    thread.start()
    try:
        wait_for(lambda: reports)
        data.add(workspace, "customers")
        wait_for(lambda: any(event.status == "done" for event in list_events(workspace)))
        (workspace.root / "mainspring.yaml").write_text("project: [")
        seen = len(reports)
        wait_for(lambda: len(reports) > seen + 2)
    finally:
        stop.set()
        thread.join()
    assert models.champion(workspace, "churn").version == "1.0.0"
