"""The registry as tags in a real git repository, read by the real GTO and written by it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from small_project import commit, git, write_rows

from mainspring.automation.execute import execute
from mainspring.base.errors import NotFound
from mainspring.cli.main import run as command_line
from mainspring.store.workspace import Workspace
from mainspring.versioning import git_registry, models
from mainspring.versioning.labels import rename_model
from mainspring.versioning.registration import renumber
from mainspring.versioning.removal import delete_version
from scripts.environments import Unavailable, environment

pytestmark = pytest.mark.slow  # real repositories, runs and packages


@pytest.fixture(scope="session")
def gto() -> Path:
    try:
        return environment("gto==1.10.1")
    except Unavailable as reason:
        pytest.skip(str(reason))


def show(gto: Path, root: Path, *words: str) -> Any:
    done = subprocess.run([gto.with_name("gto"), *words], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def call_gto(gto: Path, root: Path, *words: str) -> None:
    git(root, "config", "user.name", "somebody")
    git(root, "config", "user.email", "somebody@localhost")
    show(gto, root, *words)


def two_versions(project: Workspace) -> list[str]:
    commits = [git(project.root, "rev-parse", "HEAD")]
    execute(project, progress=False)
    write_rows(project.root, shift=7)
    commits.append(commit(project.root, "other rows"))
    execute(project, progress=False)
    models.transition(project, "small", "1.0.0", "production", reason="first")
    models.transition(project, "small", "1.1.0", "staging", reason="next")
    return commits


def test_what_the_registry_says_gto_reads(project: Workspace, gto: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commits = two_versions(project)
    root = project.root
    assert {plan.written for plan in git_registry.tag(project, write=False)} == {False}
    assert git(root, "tag") == ""
    written = git_registry.tag(project)
    assert {(plan.tag, plan.commit) for plan in written} == {
        ("small@v1.0.0", commits[0]),
        ("small@v1.1.0", commits[1]),
        ("small#prod#1", commits[0]),
        ("small#staging#2", commits[1]),
    }
    assert git(root, "cat-file", "-t", "small@v1.0.0") == "tag"
    assert f"Mainspring-Run: {models.resolve(project, 'small@1').run_id}" in git(root, "show", "small@v1.0.0")
    assert show(gto, root, "show", "small@latest", "--version") == "v1.1.0"
    assert show(gto, root, "show", "small#prod", "--version") == "v1.0.0"
    assert show(gto, root, "show", "small#staging", "--version") == "v1.1.0"
    assert git_registry.compare(project) == []
    assert git_registry.tag(project) == []
    models.transition(project, "small", "1.1.0", "production", reason="better")
    assert {item.what for item in git_registry.compare(project)} == {"#prod", "#staging"}
    git_registry.tag(project)
    assert show(gto, root, "show", "small#prod", "--version") == "v1.1.0"
    assert "Nothing found" in show(gto, root, "show", "small#staging")
    assert git_registry.compare(project) == []
    assert command_line(["--workspace", str(root), "models", "git", "diff"]) == 0


def test_what_gto_writes_is_compared_and_registered(
    project: Workspace, gto: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(project, progress=False)
    root = project.root
    (root / "models").mkdir()
    (root / "models" / "churn.bin").write_bytes(b"weights")
    (root / "artifacts.yaml").write_text("churn: {path: models/churn.bin, type: model, virtual: false}\n")
    made = commit(root, "a model in git")
    call_gto(gto, root, "register", "churn", "--version", "v3.1.1")
    call_gto(gto, root, "assign", "churn", "--version", "v3.1.1", "--stage", "prod")
    assert [(item.what, item.registry, item.git) for item in git_registry.compare(project, "churn")] == [
        ("3.1.1", None, f"commit {made[:12]}"),
        ("#prod", None, "3.1.1"),
    ]
    [version] = git_registry.register(project)
    assert (version.reference, version.stage) == ("churn@3.1.1", "development")
    assert version.source == f"git tag churn@v3.1.1, commit {made}, models/churn.bin"
    [entry] = project.objects.listing(version.artifact)
    assert project.objects.read_bytes(entry.md5) == b"weights"
    assert git_registry.register(project) == []
    assert [item.what for item in git_registry.compare(project, "churn")] == ["#prod"]
    call_gto(gto, root, "deprecate", "churn", "v3.1.1", "prod")
    call_gto(gto, root, "deprecate", "churn", "v3.1.1")
    assert [(item.what, item.git) for item in git_registry.compare(project, "churn")] == [("3.1.1", "taken back")]
    assert "Nothing found" in show(gto, root, "show", "churn@latest")


def test_what_was_deleted_here_or_taken_back_there_stays_so(project: Workspace, gto: Path) -> None:
    two_versions(project)
    git_registry.tag(project)
    models.transition(project, "small", "1.1.0", "archived", reason="not wanted")
    delete_version(project, "small", "1.1.0")
    call_gto(gto, project.root, "deprecate", "small", "v1.0.0")
    commit(project.root, "later")
    call_gto(gto, project.root, "register", "small", "--version", "v1.2.0")
    assert [version.reference for version in git_registry.register(project)] == ["small@1.2.0"]
    assert git_registry.register(project) == []
    found = {item.what: (item.registry, item.git) for item in git_registry.compare(project)}
    assert found["1.1.0"][0] == "deleted"
    assert found["1.0.0"][1] == "taken back"
    problems = {plan.tag: plan.problem for plan in git_registry.tag(project)}
    assert problems["small@v1.0.0"] == "git says that it was taken back: left as it is"


def test_no_tag_of_others_is_moved(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    two_versions(project)
    root = project.root
    elsewhere = commit(root, "later")
    git(root, "tag", "small@v1.0.0", "--annotate", "--message", "mine", elsewhere)
    before = git(root, "rev-parse", "small@v1.0.0")
    plans = {plan.tag: plan for plan in git_registry.tag(project)}
    assert "left as it is" in str(plans["small@v1.0.0"].problem)
    assert plans["small@v1.1.0"].written
    assert git(root, "rev-parse", "small@v1.0.0") == before
    assert command_line(["--workspace", str(root), "models", "git", "tag", "--json"]) == 1
    assert [row["tag"] for row in json.loads(capsys.readouterr().out)] == ["small@v1.0.0"]


def test_what_cannot_be_tagged_says_why(project: Workspace, tmp_path: Path) -> None:
    execute(project, progress=False)
    version = models.resolve(project, "small")
    renumber(project, version, "major", reason="a try")
    rename_model(project, "small", "Small.Model")
    [plan] = git_registry.tag(project)
    assert "lowercase" in str(plan.problem)
    rename_model(project, "Small.Model", "small")
    (project.root / ".git").rename(tmp_path / "away")
    with pytest.raises(NotFound, match="is in no git repository"):
        git_registry.tag(project)
    git(project.root, "init", "--quiet")
    commit(project.root, "another history")
    assert all("is not in this repository" in str(plan.problem) for plan in git_registry.tag(project))
