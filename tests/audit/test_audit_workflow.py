"""CI definitions: what counts is what they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainspring.audit.workflow import read_workflows

GITHUB = """
on: {triggers}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: {command}
"""


def github(root: Path, command: str, triggers: str = "[push, pull_request]") -> Path:
    path = root / ".github" / "workflows" / "check.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GITHUB.format(command=command, triggers=triggers), encoding="utf-8")
    return path


def test_nothing_is_there(tmp_path: Path) -> None:
    assert read_workflows(tmp_path) == []


def test_commands_are_recognised(tmp_path: Path) -> None:
    github(
        tmp_path, '"pytest -q && mainspring --environment ci run && python -m mainspring test churn --junit gate.xml"'
    )
    [found] = read_workflows(tmp_path)
    assert found.automatic
    assert found.runs == ["the tests", "the pipeline", "the gate"]


def test_a_comment_and_an_echo_run_nothing(tmp_path: Path) -> None:
    github(tmp_path, '"# tox\\npip install pytest\\necho mainspring test"', triggers="workflow_dispatch")
    [found] = read_workflows(tmp_path)
    assert (found.automatic, found.runs) == (False, [])


def test_make_targets_and_scripts_are_followed(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        "check: install\n\tbash ci/check.sh\n\ninstall:\n\tpip install .\n", encoding="utf-8"
    )
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "check.sh").write_text("pytest\nmainspring run\n", encoding="utf-8")
    github(tmp_path, "make check")
    assert read_workflows(tmp_path)[0].runs == ["the tests", "the pipeline"]


def test_gitlab(tmp_path: Path) -> None:
    text = "test:\n  script:\n    - pytest\n    - !reference [.gate, script]\n    - mainspring test churn\n"
    (tmp_path / ".gitlab-ci.yml").write_text(text, encoding="utf-8")
    [found] = read_workflows(tmp_path)
    assert (found.automatic, found.runs) == (True, ["the tests", "the gate"])


def test_broken_files_say_so(tmp_path: Path) -> None:
    path = github(tmp_path, "x")
    for text in ("jobs: [", "- a", ""):
        path.write_text(text, encoding="utf-8")
        [found] = read_workflows(tmp_path)
        assert found.error
        assert not found.runs
    path.write_text("on: push\njobs: {a: {steps: [run, {run: 3}]}, b: none}", encoding="utf-8")
    assert read_workflows(tmp_path)[0].runs == []


@pytest.mark.parametrize(
    "step",
    [
        "{run: pytest, continue-on-error: true}",
        "{run: pytest, if: false}",
        "{run: 'pytest || true'}",
        "{run: 'pytest || echo failed'}",
    ],
)
def test_what_may_fail_does_not_count(tmp_path: Path, step: str) -> None:
    path = github(tmp_path, "mainspring run")
    path.write_text(path.read_text() + f"      - {step}\n")
    assert read_workflows(tmp_path)[0].runs == ["the pipeline"]
    path.write_text(path.read_text().replace("    steps:", "    continue-on-error: true\n    steps:"))
    assert read_workflows(tmp_path)[0].runs == []


def test_what_stops_otherwise_counts(tmp_path: Path) -> None:
    github(tmp_path, "'pytest || exit 1'")
    assert read_workflows(tmp_path)[0].runs == ["the tests"]
