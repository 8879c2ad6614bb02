"""What the command line shows of the registry, and writes on it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from versioning_samples import make_candidate

from mainspring.base.errors import Conflict, Refused
from mainspring.cli.main import run
from mainspring.serving import releases
from mainspring.serving.gating import check_move
from mainspring.tracking.runs import create_run
from mainspring.versioning import labels, models, removal
from mainspring.versioning.lineage.trace import trace

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


@pytest.fixture
def command(workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert run(["--workspace", str(workspace.root), "models", *arguments]) == code
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    return call


def test_labels(workspace: Workspace, command: Any) -> None:
    for _ in range(2):
        models.register(workspace, "fraud", make_candidate(), bump="minor")
    labels.create_model(workspace, "empty one")
    command("alias", "set", "fraud@1", "best")
    command("tag", "fraud@best", "team=risk", "odd=yes")
    command("tag", "fraud@1.0.0", "odd=")
    command("tag", "fraud", "owner=ada")
    command("describe", "fraud", "finds fraud")
    command("describe", "fraud@2", "better")
    assert command("list").splitlines() == [
        "empty one/  (no version yet)",
        "fraud/",
        "├── v1.0.0  (development)  #1  @best",
        "└── v1.1.0  (development)  #2",
    ]
    [found] = json.loads(command("list", "--filter", "tags.team = 'risk'", "--json"))
    assert (found["version"], found["number"], found["aliases"]) == ("1.0.0", 1, ["best"])
    assert "cannot be read" in command("list", "--filter", "colour =", code=2)
    shown = command("show", "fraud@best")
    assert "fraud@1.0.0  (development)  #1" in shown
    assert "team=risk" in shown
    command("alias", "delete", "fraud", "best")
    assert "no alias" in command("alias", "delete", "fraud", "best", code=3)
    assert "reserved" in command("alias", "set", "fraud@1", "production", code=3)
    command("rename", "fraud", "fraud-europe")
    assert "fraud-europe@1.0.0" in command("show", "fraud-europe@1")
    assert "no model 'fraud'" in command("show", "fraud", code=3)


def test_deletion(workspace: Workspace, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        models.register(workspace, "m", make_candidate(), bump="minor")
    for answer in ("", "n\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert "m@1.1.0 was not deleted" in command("delete", "m@1.1.0", code=1)
    command("delete", "m@1.1.0", "--yes", "--reason", "wrong data")
    assert "wrong data" in command("history", "m")
    assert "was deleted, and never comes back" in _again(workspace)
    assert models.register(workspace, "m", make_candidate(), bump="minor").version == "1.2.0"
    command("delete", "m", "--yes")
    assert command("list").startswith("no models yet")
    assert models.register(workspace, "m", make_candidate(), bump="minor").number == 1


def _again(workspace: Workspace) -> str:
    with pytest.raises(Conflict) as refusal:
        models.register(workspace, "m", make_candidate(), version="1.1.0")
    return refusal.value.message


def test_what_is_deployed_stays_and_shows_where(workspace: Workspace, command: Any) -> None:
    run_info = create_run(workspace, _experiment(workspace), tags={"mlflow.parentRunId": "the-parent"})
    first = models.register(workspace, "m", make_candidate(), run_id=run_info.id)
    second = models.register(workspace, "m", make_candidate(), bump="minor")
    releases.release(workspace, "m", "1.0.0", reason="try", override="first of all")
    about = trace(workspace, "m@1.0.0")
    assert about["run"]["parent"] == "the-parent"
    [held] = about["deployments"]
    assert (held["state"], held["role"]) == ("promoted", "champion")
    assert "champion now" in command("show", "m@1")
    assert trace(workspace, "m@2")["parent"] == "1.0.0"
    for delete in (lambda: removal.delete_version(workspace, "m", "1"), lambda: removal.delete_model(workspace, "m")):
        with pytest.raises(Conflict, match="champion of the endpoint 'm'"):
            delete()
    with pytest.raises(Conflict, match="endpoint of that name"):
        labels.rename_model(workspace, "m", "n")
    for version, stage in ((first, "archived"), (second, "production")):
        with pytest.raises(Refused, match="endpoint"):
            check_move(workspace, models.resolve(workspace, version.reference), stage)
    assert "champion of the endpoint" in command("promote", "m@1.0.0", "archived", "--reason", "x", code=1)
    removal.delete_version(workspace, "m", "1.1.0")
    with pytest.raises(Conflict, match=r"m@1\.0\.0 is the champion"):
        removal.delete_model(workspace, "m")


def _experiment(workspace: Workspace) -> str:
    from mainspring.tracking.experiments import create_experiment

    return create_experiment(workspace, "e").id
