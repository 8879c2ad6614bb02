"""The number that grows follows what changed between real runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_project import commit, write_rows

from mainspring.automation.execute import execute
from mainspring.base.errors import UsageError
from mainspring.cli.main import run as command_line
from mainspring.store.workspace import Workspace
from mainspring.versioning import models, registration, snapshot
from mainspring.versioning.semver import parse_bump

pytestmark = pytest.mark.slow  # real repositories, runs and packages


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def train(workspace: Workspace) -> tuple[str, str]:
    """Run the pipeline again, and return the new version and why it has its number."""
    made = execute(Workspace(workspace.root), progress=False, cache=False)
    assert not made.existing
    version = models.resolve(workspace, f"small@{made.model_version}")
    return version.version, models.history(workspace, "small")[-1].reason


def unseed(workspace: Workspace) -> None:
    """Let every fit come out otherwise."""
    flow = workspace.root / "flow.py"
    edit(flow, "import polars", "import os\n\nimport polars")
    edit(flow, "LogisticRegression(C=strength)", "LogisticRegression(C=strength * (1 + os.urandom(1)[0] / 256))")
    commit(workspace.root)


def test_data_code_parameters_signature_and_nothing(project: Workspace) -> None:
    root = project.root
    unseed(project)
    assert train(project) == ("1.0.0", "registered")
    assert train(project) == ("1.0.1", "registered; patch: the recipe is that of 1.0.0")
    commit(root, "pointers")
    (root / "NOTES.md").write_text("words are no code\n")
    assert train(project)[0] == "1.0.2"
    write_rows(root, shift=5)
    assert train(project) == ("1.1.0", "registered; minor: the data rows changed since 1.0.2")
    edit(root / "flow.py", "drop_nulls()", "drop_nulls().rechunk()")
    assert train(project) == ("1.2.0", "registered; minor: code that was not committed changed since 1.1.0")
    commit(root)
    version, why = train(project)
    assert version == "1.3.0"
    assert "code that was not committed" in why
    edit(root / "flow.py", ".rechunk()", ".rechunk().rechunk()")
    commit(root)
    version, why = train(project)
    assert (version, why.startswith("registered; minor: the code (")) == ("1.4.0", True)
    edit(root / "mainspring.yaml", "strength: 1.0", "strength: 2.0")
    commit(root)
    assert "the parameter strength" in train(project)[1]
    edit(root / "flow.py", 'select("a", "b")', 'select("a")')
    edit(root / "flow.py", 'features=["a", "b"]', 'features=["a"]')
    commit(root)
    assert train(project) == ("2.0.0", "registered; major: the signature changed: b is gone")


def test_bumps_by_hand(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    made = execute(project, progress=False)

    def call(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert command_line(["--workspace", str(project.root), "models", *words]) == code
        said = capsys.readouterr()
        return said.out + said.err

    assert "small@2.0.0 is in staging" in call(
        "promote", "small@1.0.0", "staging", "--bump", "major", "--reason", "new era"
    )
    newest = models.resolve(project, "small")
    first = models.resolve(project, "small@1.0.0")
    assert (newest.artifact, newest.run_id, first.stage) == (first.artifact, made.run_id, "development")
    told: Any = json.loads(call("history", "small", "--json"))
    assert "major, as was asked for: new era; the bytes are those of 1.0.0" in told[1]["reason"]
    assert "one of major, minor, patch" in call(
        "promote", "small", "archived", "--bump", "big", "--reason", "x", code=2
    )
    assert models.resolve(project, "small").version == "2.0.0"
    with pytest.raises(UsageError, match=r"by its number, 3\.0\.0, and by a bump, minor"):
        registration.register(project, "small", None, version="3.0.0", bump="minor")  # type: ignore[arg-type]  # not looked at
    with pytest.raises(UsageError):
        parse_bump("Major")


def test_a_difference_names_the_files(project: Workspace) -> None:
    root = project.root
    first = execute(project, progress=False)
    (root / "extra words.py").write_text("A = 1\n")
    edit(root / "flow.py", "drop_nulls()", "drop_nulls().rechunk()")
    edit(root / "mainspring.yaml", "strength: 1.0", "strength: 3.0")
    write_rows(root, shift=4)
    second = execute(Workspace(root), progress=False)
    assert first.run_id is not None
    assert second.run_id is not None
    before, after = (snapshot.load(project, run) for run in (first.run_id, second.run_id))
    found = {
        (item.part, item.name): (item.before, item.after) for item in snapshot.diff(before, after, project.objects)
    }
    assert {name for part, name in found if part == "code"} == {
        "changed flow.py",
        "changed mainspring.yaml",
        "new file data/rows.csv.dvc",
        "new file extra words.py",
    }
    assert found["data", "rows"][0].startswith("version 1")
    assert found["config", "parameters.strength"] == (1.0, 3.0)
    assert not [name for part, name in found if part == "environment"]
