"""MLflow clients in several processes that register versions of one model and move them, all at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.versioning import catalogue, registry
from mainspring.versioning.labels import create_model
from scripts.environments import Unavailable, environment
from tests.tracking.imports.mlflow_peer import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

CLIENT = Path(__file__).parent / "clients" / "registering.py"
CLIENTS = 4
EACH = 6
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow clients")]


@pytest.fixture
def server(workspace: Workspace, tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "up", "--port", "0"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        yield next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
        process.terminate()
        assert process.wait(30) == 0
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said, said[-3000:]
    assert "locked" not in said, said[-3000:]


def _at_once(server: str, folder: Path) -> list[dict[str, Any]]:
    """Run the clients, who begin when all of them are ready; return what each of them says."""
    try:
        python = environment("mlflow-skinny==3.17.2")
    except Unavailable as reason:
        pytest.skip(f"no environment for mlflow-skinny: {reason}")
    environ = surroundings(folder) | {"MLFLOW_TRACKING_URI": server, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    gate = folder / "gate"
    command = [str(python), "-W", "ignore", str(CLIENT)]
    started = [
        subprocess.Popen(
            [*command, str(number), str(EACH), str(gate)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(CLIENTS)
    ]
    while not all((folder / f"gate.{number}").exists() for number in range(CLIENTS)):
        assert all(process.poll() is None for process in started), [process.communicate() for process in started]
        time.sleep(0.01)
    gate.touch()
    answers = []
    for process in started:
        said, complained = process.communicate(timeout=120)
        assert process.returncode == 0, complained[-3000:]
        answers.append(json.loads(said.splitlines()[-1]))
    return answers


def test_versions_stages_and_aliases_of_those_who_race_are_consistent(
    server: str, workspace: Workspace, tmp_path: Path
) -> None:
    create_model(workspace, "shared")
    answers = _at_once(server, tmp_path)
    assert [answer["refused"] for answer in answers] == [[]] * CLIENTS
    assert sorted(number for answer in answers for number in answer["made"]) == list(range(1, CLIENTS * EACH + 1))

    held = registry.versions(workspace, "shared")
    assert sorted(item.number for item in held) == list(range(1, CLIENTS * EACH + 1))
    assert len({item.version for item in held}) == CLIENTS * EACH
    assert [item.stage for item in held].count("production") == 1
    stages: dict[str, str | None] = {}
    for move in registry.history(workspace, "shared"):
        assert move.from_stage == stages.get(move.version), move
        assert move.from_stage != move.to_stage
        stages[move.version] = move.to_stage
        assert list(stages.values()).count("production") <= 1
    assert stages == {item.version: item.stage for item in held}

    aliases = catalogue.get_model(workspace, "shared").aliases
    assert {name: number for name, number in aliases.items() if name != "champion"} == {
        f"of-{number}": answer["made"][-1] for number, answer in enumerate(answers)
    }
    assert aliases["champion"] in {answer["made"][-1] for answer in answers}
