"""The commands of automation as scripts use them."""

from __future__ import annotations

import json

import pytest

from mainspring.cli.main import run
from tests.automation.conftest import edit


@pytest.fixture
def call(workspace, capsys):
    def called(*arguments: str, code: int = 0):
        assert run(["--workspace", str(workspace.root), *arguments]) == code
        return capsys.readouterr()

    return called


def test_run_plan_events_and_executions(call):
    planned = json.loads(call("plan", "--json").out)
    assert [(step["name"], step["status"]) for step in planned][:2] == [("prepare", "run"), ("split", "depends")]
    done = json.loads(call("run", "--param", "strength=2", "--json").out)
    assert (done["status"], done["model_version"], done["parameters"]) == ("finished", "1.0.0", {"strength": 2.0})
    [event] = json.loads(call("events", "list", "--json").out)
    assert (event["kind"], event["status"], event["execution_id"]) == ("manual", "done", done["id"])
    assert event["at"].endswith("Z")
    [execution] = json.loads(call("executions", "list", "--json").out)
    assert execution["id"] == done["id"]
    shown = json.loads(call("executions", "show", done["id"][:20], "--json").out)
    assert [step["name"] for step in shown["steps"]] == ["prepare", "split", "fit"]


def test_tables_for_people(call):
    assert "candidate: churn@1.0.0" in call("run").out
    assert "cached" in call("plan").out
    assert "manual" in call("events", "list").out
    assert "finished" in call("executions", "list").out
    [execution] = json.loads(call("executions", "list", "--json").out)
    assert "prepare" in call("executions", "show", execution["id"]).out


def test_what_goes_wrong_is_one_clear_line(call, workspace):
    wrong = call("run", "--param", "strength", code=2)
    assert "write it as --param name=value" in wrong.err
    edit(workspace.root / "pipeline.py", "    return customers.with_columns", "    return customers.no_such")
    failed = call("run", code=3)
    assert "step 'prepare' failed: AttributeError" in failed.err
    assert "(pipeline.py:" in failed.err
    assert "Traceback" not in failed.err
    assert "failed" in call("events", "list").out


def test_release_from_the_command_line_answers_by_its_exit_code(call, workspace):
    with (workspace.root / "mainspring.yaml").open("a") as file:
        file.write("checks: [{type: metric, metric: accuracy, min: 0.99}]\n")
    refused = call("run", "--release", "--json", code=1)
    assert json.loads(refused.out)["gate"] == "fail"
    edit(workspace.root / "mainspring.yaml", "0.99", "0.5")
    released = json.loads(call("run", "--release", "--json").out)
    assert (released["gate"], released["release"], released["cached"]) == ("pass", "promoted", 3)


def test_ci_init(call, workspace):
    (workspace.root / "requirements.txt").write_text("polars\n")
    written = json.loads(call("ci", "init", "--json").out)
    assert written[0].endswith(".github/workflows/mainspring.yml")
    assert "Wrote" in call("ci", "init", "--gitlab").out
