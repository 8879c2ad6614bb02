"""What a plan says before anything runs."""

from __future__ import annotations

import pytest

from mainspring.automation.execute import execute, list_executions
from mainspring.automation.plan import REST, plan
from mainspring.base.errors import StepFailed
from mainspring.versioning import data
from tests.automation.conftest import edit


def told(workspace, **options):
    return [(step.name, step.status, step.depends_on) for step in plan(workspace, **options)]


def test_a_plan_before_the_first_run_changes_nothing(workspace):
    assert told(workspace) == [
        ("prepare", "run", []),
        ("split", "depends", ["prepare"]),
        ("fit", "depends", ["split"]),
        (REST, "unknown", ["fit"]),
    ]
    assert list_executions(workspace) == []
    assert data.log(workspace, "customers") == []


def test_a_plan_after_a_run_and_after_an_edit(workspace):
    execute(workspace, progress=False)
    assert [status for _, status, _ in told(workspace)] == ["cached"] * 3
    edit(workspace.root / "pipeline.py", "C=strength", "C=2 * strength")
    assert told(workspace)[:3] == [("prepare", "cached", []), ("split", "cached", []), ("fit", "run", [])]
    assert told(workspace, parameters={"strength": 7.0})[2] == ("fit", "run", [])


def test_what_is_logged_while_planning_goes_nowhere(workspace):
    edit(
        workspace.root / "pipeline.py",
        "    learn, holdout",
        "    from mainspring.tracking.run import log_param\n    log_param('a', 1)\n    learn, holdout",
    )
    assert told(workspace)[0] == ("prepare", "run", [])


@pytest.mark.slow
def test_branches_follow_remembered_results(bare):
    (bare.root / "branch.py").write_text(
        "from mainspring.automation.step import step\n"
        "@step\ndef size(): return 3\n"
        "@step\ndef item(x): return x\n"
        "def train():\n"
        "    return sum(item.map(range(size())))\n"
    )
    assert told(bare, entrypoint="branch:train") == [("size", "run", []), (REST, "unknown", ["size"])]
    execute(bare, entrypoint="branch:train", progress=False)
    assert [name for name, status, _ in told(bare, entrypoint="branch:train") if status == "cached"] == ["size"] + 3 * [
        "item"
    ]


def test_a_pipeline_that_is_wrong_is_an_error(bare):
    (bare.root / "wrong.py").write_text("def train():\n    return {}['x']\n")
    with pytest.raises(StepFailed, match=r"KeyError: 'x' \(wrong.py:2\)"):
        plan(bare, entrypoint="wrong:train")
