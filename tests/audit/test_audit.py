"""The whole audit: a project with nothing, one with everything, and everything that can be taken away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, insert, update
from typer.testing import CliRunner

from mainspring.audit.checklist import QUESTIONS, examine
from mainspring.audit.evidence import Evidence
from mainspring.audit.requirements import collect
from mainspring.audit.sarif import to_sarif
from mainspring.audit.score import Audit, audit
from mainspring.base.clock import now
from mainspring.base.ids import new_id
from mainspring.base.settings.schema import Channel
from mainspring.cli import main
from mainspring.monitoring.channels.delivery import key_of
from mainspring.store.schema import automation, monitoring, reproducibility, serving, testing, tracking, versioning
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, models

pytestmark = pytest.mark.xdist_group("audit")  # one project, lived through once

DAY = 86_400_000


def status(found: Audit, identifier: str) -> str:
    return next(item.status for item in found.checklist if item.id == identifier)


def write(workspace: Workspace, statement: object) -> None:
    with workspace.database.write() as connection:
        connection.execute(statement)


def test_a_bare_project_has_nothing(bare: Workspace) -> None:
    found = audit(bare)
    assert found.maturity == 0
    assert (found.model, found.version) == (None, None)
    assert {item.status for item in found.checklist} == {"missing"} | {
        item.status for item in found.checklist if item.id == "ab-or-shadow-ready"
    }
    assert all(item.fix for item in found.checklist if item.status == "missing")
    assert {need.level for need in found.next} == {1}
    assert [finding.rule for finding in found.findings] == ["no-versioning"]


def test_the_checklist_is_the_seventeen_items() -> None:
    phases = [question.phase for question in QUESTIONS]
    assert [phases.count(phase) for phase in ("pre-production", "production", "post-production")] == [6, 6, 5]
    assert len({question.id for question in QUESTIONS}) == 17


def test_a_whole_life_has_everything(whole: Workspace) -> None:
    found = audit(whole)
    assert {item.id: item.evidence for item in found.checklist if item.status != "present"} == {}
    assert found.findings == []
    assert (found.maturity, found.next) == (3, [])
    assert (found.model, found.version) == ("small", "1.0.0")
    assert found.id
    with whole.database.read() as connection:
        [row] = connection.execute(reproducibility.audits.select()).all()
    assert (row.id, row.maturity, len(row.report["checklist"])) == (found.id, 3, 17)


def remove(name: str) -> Callable[[Workspace], None]:
    return lambda workspace: (workspace.root / name).unlink()


def replace(name: str, old: str, new: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        path = workspace.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def sql(statement: object) -> Callable[[Workspace], None]:
    return lambda workspace: write(workspace, statement)


def damage_artifact(workspace: Workspace) -> None:
    version = models.resolve(workspace, "small@1.0.0")
    workspace.objects.path(version.artifact).unlink()


def forget(folder: str) -> Callable[[Workspace], None]:
    return lambda workspace: shutil.rmtree(workspace.state / folder)


TAKEN_AWAY = [
    ("data-versioned", "stale", replace("data/rows.csv", "0", "1")),
    ("data-versioned", "missing", remove("data/rows.csv")),
    ("data-versioned", "missing", sql(delete(tracking.inputs))),
    ("experiments-tracked", "missing", sql(delete(tracking.params))),
    ("experiments-tracked", "missing", sql(update(versioning.model_versions).values(run_id=None))),
    ("model-registered", "missing", damage_artifact),
    ("tests-pass", "missing", sql(delete(testing.suite_passes).where(testing.suite_passes.c.layer == "model"))),
    ("tests-pass", "missing", sql(update(testing.suite_passes).values(failed=1))),
    ("tests-pass", "missing", sql(update(testing.suite_passes).values(passed=0))),
    ("tests-pass", "stale", sql(update(testing.suite_passes).values(commit="other", at=now() - 9 * DAY))),
    ("tests-pass", "missing", sql(update(testing.gates).values(outcome="inconclusive"))),
    ("tests-pass", "missing", sql(update(serving.releases).values(override="in a hurry"))),
    ("documentation-complete", "missing", replace("MODEL_CARD.md", "people", "<describe>")),
    ("documentation-complete", "missing", remove("README.md")),
    ("reproducibility-verified", "missing", sql(update(reproducibility.reproductions).values(level=0))),
    ("reproducibility-verified", "missing", sql(delete(reproducibility.reproductions))),
    ("ci-cd-configured", "missing", remove(".github/workflows/mainspring.yml")),
    ("ci-cd-configured", "missing", replace(".github/workflows/mainspring.yml", "mainspring run", "true")),
    ("ci-cd-configured", "stale", replace(".github/workflows/mainspring.yml", "contents: read", "contents: none")),
    ("dashboards-live", "stale", sql(update(automation.leases).values(expires_at=0))),
    ("dashboards-live", "missing", sql(delete(automation.leases))),
    (
        "alerts-configured",
        "missing",
        replace("mainspring.yaml", "- {type: log}", "- {type: log, monitors: [performance]}"),
    ),
    (
        "alerts-configured",
        "missing",
        replace("mainspring.yaml", "{type: log}", "{type: webhook, url: 'http://127.0.0.1:9'}"),
    ),
    ("rollback-documented", "missing", replace("RUNBOOK.md", "## Roll back", "## Something")),
    ("rollback-documented", "missing", replace("RUNBOOK.md", "mainspring rollback small", "do it")),
    ("ab-or-shadow-ready", "missing", replace("mainspring.yaml", "channels:", "release: {canary: null}\nchannels:")),
    ("data-validation", "missing", replace("mainspring.yaml", ", suite: rows.json", "")),
    ("data-validation", "missing", remove("rows.json")),
    ("drift-monitoring", "stale", sql(update(monitoring.observations).values(at=now() - 9 * DAY))),
    ("drift-monitoring", "missing", sql(update(monitoring.observations).values(status="insufficient_data"))),
    ("drift-monitoring", "missing", sql(delete(monitoring.observations))),
    ("retraining-triggers", "missing", sql(delete(automation.events))),
    ("performance-baselines", "missing", sql(update(versioning.model_versions).values(metrics={"roc_auc": 0.9}))),
    ("performance-baselines", "missing", sql(update(versioning.model_versions).values(evidence=None))),
    ("feedback-loop", "missing", forget("labels")),
    ("feedback-loop", "missing", forget("predictions")),
    ("incident-runbooks", "missing", replace("RUNBOOK.md", "## input-drift", "## something")),
    ("incident-runbooks", "missing", replace("RUNBOOK.md", "Look at the newest labels first", "<describe> TODO")),
]


def empty(name: str) -> Callable[[Workspace], None]:
    return lambda workspace: (workspace.root / name).write_text("", encoding="utf-8")


def text(name: str, content: str) -> Callable[[Workspace], None]:
    return lambda workspace: (workspace.root / name).write_text(content, encoding="utf-8")


def copy(source: str, name: str) -> Callable[[Workspace], None]:
    return lambda workspace: text(name, (workspace.root / source).read_text(encoding="utf-8"))(workspace)


def lose_data(workspace: Workspace) -> None:
    [version] = data.log(workspace, "rows")
    workspace.objects.path(version.md5).unlink()


def forget_the_suite(workspace: Workspace) -> None:
    """Leave the settings of the run as if the suite had been added after it."""
    snapshots = versioning.snapshots
    with workspace.database.read() as connection:
        config = connection.execute(snapshots.select()).first().config
    config["settings"]["datasets"]["rows"].pop("suite")
    write(workspace, update(snapshots).values(config=config))


WORKFLOW = ".github/workflows/mainspring.yml"
LOOKS = monitoring.observations
SAME = "Look at it, ask around, and decide."
DRESSED_UP = [
    ("data-versioned", "missing", lose_data),
    ("experiments-tracked", "missing", sql(update(tracking.runs).values(status="failed"))),
    ("tests-pass", "missing", replace("tests/test_flow.py", "import flow", "def test_nothing():\n    assert True")),
    ("tests-pass", "missing", replace("mainspring.yaml", "{type: metric, metric: roc_auc, min: 0.6}", "{type: latency}")),
    ("documentation-complete", "missing", empty("README.md")),
    ("documentation-complete", "missing", text("README.md", "# small\n\n" + "words " * 60)),
    ("documentation-complete", "missing", copy("README.md", "MODEL_CARD.md")),
    ("documentation-complete", "missing", replace("MODEL_CARD.md", "# Model card\n", "# Model card\n\n## Limits\n\n## Use\n")),
    ("ci-cd-configured", "missing", replace(WORKFLOW, "mainspring run", "mainspring run || true")),
    ("dashboards-live", "missing", sql(delete(LOOKS).where(LOOKS.c.monitor == "performance"))),
    ("dashboards-live", "stale", sql(update(LOOKS).values(at=now() - 9 * DAY))),
    ("alerts-configured", "missing", sql(delete(monitoring.alerts))),
    ("rollback-documented", "missing", text("RUNBOOK.md", "# Runbook\n\n## Roll back\n\n## input-drift\n")),
    ("rollback-documented", "missing", replace("RUNBOOK.md", "mainspring rollback small", "roll small back")),
    ("rollback-documented", "missing", replace("RUNBOOK.md", "rollback small", "rollback smaller")),
    ("ab-or-shadow-ready", "missing", forget("predictions")),
    ("ab-or-shadow-ready", "missing", sql(update(versioning.model_versions).values(stage="staging"))),
    ("data-validation", "missing", replace("rows.json", '"kwargs"', '"severity": "warning", "kwargs"')),
    ("data-validation", "missing", forget_the_suite),
    ("retraining-triggers", "missing", sql(update(automation.events).values(execution_id=None))),
    ("feedback-loop", "missing", sql(update(LOOKS).where(LOOKS.c.monitor == "performance").values(status="insufficient_data"))),
    ("incident-runbooks", "missing", empty("RUNBOOK.md")),
    ("incident-runbooks", "missing", text("RUNBOOK.md", f"## input-drift\n{SAME}\n## performance\n{SAME}\n")),
    ("incident-runbooks", "missing", replace("RUNBOOK.md", "## performance", "## underperformance")),
]  # fmt: skip
"""What looks as if it were there."""


def test_a_drift_monitor_that_decided_long_ago_is_stale(whole: Workspace) -> None:
    write(whole, update(LOOKS).where(LOOKS.c.monitor == "input-drift").values(at=now() - 9 * DAY))
    replace("mainspring.yaml", "  performance:", "  scores: {type: prediction_drift}\n  performance:")(whole)
    row = {"id": new_id(), "monitor": "scores", "at": now(), "status": "insufficient_data", "n": 3, "evidence": {}}
    write(whole, insert(LOOKS).values(row))
    assert status(audit(whole, record=False), "drift-monitoring") == "stale"


def test_documents_are_dated_by_their_commits(whole: Workspace) -> None:
    def said() -> str:
        return next(
            item.evidence for item in audit(whole, record=False).checklist if item.id == "documentation-complete"
        )

    assert "commit " in said()
    (whole.root / "README.md").write_text((whole.root / "README.md").read_text() + "\nOne line more.\n")
    assert "not committed" in said()


@pytest.mark.parametrize(
    ("item", "becomes", "take"), [*TAKEN_AWAY, *DRESSED_UP], ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_item_without_evidence_is_not_present(
    whole: Workspace, item: str, becomes: str, take: Callable[[Workspace], None]
) -> None:
    take(whole)
    [found] = [shown for shown in examine(Evidence(whole)) if shown.id == item]
    assert found.status == becomes
    assert found.fix


def test_what_is_to_be_done_about_data(whole: Workspace) -> None:
    def fix() -> str | None:
        return next(shown.fix for shown in examine(Evidence(whole)) if shown.id == "data-versioned")

    [version] = data.log(whole, "rows")
    rows, pointer = whole.root / "data/rows.csv", whole.root / "data/rows.csv.dvc"
    rows.unlink()
    assert fix() == "mainspring data checkout rows"
    said = pointer.read_text()
    pointer.write_text(said.replace(version.md5, "f" * 32))
    assert fix() == "mainspring data pull rows"
    pointer.write_text("<<<<<<< HEAD")
    assert fix() == "mainspring data status"
    pointer.write_text(said)
    data.checkout(whole, "rows")
    whole.objects.path(version.md5).unlink()
    rows.write_text("x,y\n1,2\n")
    data.add(whole, "rows")
    assert fix() == "mainspring data fetch --all-versions"


def test_a_webhook_counts_when_something_arrived(whole: Workspace) -> None:
    replace("mainspring.yaml", "{type: log}", "{type: webhook, url: 'http://127.0.0.1:9'}")(whole)
    row = {
        "id": new_id(), "monitor": "performance", "kind": "performance", "status": "resolved", "at": now(),
        "resolved_at": now(), "summary": "it fell", "evidence": {},
    }  # fmt: skip

    def tried(delivered_at: int | None, url: str = "http://127.0.0.1:9") -> dict[str, object]:
        key = key_of(Channel(type="webhook", url=url))
        error = None if delivered_at else "it answered 500"
        return {"channel": key, "event": "firing", "attempts": 1, "delivered_at": delivered_at, "error": error}

    write(whole, insert(monitoring.alerts).values(**row, deliveries=[tried(now(), "http://127.0.0.1:10")]))
    assert status(audit(whole, record=False), "alerts-configured") == "missing"
    write(whole, insert(monitoring.alerts).values(**row | {"id": new_id(), "at": now()}, deliveries=[tried(now())]))
    assert status(audit(whole, record=False), "alerts-configured") == "present"
    write(whole, insert(monitoring.alerts).values(**row | {"id": new_id(), "at": now()}, deliveries=[tried(None)]))
    found = audit(whole, record=False)
    assert status(found, "alerts-configured") == "missing"
    assert "it answered 500" in next(item.evidence for item in found.checklist if item.id == "alerts-configured")


def test_maturity_falls_with_what_is_missing(whole: Workspace) -> None:
    def level() -> tuple[int, list[str]]:
        found = audit(whole, record=False)
        return found.maturity, [need.title.partition(":")[0] for need in found.next]

    write(whole, update(automation.events).values(payload={}))
    assert level() == (1, ["Deployment is automated"])
    write(whole, update(automation.executions).values(event_id=None))
    evidence = Evidence(whole)
    unmet = [need.level for need in collect(evidence, audit(whole, record=False).checklist) if not need.met]
    assert unmet == [2, 3]
    write(whole, update(automation.executions).values(status="failed"))
    assert level() == (0, ["Training is automated"])


def test_reports(whole: Workspace, tmp_path: Path) -> None:
    replace("mainspring.yaml", "monitors:", "release: {automatic: true}\nmonitors:")(whole)
    write(whole, update(serving.releases).values(override="in a hurry"))
    (whole.root / "explore.ipynb").write_text("no json", encoding="utf-8")
    target = tmp_path / "found.sarif"
    arguments = ["--workspace", str(whole.root), "audit", "--json", "--sarif", str(target)]
    answer = CliRunner().invoke(main.app, arguments)
    assert answer.exit_code == 1
    said = json.loads(answer.stdout)
    assert said["maturity"] == 1
    assert {"id", "phase", "title", "status", "evidence"} <= set(said["checklist"][0])
    assert {finding["rule"] for finding in said["findings"]} == {"manual-deployment", "notebook-to-production"}
    assert all(finding.keys() >= {"rule", "severity", "evidence", "fix"} for finding in said["findings"])
    document = json.loads(target.read_text(encoding="utf-8"))
    [run] = document["runs"]
    assert document["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        "notebook-to-production",
        "no-versioning",
        "manual-deployment",
        "no-monitoring",
        "training-serving-skew",
    ]
    assert [result["level"] for result in run["results"]] == ["error", "note"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "explore.ipynb"


def test_text_and_required_level(whole: Workspace) -> None:
    runner = CliRunner()
    answer = runner.invoke(main.app, ["--workspace", str(whole.root), "audit", "--require", "3"])
    assert answer.exit_code == 0
    assert "17 of 17 present" in answer.stdout
    assert "level 3 of 3" in answer.stdout
    write(whole, delete(automation.events))
    answer = runner.invoke(main.app, ["--workspace", str(whole.root), "audit", "--require", "3"])
    assert answer.exit_code == 1
    assert "level 2 (CI/CD" in answer.stdout


def test_looking_changes_nothing_but_the_record(whole: Workspace) -> None:
    def seen() -> dict[str, int]:
        cache = whole.state / "index"  # what is remembered of files, so that the next look is quicker
        paths = [
            path
            for path in whole.root.rglob("*")
            if path.is_file() and "mainspring.db" not in path.name and not path.is_relative_to(cache)
        ]
        return {str(path): path.stat().st_mtime_ns for path in paths}

    before = seen()
    first = audit(whole, record=False)
    assert seen() == before
    again = audit(whole, record=False)
    assert msgspec.structs.replace(first, at=again.at) == again
    assert os.fspath(whole.root) not in json.dumps(to_sarif(first.findings))
