from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from versioning_samples import make_candidate, make_rows

from mainspring.cli.main import run
from mainspring.store.workspace import Workspace
from mainspring.versioning import models, snapshot


@pytest.fixture
def command(workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(["--workspace", str(workspace.root), *arguments]) == code
        told = capsys.readouterr()
        return told.out if code in (0, 1) and told.out else told.err

    return call


def test_data(workspace: Workspace, command: Any) -> None:
    path = workspace.root / "d.csv"
    path.write_text("a\n1\n")
    assert json.loads(command("data", "add", str(path), "--json"))[0]["number"] == 1
    path.write_text("a\n2\n")
    assert json.loads(command("data", "status", "--json"))[0]["state"] == "modified"
    assert "modified" in command("data", "status")
    assert "would be lost" in command("data", "checkout", "d", "1", code=1)
    assert re.search("\nstored by (reflink|copy)$", command("data", "add", "d").strip())
    [newest, _] = json.loads(command("data", "log", "d", "--json"))
    assert newest["number"] == 2
    assert newest["created_at"].endswith("Z")
    assert re.search(r"d.csv is version 1 of d \(.*, by (reflink|copy)\)", command("data", "checkout", "d", "1"))
    assert path.read_text() == "a\n1\n"
    assert "every object is what it was" in command("data", "verify")
    stored = workspace.objects.path(newest["md5"])
    stored.chmod(0o644)
    stored.write_text("zzzz")
    assert "is damaged" in command("data", "verify", code=1)
    assert "neither a dataset nor a path" in command("data", "log", "nothing", code=3)
    (workspace.root / "never").write_text("added")
    assert "'never' has no versions" in command("data", "log", "never", code=3)


def test_models_as_a_tree_and_as_json(workspace: Workspace, command: Any) -> None:
    assert "no models yet" in command("models", "list")
    for name, seed in (("fraud-detector", 0), ("fraud-detector", 1), ("late", 0)):
        models.register(workspace, name, make_candidate(seed=seed), run_id=None)
    models.transition(workspace, "fraud-detector", "1.0.0", "production", reason="first")
    assert command("models", "list").splitlines() == [
        "fraud-detector/",
        "├── v1.0.0  (production)  #1",
        "└── v1.1.0  (development)  #2",
        "late/",
        "└── v1.0.0  (development)  #1",
    ]
    listed = json.loads(command("models", "list", "--json"))
    assert {"model", "version", "stage", "run_id", "created_at"} <= set(listed[0])
    assert command("models", "promote", "fraud-detector@1.1.0", "staging", "--reason", "try") == (
        "fraud-detector@1.1.0 is in staging\n"
    )
    assert "through its gate" in command("models", "promote", "late@1.0.0", "production", "--reason", "x", code=2)
    told = json.loads(command("models", "history", "fraud-detector", "--json"))
    assert [(row["version"], row["from"], row["to"], row["reason"]) for row in told][-1] == (
        "1.1.0",
        "development",
        "staging",
        "try",
    )
    assert {"at", "actor", "evidence"} <= set(told[0])
    assert "staging" in command("models", "history", "fraud-detector")
    shown = command("models", "show", "fraud-detector@production")
    assert "roc auc" in shown or "roc_auc" in shown
    assert "predicts 'late' (binary, classes [False, True]) from" in shown
    assert json.loads(command("models", "show", "late", "--json"))["format"] == "skops"
    assert "did you mean 'late'" in command("models", "show", "latee", code=3)


def test_models_register(workspace: Workspace, command: Any, tmp_path: Path) -> None:
    rows = make_rows().drop_nulls().select("delay", "hour", "late")
    rows.write_parquet(tmp_path / "rows.parquet")
    model = LogisticRegression().fit(rows.select("delay", "hour").to_numpy(), rows["late"])
    joblib.dump(model, tmp_path / "m.joblib")
    arguments = ("models", "register", "m", str(tmp_path / "m.joblib"), "--sample", str(tmp_path / "rows.parquet"))
    assert "--trust-pickle" in command(*arguments, "--target", "late", code=1)
    told = command(*arguments, "--target", "late", "--trust-pickle", "--version", "2.0.0", "--json")
    assert json.loads(told)["version"] == "2.0.0"
    arguments = (*arguments, "--trust-pickle", "--target", "late")
    assert "m@2.0.0 (development) is the same, to the byte: nothing new" in command(*arguments)
    assert "m@2.0.0 (development) is the same" in command(*arguments, "--version", "2.0.0")
    assert json.loads(command(*arguments, "--json"))["existing"] is True
    assert json.loads(command(*arguments, "--version", "3.0.0", "--json"))["existing"] is False
    rows.head(300).write_parquet(tmp_path / "rows.parquet")
    assert "exists already" in command(*arguments, "--version", "2.0.0", code=3)
    assert "is no version" in command(*arguments, "--version", "two", code=2)
    assert "and by a bump, minor" in command(*arguments, "--version", "9.0.0", "--bump", "minor", code=2)
    assert command("models", "list", "--filter", "tags.team = 'x'").strip() == "no version meets the filter"
    assert "is no container" in command(*arguments, "--container", "spark", code=2)


def test_snapshots(workspace: Workspace, command: Any) -> None:
    first = snapshot.take(workspace, parameters={"rate": 0.1})
    second = snapshot.take(workspace, parameters={"rate": 0.2})
    shown = command("snapshot", "show", first.id)
    assert "code         no commit" in shown
    assert "rate = 0.1" in shown
    assert json.loads(command("snapshot", "show", first.id, "--json"))["id"] == first.id
    assert "parameters.rate" in command("snapshot", "diff", first.id, second.id)
    assert "nothing differs" in command("snapshot", "diff", first.id, first.id)
    [found] = json.loads(command("snapshot", "diff", first.id, second.id, "--json"))
    assert (found["before"], found["after"]) == (0.1, 0.2)


def test_many_differences_fit_on_a_screen(workspace: Workspace, command: Any) -> None:
    before = snapshot.take(workspace, parameters={"rate": 0.1})
    for number in range(100):
        (workspace.root / f"new{number}.py").write_text("")
    after = snapshot.take(workspace, parameters={"rate": 0.2})
    shown = command("snapshot", "diff", before.id, after.id)
    assert len(shown.splitlines()) < 20
    assert "… and 93 more" in shown
    assert "parameters.rate" in shown
    assert len(json.loads(command("snapshot", "diff", before.id, after.id, "--json"))) == 101
