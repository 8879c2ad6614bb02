"""The gate as a whole: what it records, how it decides, what it writes, and the command that asks for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from sklearn.dummy import DummyClassifier

from mainspring.base.errors import Corrupted, InvalidData, NotFound
from mainspring.cli.main import run
from mainspring.testing import gate as gating
from mainspring.testing import report
from mainspring.testing.gate import NO_CHECKS, gates, judge, latest, version_to_judge
from mainspring.testing.verdict import Verdict
from mainspring.versioning import models

ACCURATE = {"type": "metric", "metric": "accuracy", "min": 0.6}
IMPOSSIBLE = {"type": "metric", "metric": "accuracy", "min": 0.999}


def test_a_gate_is_recorded_with_what_it_was_made_with(lab) -> None:
    workspace = lab.open(ACCURATE, {"type": "no_regression", "metric": "accuracy", "margin": 0.1})
    candidate = lab.candidate(600, 600)
    first = lab.register(workspace, candidate, production=True)
    second = lab.register(workspace, lab.candidate(700, 600))
    gate = judge(workspace, second)
    assert (gate.outcome, gate.champion, gate.model, gate.version) == ("pass", first.version, "m", second.version)
    assert gate.holdout_md5
    assert gate.commit is None  # the workspace is in no git repository
    assert latest(workspace, "m", second.version) == gate
    assert latest(workspace, "m", first.version) is None


def test_the_outcome_of_a_gate(lab) -> None:
    workspace = lab.open(ACCURATE)
    version = lab.register(workspace, lab.candidate(400, 400))
    outcomes = {
        "pass": [ACCURATE, {**IMPOSSIBLE, "required": False}],
        "fail": [ACCURATE, IMPOSSIBLE, {"type": "fairness", "group": "nowhere"}],
        "inconclusive": [ACCURATE, {"type": "fairness", "group": "nowhere"}],
    }
    for expected, checks in outcomes.items():
        assert judge(lab.open(*checks), version, record=False).outcome == expected
    empty = judge(lab.open(), version)
    assert empty.outcome == "inconclusive"
    assert empty.reason.startswith(NO_CHECKS)
    only_unasked = judge(lab.open({"type": "no_regression", "metric": "accuracy"}), version)
    assert only_unasked.outcome == "inconclusive"


def test_a_version_is_not_compared_with_itself_but_with_whom_it_is_told_to(lab) -> None:
    workspace = lab.open({"type": "no_regression", "metric": "accuracy", "margin": 0.5}, ACCURATE)
    first = lab.register(workspace, lab.candidate(400, 400))
    second = lab.register(workspace, lab.candidate(500, 400), production=True)
    assert judge(workspace, second).champion is None
    assert judge(workspace, second, champion=first).champion == first.version
    assert [gate.champion for gate in gates(workspace, "m")] == [first.version, None]


def test_the_digest_of_the_checks_changes_with_what_is_asked(lab) -> None:
    version = lab.register(lab.open(), lab.candidate(200, 200))
    digests = [judge(lab.open(check), version).checks for check in (ACCURATE, {**ACCURATE, "min": 0.7}, ACCURATE)]
    assert digests[0] == digests[2] != digests[1]


def test_a_check_that_the_data_stops_is_inconclusive_and_a_broken_check_is_raised(lab, monkeypatch) -> None:
    workspace = lab.open(ACCURATE)
    version = lab.register(workspace, lab.candidate(200, 200))
    from mainspring.base.settings.checks import MetricThreshold
    from mainspring.testing.checks import dispatch

    def stopped(settings, context):
        raise InvalidData("the rows are odd", hint="look", column="x")

    def broken(settings, context):
        raise ZeroDivisionError

    monkeypatch.setattr(dispatch, "CHECKS", {MetricThreshold: stopped})
    [verdict] = judge(workspace, version).verdicts
    assert (verdict.status, verdict.evidence["error"], verdict.evidence["column"]) == (
        "inconclusive",
        "invalid_data",
        "x",
    )
    monkeypatch.setattr(dispatch, "CHECKS", {MetricThreshold: broken})
    with pytest.raises(ZeroDivisionError):
        judge(workspace, version)
    assert len(gates(workspace, "m")) == 1


def test_damaged_evidence_is_an_open_question_and_a_damaged_model_an_error(lab) -> None:
    workspace = lab.open(ACCURATE)
    version = lab.register(workspace, lab.candidate(200, 200))
    files = {entry.relpath: entry.md5 for entry in workspace.objects.listing(version.evidence)}
    path = workspace.objects.path(files["predictions.parquet"])
    path.chmod(0o644)
    path.write_bytes(b"damaged" + path.read_bytes()[7:])
    gate = judge(workspace, version)
    assert (gate.outcome, gate.verdicts[0].evidence["error"]) == ("inconclusive", "corrupted")
    model = {entry.relpath: entry.md5 for entry in workspace.objects.listing(version.artifact)}["model.skops"]
    path = workspace.objects.path(model)
    path.chmod(0o644)
    path.write_bytes(b"damaged" + path.read_bytes()[7:])
    shutil.rmtree(workspace.state / "models")
    with pytest.raises((Corrupted, NotFound)):
        judge(workspace, version)


def test_which_version_is_judged_without_a_name(lab) -> None:
    workspace = lab.open()
    with pytest.raises(NotFound):
        version_to_judge(workspace, None)
    first = lab.register(workspace, lab.candidate(200, 200), production=True)
    assert version_to_judge(workspace, None) == first
    second = lab.register(workspace, lab.candidate(300, 200))
    assert version_to_judge(workspace, None) == second
    assert version_to_judge(workspace, "m@production") == models.resolve(workspace, first.reference)


# reports

VERDICTS = [
    Verdict(check="a", status="pass", estimate=0.9, interval=(0.8, 0.95), n=100, evidence={"reason": "fine"}),
    Verdict(
        check="b|c", status="fail", estimate=12.0, interval=(11.0, None), n=368, evidence={"reason": "slow\x00 <&>"}
    ),
    Verdict(check="d", status="inconclusive", n_needed=4000, evidence={"reason": "too few"}),
    Verdict(check="e", status="not_applicable", evidence={"reason": "no champion"}),
    Verdict(check="f", status="fail", evidence={"reason": "optional"}, required=False),
]


def made(verdicts=VERDICTS) -> gating.Gate:
    return gating.Gate(
        id="1" * 32, model="m", version="1.1.0", champion="1.0.0", at=0, outcome=gating.outcome(verdicts),
        verdicts=list(verdicts), reason=gating.reason(verdicts), holdout_md5="abc",
    )  # fmt: skip


def test_the_json_of_a_gate_has_the_promised_keys() -> None:
    found = json.loads(msgspec.json.encode(report.to_json(made())))
    assert {"gate", "model", "version", "champion", "verdicts"} <= set(found)
    assert (found["gate"], found["at"]) == ("fail", "1970-01-01T00:00:00.000Z")
    assert set(found["verdicts"][0]) >= {"check", "status", "estimate", "interval", "n", "n_needed", "evidence"}
    assert found["verdicts"][1]["interval"] == [11.0, None]


def test_junit_counts_and_escapes() -> None:
    suite = ElementTree.fromstring(report.to_junit(made()).encode()).find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    assert suite.findall("testcase")[1].find("failure").get("message") == "fail: slow <&>"


def test_markdown_has_a_row_a_verdict() -> None:
    lines = report.to_markdown(made()).splitlines()
    assert lines[0] == "# m@1.1.0: fail"
    assert "| b\\|c | ✗ fail | 12 [11, ∞] | 368 | slow <&> |" in lines
    assert "| d | ? inconclusive | — | —, 4000 would decide | too few |" in lines


# the command


def test_the_command_prints_writes_and_answers_by_its_exit_code(lab, capsys, tmp_path: Path) -> None:
    workspace = lab.open(ACCURATE, {"type": "leakage"}, {"type": "baseline", "metric": "roc_auc"})
    version = lab.register(workspace, lab.candidate(1500, 1500))
    place = ["--workspace", str(workspace.root)]
    junit, markdown = tmp_path / "out" / "j.xml", tmp_path / "out" / "g.md"
    assert run([*place, "test", version.reference, "--json", "--junit", str(junit), "--markdown", str(markdown)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["gate"], found["model"], found["version"], found["champion"]) == ("pass", "m", version.version, None)
    assert len(found["verdicts"]) == 5
    folder = workspace.state / "reports" / f"m-{version.version}"
    assert sorted(path.name for path in folder.iterdir()) == ["gate.json", "gate.md", "gate.xml"]
    assert junit.read_text() == (folder / "gate.xml").read_text()
    assert markdown.read_text() == (folder / "gate.md").read_text()
    assert json.loads((folder / "gate.json").read_text()) == found
    assert latest(workspace, "m", version.version).id == found["id"]


def test_the_command_says_no_and_why(lab, capsys) -> None:
    workspace = lab.open(IMPOSSIBLE)
    version = lab.register(workspace, lab.candidate(300, 300))
    assert run(["--workspace", str(workspace.root), "test", version.reference]) == 1
    shown = capsys.readouterr().out
    assert "gate: fail" in shown
    assert "metric: accuracy" in shown
    assert run(["--workspace", str(lab.open().root), "test", version.reference]) == 1
    assert "no checks are configured" in capsys.readouterr().out
    assert run(["--workspace", str(workspace.root), "test", "n@1.0.0"]) == 3


def test_a_dummy_is_stopped_by_its_baseline(lab, capsys) -> None:
    workspace = lab.open({"type": "baseline", "metric": "roc_auc"})
    version = lab.register(workspace, lab.candidate(500, 500, model=DummyClassifier(strategy="prior")))
    assert run(["--workspace", str(workspace.root), "test", version.reference]) == 1
    assert "baseline: dummy" in capsys.readouterr().out
