"""Untouched scripts as steps."""

from __future__ import annotations

import pytest

from mainspring.automation.execute import execute, list_executions, steps
from mainspring.automation.plan import plan
from mainspring.base.errors import ExternalToolError, StepFailed, UsageError
from mainspring.tracking import artifacts
from mainspring.tracking.search import get_run
from tests.automation.conftest import edit

TRAIN = """
import json, sys
from pathlib import Path
from lib.model import fit

rate = float(sys.argv[sys.argv.index("--lr") + 1])
rows = Path("rows.csv").read_text().split()
with open("ran.log", "a") as file:
    file.write("ran ")
Path("out").mkdir(exist_ok=True)
Path("out/model.txt").write_text(str(fit(rows, rate)))
Path("metrics.json").write_text(json.dumps({"loss": rate, "deep": {"n": len(rows)}, "name": "x"}))
print("trained with", rate)
"""

PIPELINE = """
from mainspring.automation.pipeline import pipeline
from mainspring.automation.script import script

@pipeline
def train(lr: float = 0.5):
    done = script(
        "python train.py --lr {lr}", outs=["out"], deps=["rows.csv"], metrics="metrics.json", params={"lr": lr}
    )
    return {"metrics": done.metrics, "model": (done.outs[0] / "model.txt").read_text()}
"""


@pytest.fixture
def scripted(bare):
    (bare.root / "lib").mkdir()
    for name, text in {
        "train.py": TRAIN,
        "flow.py": PIPELINE,
        "rows.csv": "1 2 3",
        "lib/__init__.py": "",
        "lib/model.py": "from lib import maths\n\ndef fit(rows, rate):\n    return maths.times(len(rows), rate)\n",
        "lib/maths.py": "def times(a, b):\n    return a * b\n",
    }.items():
        (bare.root / name).write_text(text)
    return bare


def run(workspace, **parameters):
    done = execute(workspace, entrypoint="flow:train", parameters=parameters, progress=False)
    return done, (workspace.root / "ran.log").read_text().count("ran")


def test_a_script_runs_once_and_its_files_come_back(scripted):
    first, count = run(scripted)
    assert (count, first.outcome["value"]) == (1, {"metrics": {"loss": 0.5, "deep.n": 3.0}, "model": "1.5"})
    (scripted.root / "out" / "model.txt").write_text("spoiled")
    (scripted.root / "metrics.json").unlink()
    again, count = run(scripted)
    assert (count, again.cached, again.outcome["value"]) == (1, 1, first.outcome["value"])
    record = get_run(scripted, again.run_id)
    assert record.metrics["loss"].value == 0.5
    assert record.params["lr"] == "0.5"
    assert artifacts.read_artifact(scripted, again.run_id, "scripts/train.py.log") == b"trained with 0.5\n"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("rows.csv", "1 2 3", "1 2"),
        ("train.py", "trained with", "made with"),
        ("lib/model.py", "len(rows), rate", "len(rows), 2 * rate"),
        ("lib/maths.py", "a * b", "a + b"),
    ],
)
def test_a_changed_input_runs_it_again(scripted, file, before, after):
    run(scripted)
    edit(scripted.root / file, before, after)
    assert run(scripted)[1] == 2


def test_another_parameter_runs_it_again_and_both_are_remembered(scripted):
    run(scripted, lr=0.1)
    assert run(scripted, lr=0.2)[1] == 2
    assert run(scripted, lr=0.1)[1] == 2


def test_a_script_that_fails_shows_its_last_lines(scripted):
    edit(scripted.root / "train.py", 'print("trained with", rate)', 'print("almost"); sys.exit("no more memory")')
    with pytest.raises(StepFailed) as failed:
        run(scripted)
    assert "ended with code 1" in failed.value.message
    assert failed.value.message.endswith("almost\nno more memory")
    assert steps(scripted, list_executions(scripted)[0].id)[0].status == "failed"


def test_a_script_that_fails_without_a_word(scripted):
    (scripted.root / "train.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(StepFailed) as failed:
        run(scripted)
    assert failed.value.message.endswith("ended with code 3 and printed nothing")


def test_a_script_that_does_not_write_what_it_should(scripted):
    edit(scripted.root / "train.py", 'Path("out/model.txt").write_text', "str")
    (scripted.root / "out").mkdir()
    (scripted.root / "out" / "model.txt").write_text("left over")
    with pytest.raises(StepFailed, match="did not touch 'out'"):
        run(scripted)
    edit(scripted.root / "flow.py", '"out"', '"other"')
    with pytest.raises(StepFailed, match="did not write 'other'"):
        run(scripted)


@pytest.mark.parametrize(
    ("before", "after", "error", "message"),
    [
        ("python train.py", "no-such-program train.py", ExternalToolError, "not installed"),
        ("rows.csv", "no.csv", UsageError, "does not exist"),
        ("{lr}", "{rate}", UsageError, "uses {rate}"),
        ("--lr {lr}", "", UsageError, "params lr are not used"),
        ('outs=["out"]', 'outs=["../out"]', UsageError, "not inside"),
    ],
)
def test_a_script_that_cannot_run_says_why(scripted, before, after, error, message):
    edit(scripted.root / "flow.py", before, after)
    with pytest.raises((error, StepFailed), match=message.replace("{", r"\{")):
        run(scripted) if error is not ExternalToolError else execute(scripted, entrypoint="flow:train", progress=False)


def test_a_plan_with_a_script(scripted):
    first = plan(scripted, entrypoint="flow:train")[0]
    assert (first.name, first.status) == ("train.py", "run")
    run(scripted)
    assert [(step.name, step.status) for step in plan(scripted, entrypoint="flow:train")] == [("train.py", "cached")]
