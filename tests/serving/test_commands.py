"""What the commands say and answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.cli.main import hoist, run
from serving.scene import add, gate
from serving.test_releases import champion_and_next

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

Command = tuple[int, str, str]


@pytest.fixture
def mainspring(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., Command]:
    def call(*arguments: str) -> Command:
        code = run(hoist([*arguments, "--workspace", str(workspace.root)]))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.mark.slow
def test_deploy_and_rollback(workspace: Workspace, mainspring: Callable[..., Command]) -> None:
    first, second = champion_and_next(workspace)
    third = add(workspace, seed=3)
    code, _, error = mainspring("deploy", f"m@{third}")
    assert code == 1
    assert "never judged" in error
    assert "mainspring test" in error
    code, said, error = mainspring("deploy", f"m@{second}")
    assert code == 0, error
    assert "is canary: it answers 10%" in said
    assert "no server runs here" in said
    code, said, _ = mainspring("rollback", "m", "--reason", "changed my mind")
    assert code == 0
    assert f"{first} answers everything" in said
    gate(workspace, second, champion=first)
    assert "in production" in mainspring("deploy", f"m@{second}", "--immediate")[1]
    taken: dict[str, Any] = json.loads(mainspring("rollback", "m", "--json")[1])
    assert (taken["version"], taken["champion"], taken["state"]) == (second, first, "rolled_back")
    code, _, error = mainspring("rollback", "m")
    assert code == 1
    assert "no version before" in error
    assert mainspring("deploy", "nothing@1.0.0")[0] == 3
    forced = json.loads(mainspring("deploy", f"m@{third}", "--override", "a try", "--json")[1])
    assert (forced["override"], forced["state"]) == ("a try", "canary")


def test_releases_are_listed_newest_first(workspace: Workspace, mainspring: Callable[..., Command]) -> None:
    first, second = champion_and_next(workspace)
    mainspring("deploy", f"m@{second}")
    mainspring("rollback", "m", "--reason", "no")
    rows = json.loads(mainspring("releases", "list", "--json")[1])
    assert [(row["version"], row["state"]) for row in rows] == [(second, "rolled_back"), (first, "promoted")]
    assert rows[0]["started_at"].endswith("Z")
    assert rows[0]["evidence"]["ended"]["reason"] == "no"
    assert json.loads(mainspring("releases", "list", "--endpoint", "other", "--json")[1]) == []
    assert "rolled_back" in mainspring("releases", "list")[1]


def test_serving_off_the_machine_needs_a_token(mainspring: Callable[..., Command]) -> None:
    code, _, error = mainspring("serve", "--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert "MAINSPRING_TOKEN" in error
