"""The five anti-patterns: each is found by what shows it, and a healthy project has none (see test_audit)."""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
import pytest
from sqlalchemy import delete, insert, update

from mainspring.audit.antipatterns import find
from mainspring.audit.evidence import Evidence
from mainspring.audit.finding import Finding
from mainspring.base.clock import now
from mainspring.base.ids import new_id
from mainspring.serving import routes, segments
from mainspring.store.schema import monitoring, serving, testing, tracking, versioning
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, models

pytestmark = pytest.mark.xdist_group("audit")  # one project, lived through once

DAY = 86_400_000


def found(workspace: Workspace) -> list[Finding]:
    return find(Evidence(workspace))


def shown(workspace: Workspace) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.severity, finding.title) for finding in found(workspace)]


def write(workspace: Workspace, *statements: object) -> None:
    with workspace.database.write() as connection:
        for statement in statements:
            connection.execute(statement)


def edit(workspace: Workspace, name: str, old: str, new: str) -> None:
    path = workspace.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def change_snapshot(workspace: Workspace, column: str, **values: object) -> None:
    with workspace.database.write() as connection:
        [row] = connection.execute(versioning.snapshots.select()).all()
        document = {**getattr(row, column), **values}
        connection.execute(update(versioning.snapshots).values({column: document}))


# Notebook to production


@pytest.mark.slow
def test_a_pipeline_out_of_a_notebook(whole: Workspace) -> None:
    edit(whole, "flow.py", "@pipeline", "# In[4]:\n\n\n@pipeline")
    [finding] = found(whole)
    assert (finding.rule, finding.severity) == ("notebook-to-production", "error")
    assert finding.location is not None
    assert (finding.location.path, finding.location.line) == ("flow.py", 7)


@pytest.mark.slow
def test_a_run_inside_of_a_notebook(whole: Workspace) -> None:
    change_snapshot(whole, "config", argv=["/x/ipykernel_launcher.py", "-f", "kernel.json"])
    assert shown(whole) == [("notebook-to-production", "error", "The model was made inside of a notebook")]


@pytest.mark.slow
def test_a_pipeline_without_tests(whole: Workspace) -> None:
    (whole.root / "tests" / "test_flow.py").write_text("import json\n", encoding="utf-8")
    [finding] = found(whole)
    assert (finding.severity, finding.title) == ("warning", "No test imports the pipeline")
    assert finding.evidence == "of 1 test files none imports flow.py"
    (whole.root / "tests" / "test_flow.py").unlink()
    assert found(whole)[0].evidence == "the project has no tests"


@pytest.mark.slow
def test_a_notebook_that_trains(whole: Workspace) -> None:
    cells = [
        {"cell_type": "code", "execution_count": 5, "source": "!pip install lightgbm\nmodel.fit(x)"},
        {"cell_type": "code", "execution_count": 2, "source": "joblib.dump(model, '/home/me/model.joblib')"},
    ]
    (whole.root / "explore.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    [finding] = found(whole)
    assert (finding.rule, finding.severity) == ("notebook-to-production", "warning")
    for said in ("outside of the pipeline", "out of order: 5, 2", "pip install", "/home/me/model.joblib"):
        assert said in finding.evidence


# No versioning


def test_code_that_no_snapshot_holds(whole: Workspace) -> None:
    change_snapshot(whole, "code", dirty=True, diff=None, untracked=None)
    assert shown(whole) == [("no-versioning", "error", "Changed code without a diff")]
    change_snapshot(whole, "code", diff="0" * 32)
    assert shown(whole) == [("no-versioning", "error", "Code of the subject's run is gone")]
    write(whole, update(tracking.runs).values(snapshot_id=None))
    assert shown(whole) == [("no-versioning", "error", "A run without a snapshot")]


def test_data_in_no_version(whole: Workspace) -> None:
    edit(whole, "data/rows.csv", "0", "1")
    assert shown(whole) == [("no-versioning", "warning", "Dataset rows is loose")]


def test_data_that_git_says_is_another(whole: Workspace) -> None:
    pointer = whole.root / "data" / "rows.csv.dvc"
    [version] = data.log(whole, "rows")
    pointer.write_text(pointer.read_text().replace(version.md5, "f" * 32))
    [finding] = found(whole)
    assert (finding.title, finding.fix) == (
        "Dataset rows is not what its pointer names",
        "mainspring data pull rows",
    )


def test_lost_training_data(whole: Workspace) -> None:
    write(whole, update(tracking.inputs).values(md5="0" * 32))
    assert shown(whole) == [("no-versioning", "error", "Training data are gone")]


def test_a_lost_artifact(whole: Workspace) -> None:
    whole.objects.path(models.resolve(whole, "small@1.0.0").artifact).unlink()
    titles = [finding.title for finding in found(whole)]
    assert "The production model's artifact is gone" in titles


def test_a_model_without_a_run(whole: Workspace) -> None:
    write(whole, update(versioning.model_versions).values(run_id=None))
    assert shown(whole) == [("no-versioning", "warning", "Nobody can make the production model again")]


# Manual deployment


def test_a_forced_version(whole: Workspace) -> None:
    write(whole, update(serving.releases).values(override="in a hurry"))
    [finding] = found(whole)
    assert (finding.rule, finding.severity) == ("manual-deployment", "error")
    assert "in a hurry" in finding.evidence


def test_a_forced_version_that_is_gone_is_a_note(whole: Workspace) -> None:
    row = {
        "id": new_id(), "endpoint": "small", "version": "1.1.0", "previous": "1.0.0", "state": "rolled_back",
        "started_at": now(), "updated_at": now(), "actor": "somebody", "reason": "urgent", "override": "urgent",
        "evidence": {"ended": {"reason": "errors doubled"}},
    }  # fmt: skip
    write(whole, insert(serving.releases).values(row))
    [finding] = found(whole)
    assert (finding.rule, finding.severity) == ("manual-deployment", "note")
    assert "rolled back now: errors doubled" in finding.evidence


def test_a_version_without_a_gate_or_a_release(whole: Workspace) -> None:
    write(whole, update(testing.gates).values(at=now() + DAY))
    assert shown(whole) == [("manual-deployment", "warning", "The production version was judged only afterwards")]
    write(whole, delete(serving.releases))
    assert "The stage was changed by hand" in [title for _, _, title in shown(whole)]
    write(whole, delete(testing.gates))
    assert ("manual-deployment", "error", "The production version has no passing gate") in shown(whole)


def test_another_version_is_served(whole: Workspace) -> None:
    path = routes.path(whole, "small")
    table = routes.read(path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"generation": 1', '"generation": 2').replace("1.0.0", "0.9.0"), encoding="utf-8")
    assert table.generation == 1
    titles = [title for rule, _, title in shown(whole) if rule == "manual-deployment"]
    assert titles == ["What is served is not the champion", "The route table was changed past the records"]
    path.write_text("{", encoding="utf-8")
    assert ("manual-deployment", "error", "The route table cannot be used") in shown(whole)


# No monitoring


def test_nothing_watches(whole: Workspace) -> None:
    text = (whole.root / "mainspring.yaml").read_text(encoding="utf-8")
    before, _, after = text.partition("monitors:")
    (whole.root / "mainspring.yaml").write_text(
        before + "triggers:" + after.partition("triggers:")[2], encoding="utf-8"
    )
    assert shown(whole) == [("no-monitoring", "error", "Nothing watches the endpoint")]


def test_alerts_that_reach_nobody(whole: Workspace) -> None:
    edit(whole, "mainspring.yaml", "channels:\n  - {type: log}", "channels: []")
    assert shown(whole) == [("no-monitoring", "warning", "Alerts reach nobody")]


def test_alerts_that_did_not_arrive(whole: Workspace) -> None:
    notice = {"channel": "webhook:12", "event": "firing", "attempts": 3, "delivered_at": None, "error": "refused"}
    row = {
        "id": new_id(), "monitor": "performance", "kind": "performance", "status": "firing", "at": now(),
        "resolved_at": None, "summary": "it fell", "evidence": {}, "deliveries": [notice],
    }  # fmt: skip
    write(whole, insert(monitoring.alerts).values(row))
    assert shown(whole) == [("no-monitoring", "warning", "Alerts did not arrive")]


@pytest.mark.parametrize(
    ("statement", "title"),
    [
        (lambda: delete(monitoring.observations), "Traffic that monitors never looked at"),
        (lambda: update(monitoring.observations).values(at=now() - 9 * DAY), "Monitors fell asleep"),
    ],
)
def test_traffic_that_nobody_looks_at(whole: Workspace, statement: Callable[[], object], title: str) -> None:
    write(whole, statement())
    assert shown(whole) == [("no-monitoring", "warning", title)]


def test_monitors_that_fail(whole: Workspace) -> None:
    failed = update(monitoring.observations).where(monitoring.observations.c.monitor == "performance")
    write(whole, failed.values(status="error", evidence={"error": "no such metric"}))
    [finding] = found(whole)
    assert finding.title == "Monitor performance fails"
    assert "no such metric" in finding.evidence


# Training-serving skew


def test_serving_was_never_compared(whole: Workspace) -> None:
    write(whole, update(testing.gates).values(verdicts=[{"check": "roc_auc", "status": "pass"}]))
    assert shown(whole) == [("training-serving-skew", "warning", "Serving was never compared with training")]


def test_the_gate_saw_skew(whole: Workspace) -> None:
    verdict = {"check": "skew: answers", "status": "fail", "evidence": {"reason": "row 3 answers otherwise"}}
    write(whole, update(testing.gates).values(verdicts=[verdict]))
    [finding] = found(whole)
    assert finding.severity == "error"
    assert "row 3 answers otherwise" in finding.evidence


def test_recorded_answers_are_replayed(whole: Workspace) -> None:
    root = segments.folder(whole, segments.PREDICTIONS, "small")
    [path] = root.rglob("*.parquet")
    frame = pl.read_parquet(path).with_columns(
        pl.when(pl.col("input.a") == 7).then(0.123).otherwise("score").alias("score")
    )
    path.unlink()
    segments.write(root, frame, at=now(), writer="test")
    [finding] = found(whole)
    assert (finding.rule, finding.severity) == ("training-serving-skew", "error")
    assert "of 200 requests" in finding.evidence


def test_other_libraries(whole: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Evidence(whole).manifest_versions
    monkeypatch.setattr(Evidence, "manifest_versions", {**written, "scikit-learn": "0.1.0"})
    [finding] = found(whole)
    assert (finding.rule, finding.severity) == ("training-serving-skew", "warning")
    assert "scikit-learn 0.1.0 →" in finding.evidence
