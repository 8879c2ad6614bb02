"""Stages of ``dvc.yaml`` as steps."""

from __future__ import annotations

import json

import pytest

from mainspring.automation.execute import execute, steps
from mainspring.automation.plan import plan
from mainspring.base.errors import NotFound, StepFailed, UsageError
from tests.automation.conftest import edit

STAGES = """
stages:
  count:
    cmd: cd sub && wc -w < words | awk '{print $1}' > count && echo ran >> ../ran.log
    deps: [double]
    params: [unit]
    outs: [sub/count]
  double:
    cmd:
    - mkdir -p sub
    - cat raw raw > double
    - cp double sub/words
    - echo ran >> ran.log
    deps: [raw]
    outs: [double]
"""
FLOW = """
from mainspring.automation.pipeline import pipeline
from mainspring.automation.stages import run_stages

@pipeline
def flow(only: str = ""):
    done = run_stages(*only.split())
    return {name: [out.read_text() for out in result.outs] for name, result in done.items()}
"""


@pytest.fixture
def staged(bare):
    for name, text in {"dvc.yaml": STAGES, "flow.py": FLOW, "raw": "a b\n", "params.yaml": "unit: 1\n"}.items():
        (bare.root / name).write_text(text)
    return bare


def run(workspace, **parameters):
    done = execute(workspace, entrypoint="flow:flow", parameters=parameters, progress=False)
    return done, (workspace.root / "ran.log").read_text().count("ran")


def test_stages_run_in_order_and_once(staged):
    done, count = run(staged)
    assert done.outcome["value"] == {"double": ["a b\na b\n"], "count": ["4\n"]}
    assert (count, [step.name for step in steps(staged, done.id)]) == (2, ["double", "count"])
    (staged.root / "sub" / "count").unlink()
    again, count = run(staged)
    assert (count, again.cached, again.outcome["value"]) == (2, 2, done.outcome["value"])


def test_a_changed_dep_or_parameter_runs_what_needs_it(staged):
    run(staged)
    edit(staged.root / "params.yaml", "1", "2")
    assert run(staged)[1] == 3
    edit(staged.root / "raw", "a b", "a b c")
    done, count = run(staged)
    assert (count, done.outcome["value"]["count"]) == (5, ["6\n"])


def test_one_stage_alone_and_one_that_is_not_there(staged):
    done, count = run(staged, only="double")
    assert (count, list(done.outcome["value"])) == (1, ["double"])
    with pytest.raises((NotFound, StepFailed), match="no stage 'duble'"):
        run(staged, only="duble")


def test_what_a_stage_needs_runs_first_as_with_dvc(staged):
    done, count = run(staged, only="count")
    assert (count, list(done.outcome["value"])) == (2, ["double", "count"])
    assert run(staged, only="count")[1] == 2
    edit(staged.root / "raw", "a b", "a b c")
    done, count = run(staged, only="count")
    assert (count, done.outcome["value"]["count"]) == (4, ["6\n"])


def test_a_stage_that_writes_into_a_dep_runs_first(staged):
    edit(staged.root / "dvc.yaml", "deps: [double]", "deps: [sub]")
    edit(staged.root / "dvc.yaml", "outs: [double]", "outs: [sub/words]")
    edit(staged.root / "dvc.yaml", "outs: [sub/count]", "outs: [number]")
    edit(staged.root / "dvc.yaml", "print $1}' > count", "print $1}' > ../number")
    assert list(run(staged)[0].outcome["value"]) == ["double", "count"]


def test_a_stage_that_is_always_changed_runs_every_time(staged):
    edit(staged.root / "dvc.yaml", "  double:\n", "  double:\n    always_changed: true\n")
    assert run(staged)[1] == 2
    done, count = run(staged)
    assert (count, [step.status for step in steps(staged, done.id)]) == (3, ["finished", "cached"])


def test_a_template_that_dvc_never_resolved_is_refused(staged):
    edit(staged.root / "dvc.yaml", "cp double", "cp ${vars.from}")
    with pytest.raises((UsageError, StepFailed), match="is a template"):
        run(staged)


def test_dvc_is_told_what_a_stage_is_at_work_on_while_it_runs(staged):
    edit(staged.root / "dvc.yaml", "- echo ran >> ran.log", "- cat .dvc/tmp/rwlock >> ran.log")
    (staged.root / ".dvc").mkdir()
    (staged.root / ".dvc" / "config").touch()
    plan(staged, entrypoint="flow:flow")
    assert not (staged.root / ".dvc" / "tmp").exists()
    run(staged, only="double")
    told = json.loads((staged.root / "ran.log").read_text())
    assert list(told["write"]) == [str(staged.root / "double")]
    assert list(told["read"]) == [str(staged.root / "raw")]
    assert json.loads((staged.root / ".dvc" / "tmp" / "rwlock").read_text()) == {"write": {}, "read": {}}


def test_a_frozen_stage_and_what_only_it_needs_do_not_run(staged):
    run(staged)
    edit(staged.root / "dvc.yaml", "  count:\n", "  count:\n    frozen: true\n")
    edit(staged.root / "raw", "a b", "a b c")
    done, count = run(staged, only="count")
    assert (count, done.outcome["value"]) == (2, {"count": ["4\n"]})
    done, count = run(staged)
    assert (count, done.outcome["value"]["count"]) == (3, ["4\n"])
    (staged.root / "sub" / "count").unlink()
    with pytest.raises(
        (NotFound, StepFailed), match="'count' is frozen, and what it once wrote is not there: sub/count"
    ):
        run(staged)
