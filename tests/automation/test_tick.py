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
from mainspring.automation.triggers import collect
from mainspring.base.errors import MainspringError
from mainspring.monitoring import alerts
from mainspring.reproducibility.records import version_of_run
from mainspring.serving import releases
from mainspring.testing import gate as gates
from mainspring.versioning import data, models
from mainspring.versioning.described import describe
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


def test_an_endpoint_that_was_ended_waits_for_a_person(judged):
    workspace = judged()
    data.add(workspace, "customers")
    tick(workspace, progress=False)
    releases.undeploy(workspace, "churn", reason="over")
    new_data(workspace, seed=5)
    tick(workspace, progress=False)
    event = list_events(workspace)[0]
    assert event.payload["outcome"] == "waits"
    assert event.reason.endswith("the endpoint was undeployed, a person deploys again")
    assert models.champion(workspace, "churn") is None
    assert run_manually(workspace, release=True, progress=False).release.state == "promoted"


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


@pytest.mark.slow
def test_an_identical_run_makes_no_version_and_is_linked_to_the_one_there_is(judged):
    workspace = judged()
    first = run_manually(workspace, progress=False).execution
    again = run_manually(workspace, progress=False).execution
    assert (first.existing, again.existing) == (False, True)
    assert (again.model_version, again.cached) == ("1.0.0", 3)
    assert [version.version for version in models.versions(workspace, "churn")] == ["1.0.0"]
    assert models.resolve(workspace, "churn@1.0.0").run_id == first.run_id
    assert describe(workspace, "churn@1.0.0")["also_made_by"] == [again.run_id]
    with workspace.database.read() as connection:
        assert version_of_run(connection, again.run_id).version == "1.0.0"
    assert run_manually(workspace, release=True, progress=False).release.state == "promoted"
    done = run_manually(workspace, release=True, progress=False)
    assert (done.gate, done.release, done.event.payload["outcome"]) == (None, None, "unchanged")
    assert done.event.reason == "1.0.0 is in production already, and the pipeline made the same, to the byte"


@pytest.mark.slow
def test_what_was_taken_back_is_not_released_again_without_a_person(judged):
    workspace = judged()
    data.add(workspace, "customers")
    tick(workspace, progress=False)
    new_data(workspace, 1)
    tick(workspace, progress=False)
    releases.rollback(workspace, "churn", reason="complaints")
    assert models.resolve(workspace, "churn@1.1.0").stage == "archived"
    event = emit(workspace, "schedule", "nightly", "due", {})
    done = deliver(workspace, event, progress=False)
    assert (done.execution.model_version, done.gate, done.release) == ("1.1.1", None, None)  # the recipe is the same
    assert "1.1.1 is 1.1.0 to the byte, which was rolled back: goes to a person" in done.event.reason
    assert run_manually(workspace, release=True, progress=False).release.version == "1.1.1"


ALERT = """
monitors:
  inputs: {type: data_drift}
"""


@pytest.fixture
def alarmed(judged):
    """Open a workspace whose candidates fail their gate, with an alert that fires; ``more`` goes to its trigger."""

    def opened(more: str = "", minimum: float = 0.99):
        workspace = judged(minimum, f"  decay: {{type: alert, monitors: [inputs]{more}}}\n{ALERT}")
        file = workspace.root / "mainspring.yaml"
        file.write_text(file.read_text().replace("  fresh: {type: data, dataset: customers}\n", ""))
        workspace.__dict__.pop("settings", None)
        data.add(workspace, "customers")
        fire(workspace)
        return workspace

    return opened


def fire(workspace):
    return alerts.fire(workspace, "inputs", "drift", summary="age drifts", evidence={})


def acted(workspace):
    """Collect and act as a tick does, without looking: the alert goes on firing."""
    done = [
        deliver(workspace, event, progress=False).event for event in collect(workspace) if event.status == "pending"
    ]
    return [event.reason for event in done]


@pytest.mark.slow
def test_an_alert_asks_again_when_there_is_new_data_and_never_on_the_same(alarmed):
    workspace = alarmed()
    assert len(acted(workspace)) == 1
    assert acted(workspace) == []
    [event] = list_events(workspace)
    assert event.reason.endswith("; the alert still fires; not asked again as long as data and code are the same")
    assert collect(workspace) == []
    new_data(workspace, 1)
    [reason] = acted(workspace)
    assert reason.startswith("asked again (customers version 2 is new): 1.1.0 not released: gate fail")
    assert list_events(workspace)[0].payload["number"] == 2
    assert (acted(workspace), acted(workspace)) == ([], [])
    assert len(list_executions(workspace)) == 2


def test_an_alert_asks_again_when_the_code_or_what_is_asked_of_it_changed(alarmed):
    workspace = alarmed()
    acted(workspace)
    edit(workspace.root / "features.py", "10.0", "20.0")
    (workspace.root / "notes.txt").write_text("what a pipeline writes is no code\n")
    [reason] = acted(workspace)
    assert reason.startswith("asked again (code or settings changed): 1.1.0 not released")
    edit(workspace.root / "mainspring.yaml", "0.99", "0.5")
    workspace.__dict__.pop("settings", None)
    [reason] = acted(workspace)
    assert reason == "asked again (code or settings changed): 1.1.0 passed its gate: promoted"


def test_data_that_another_trigger_has_led_to_is_not_new(alarmed):
    workspace = alarmed()
    acted(workspace)
    new_data(workspace, 1)
    deliver(workspace, emit(workspace, "schedule", "nightly", "due", {}), progress=False)
    assert acted(workspace) == []


def test_data_that_somebody_only_tried_is_new(alarmed):
    workspace = alarmed()
    acted(workspace)
    new_data(workspace, 1)
    run_manually(workspace, progress=False)
    assert len(acted(workspace)) == 1


def test_asking_again_keeps_the_budget_and_the_cooldown(alarmed):
    workspace = alarmed(", budget: 1")
    acted(workspace)
    new_data(workspace, 1)
    [event] = collect(workspace)
    assert (event.status, event.reason) == (
        "suppressed",
        "asks again (customers version 2 is new): budget of 1 executions in 1d is used up",
    )
    assert collect(workspace) == []


@pytest.mark.slow
def test_nothing_is_asked_while_a_release_is_under_way(alarmed):
    workspace = alarmed(minimum=0.5)
    assert "promoted" in acted(workspace)[0]
    new_data(workspace, 1)
    assert "canary" in acted(workspace)[0]
    new_data(workspace, 2)
    assert acted(workspace) == []
    releases.rollback(workspace, "churn", reason="complaints")
    assert acted(workspace)[0].startswith("asked again (customers version 3 is new)")


@pytest.mark.parametrize(("more", "status"), [("", None), (", cooldown: 1h", "suppressed")])
def test_a_failed_execution_is_tried_again_only_with_a_cooldown(alarmed, more, status):
    workspace = alarmed(more)
    edit(workspace.root / "pipeline.py", "    learn, holdout", "    raise ValueError('no')\n    learn, holdout")
    acted(workspace)
    found = [event.status for event in collect(workspace) if event.status != "failed"]
    assert found == ([status] if status else [])
    edit(workspace.root / "pipeline.py", "    raise ValueError('no')\n", "")
    assert [event.status for event in collect(workspace)] == ([] if status else ["pending"])


def test_a_pipeline_that_cannot_be_imported_does_not_loop_on_new_data(alarmed):
    workspace = alarmed()
    acted(workspace)
    edit(workspace.root / "pipeline.py", "import polars", "import no_such_module\nimport polars")
    new_data(workspace, 1)
    assert "cannot be imported" in acted(workspace)[0]
    assert (acted(workspace), acted(workspace)) == ([], [])
    assert len(list_events(workspace)) == 2


@pytest.mark.slow
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
