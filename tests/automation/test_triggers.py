"""What turns facts into events, once each, and what holds them back."""

from __future__ import annotations

import subprocess

import polars as pl
import pytest

from mainspring.automation import triggers
from mainspring.automation.events import conclude, emit, list_events
from mainspring.automation.execute import execute
from mainspring.automation.triggers import collect
from mainspring.base.clock import milliseconds, parse_iso
from mainspring.monitoring import alerts
from mainspring.store.workspace import Workspace
from mainspring.versioning import data
from tests.automation.conftest import customers


@pytest.fixture
def triggered(workspace):
    """Give a function that opens the workspace with these triggers."""

    def opened(text: str, monitors: str = "") -> Workspace:
        file = workspace.root / "mainspring.yaml"
        base = file.read_text().split("triggers:")[0]
        file.write_text(f"{base}triggers:\n{text}\n{monitors}")
        workspace.__dict__.pop("settings", None)
        return workspace

    return opened


@pytest.fixture
def at(monkeypatch):
    """Give a function that sets the clock, as triggers see it."""
    from mainspring.automation import admission, events

    def set_clock(text: str) -> None:
        moment = parse_iso(text)
        for module in (triggers, admission, events):
            monkeypatch.setattr(module, "now", lambda: moment)

    return set_clock


def said(events):
    return [(event.kind, event.status) for event in events]


def test_a_schedule_fires_once_for_what_is_due(triggered, at):
    workspace = triggered("  nightly: {type: schedule, cron: '0 3 * * *'}")
    at("2026-01-01T12:00:00Z")
    assert said(collect(workspace)) == [("schedule", "done")]
    at("2026-01-02T02:59:59Z")
    assert collect(workspace) == []
    at("2026-01-02T03:00:00Z")
    [event] = collect(workspace)
    assert (event.kind, event.status, event.payload["time"]) == ("schedule", "pending", "2026-01-02T03:00:00.000Z")
    assert collect(workspace) == []


def test_a_machine_that_slept_catches_up_once(triggered, at):
    workspace = triggered("  often: {type: schedule, cron: '*/5 * * * *'}")
    at("2026-01-01T12:00:00Z")
    collect(workspace)
    at("2026-03-01T12:03:00Z")
    [event] = collect(workspace)
    assert event.payload["time"] == "2026-03-01T12:00:00.000Z"
    assert collect(workspace) == []


def test_new_data_fires_and_data_that_was_trained_on_does_not(triggered):
    workspace = triggered("  fresh: {type: data, dataset: customers}")
    assert collect(workspace) == []
    data.add(workspace, "customers")
    [event] = collect(workspace)
    assert (event.kind, event.status, event.payload["number"]) == ("data", "pending", 1)
    assert collect(workspace) == []
    customers(seed=1).write_parquet(workspace.root / "data" / "customers.parquet")
    execute(workspace, progress=False)
    [event] = collect(workspace)
    assert (event.status, event.payload["number"]) == ("done", 2)
    assert "trained on already" in event.reason


def test_a_drift_alert_fires_once_until_it_fires_anew(triggered):
    workspace = triggered(
        "  decay: {type: alert, monitors: [inputs, quality]}",
        "monitors:\n  inputs: {type: data_drift}\n  quality: {type: performance, metric: roc_auc}\n",
    )
    fire(workspace, "inputs", "drift")
    [event] = collect(workspace)
    assert (event.kind, event.status, event.payload["monitor"]) == ("drift", "pending", "inputs")
    assert collect(workspace) == []
    fire(workspace, "quality", "performance")
    assert said(collect(workspace)) == [("metric", "pending")]


def test_broken_data_blocks_until_it_is_repaired(triggered):
    workspace = triggered(
        "  decay: {type: alert, monitors: [inputs]}",
        "monitors:\n  inputs: {type: data_drift}\n",
    )
    (workspace.root / "suite.json").write_text(
        '{"name": "s", "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}}]}'
    )
    file = workspace.root / "mainspring.yaml"
    file.write_text(file.read_text().replace("customers.parquet}", "customers.parquet, suite: suite.json}"))
    workspace.__dict__.pop("settings", None)
    good = customers()
    good.with_columns(pl.lit(None, dtype=pl.Float64).alias("age")).write_parquet(
        workspace.root / "data/customers.parquet"
    )
    from mainspring.monitoring.data_gate import check_dataset

    check_dataset(workspace, "customers")
    fire(workspace, "inputs", "drift")
    [event] = collect(workspace)
    assert event.status == "blocked"
    assert event.reason.startswith("data failed validation: goes to a person")
    assert collect(workspace) == []
    good.write_parquet(workspace.root / "data/customers.parquet")
    [again] = collect(workspace)
    assert (again.id, again.status) == (event.id, "pending")


def test_a_validation_alert_never_trains(triggered):
    workspace = triggered(
        "  decay: {type: alert, monitors: [rows]}", "monitors:\n  rows: {type: validation, dataset: customers}\n"
    )
    fire(workspace, "rows", "validation")
    [event] = collect(workspace)
    assert (event.status, event.reason) == ("blocked", "data failed validation: goes to a person")
    assert collect(workspace) == []


def test_cooldown_suppresses_and_then_lets_go(triggered, at, monkeypatch):
    workspace = triggered(
        "  decay: {type: alert, monitors: [inputs], cooldown: 2h}", "monitors:\n  inputs: {type: data_drift}\n"
    )
    done = execute(workspace, progress=False)
    event = emit(workspace, "drift", "decay", "earlier", {})
    conclude(workspace, event, "done", "released", execution_id=done.id)
    fire(workspace, "inputs", "drift")
    [suppressed] = collect(workspace)
    assert suppressed.status == "suppressed"
    assert "cooldown of 2h" in suppressed.reason
    assert collect(workspace) == []
    from mainspring.automation import admission

    monkeypatch.setattr(admission, "now", lambda: done.ended_at - milliseconds("1h"))
    assert collect(workspace) == []  # a clock that is a little behind changes nothing
    year_behind = milliseconds("52w")  # one that was put right by a year does not hold things up for one
    assert admission.admit(workspace, "decay", workspace.settings.triggers["decay"])[0] == "suppressed"
    monkeypatch.setattr(admission, "now", lambda: done.ended_at - year_behind)
    assert admission.admit(workspace, "decay", workspace.settings.triggers["decay"])[0] == "pending"
    monkeypatch.setattr(admission, "now", lambda: done.ended_at + milliseconds("2h") + 1)
    [again] = collect(workspace)
    assert (again.id, again.status) == (suppressed.id, "pending")
    assert "taken up again; before: cooldown" in again.reason


def test_a_budget_is_kept(triggered):
    workspace = triggered("  fresh: {type: data, dataset: customers, budget: 2, budget_period: 1d}")
    for seed in range(3):
        customers(seed=seed).write_parquet(workspace.root / "data" / "customers.parquet")
        data.add(workspace, "customers")
        found = collect(workspace)
    assert said(found) == [("data", "suppressed")]
    assert "budget of 2 executions in 1d" in found[0].reason
    assert [event.status for event in list_events(workspace)] == ["suppressed", "pending", "pending"]


def test_a_commit_on_the_branch_fires(triggered):
    workspace = triggered("  code: {type: commit, branch: main}")

    def git(*arguments):
        options = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *options, *arguments], cwd=workspace.root, check=True, capture_output=True)

    assert collect(workspace) == []
    git("init", "-b", "main")
    git("commit", "--allow-empty", "-m", "one")
    assert said(collect(workspace)) == [("commit", "done")]
    git("commit", "--allow-empty", "-m", "two")
    assert said(collect(workspace)) == [("commit", "pending")]
    git("checkout", "-b", "side")
    git("commit", "--allow-empty", "-m", "three")
    assert collect(workspace) == []


def test_the_same_fact_is_one_event_whoever_looks(bare):
    assert emit(bare, "data", "t", "key", {}) is not None
    assert emit(bare, "data", "t", "key", {}) is None
    assert len(list_events(bare)) == 1


def fire(workspace, monitor, kind):
    return alerts.fire(workspace, monitor, kind, summary=f"{monitor} drifts", evidence={})
