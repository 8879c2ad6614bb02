"""Unmodified MLflow clients, each in an environment of its own, against `mainspring up`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.environments import Unavailable, environment
from tests.peers import MLFLOW, MLFLOW_2

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent / "clients"
CLIENTS = {
    "fluent": MLFLOW,
    "skinny": ("mlflow-skinny==3.17.2",),
    "second": MLFLOW_2,
    "oldest": ("mlflow==2.9.2", "setuptools<81"),
}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow clients")]


@pytest.fixture
def server(project: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(project), "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("listening on "))
        yield line.split()[-1]
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("name", CLIENTS)
def test_an_unmodified_client_works(name: str, server: str, tmp_path: Path) -> None:
    try:
        python = environment(*CLIENTS[name])
    except Unavailable as reason:
        pytest.skip(f"no environment for {CLIENTS[name][0]}: {reason}")
    environ = {
        **os.environ,
        "MLFLOW_TRACKING_URI": server,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [str(python), str(HERE / f"{name}.py")], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    version = json.loads(done.stdout.splitlines()[-1])["mlflow"]
    assert version == CLIENTS[name][0].partition("==")[2]
