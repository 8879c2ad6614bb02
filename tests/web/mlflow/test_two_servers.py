"""Two `mainspring up` on one PostgreSQL: what clients ask of both at once happens once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mainspring.store.workspace import Workspace
from mainspring.versioning import registry
from tests.web.mlflow.conftest import API

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Server

AT_ONCE = 12
TAKEN = "RESOURCE_ALREADY_EXISTS"


@contextmanager
def _up(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(folder), "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture
def folders(tmp_path: Path, postgres_server: Server) -> Iterator[list[Path]]:
    """Two projects with the same records and objects."""
    with postgres_server.database() as url:
        made = [tmp_path / name for name in ("one", "two")]
        for folder in made:
            folder.mkdir()
            state = f"{{database: '{url}', objects: '{tmp_path / 'objects'}'}}"
            (folder / "mainspring.yaml").write_text(f"project: example\nstate: {state}\n")
        yield made


class _Both:
    """Asks both servers at once."""

    def __init__(self, servers: list[str]) -> None:
        self.clients = [httpx.Client(base_url=server, timeout=60) for server in servers]

    def ask(self, path: str, number: int, fields: dict[str, Any]) -> dict[str, Any]:
        answer = self.clients[number % 2].post(API + path, json=fields)
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 else {"refused": found["error_code"]}

    def __call__(self, path: str, *asked: dict[str, Any]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(len(asked)) as threads:
            return list(threads.map(lambda item: self.ask(path, *item), enumerate(asked)))


@pytest.fixture
def both(folders: list[Path]) -> Iterator[_Both]:
    with ExitStack() as stack:
        made = _Both([stack.enter_context(_up(folder)) for folder in folders])
        for client in made.clients:
            stack.enter_context(client)
        yield made


def _outcomes(answers: list[dict[str, Any]]) -> Counter[str]:
    return Counter(answer.get("refused", "done") for answer in answers)


@pytest.mark.slow
def test_races_have_one_winner(both: _Both, folders: list[Path]) -> None:
    made = both("experiments/create", *[{"name": "race"}] * AT_ONCE)
    assert _outcomes(made) == {"done": 1, TAKEN: AT_ONCE - 1}
    [experiment] = [answer["experiment_id"] for answer in made if "experiment_id" in answer]

    run = both("runs/create", {"experiment_id": experiment})[0]["run"]["info"]["run_id"]
    params = [{"run_id": run, "key": "depth", "value": str(number)} for number in range(AT_ONCE)]
    assert _outcomes(both("runs/log-parameter", *params)) == {"done": 1, "INVALID_PARAMETER_VALUE": AT_ONCE - 1}
    points = [{"run_id": run, "key": "loss", "value": n, "step": n, "timestamp": n} for n in range(AT_ONCE)]
    assert _outcomes(both("runs/log-metric", *points)) == {"done": AT_ONCE}
    history = both.clients[0].get(API + "metrics/get-history", params={"run_id": run, "metric_key": "loss"}).json()
    assert sorted(point["step"] for point in history["metrics"]) == list(range(AT_ONCE))

    assert _outcomes(both("registered-models/create", *[{"name": "m"}] * AT_ONCE)) == {"done": 1, TAKEN: AT_ONCE - 1}
    versions = both("model-versions/create", *[{"name": "m", "source": "s3://bucket/model"}] * AT_ONCE)
    numbers = [answer["model_version"]["version"] for answer in versions]
    assert sorted(map(int, numbers)) == list(range(1, AT_ONCE + 1))
    moved = both(
        "model-versions/transition-stage", *[{"name": "m", "version": n, "stage": "Production"} for n in numbers]
    )
    assert _outcomes(moved)["done"] >= 1
    workspace = Workspace(folders[0])
    assert [version.stage for version in registry.versions(workspace, "m")].count("production") == 1
    inside = 0
    for item in registry.history(workspace, "m"):
        inside += (item.to_stage == "production") - (item.from_stage == "production")
        assert inside in (0, 1)
    workspace.close()
