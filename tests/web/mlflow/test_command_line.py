"""MLflow's own commands against `mainspring up`: those that list and fetch, and the one that serves a registered model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from scripts.environments import Unavailable, environment
from tests.ports import free_ports
from tests.tracking.imports.mlflow_peer import fill, surroundings
from tests.web.mlflow.test_clients import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = Path(__file__).parents[2] / "tracking" / "imports" / "mlflow_registered.py"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow clients")]


class Shell(NamedTuple):
    """An MLflow with its surroundings, and a run that its client logged."""

    python: Path
    environ: dict[str, str]
    folder: Path
    run_id: str

    def __call__(self, *arguments: str) -> str:
        """Return what a command prints."""
        command = [str(self.python), "-W", "ignore", "-m", "mlflow", *arguments]
        done = subprocess.run(command, env=self.environ, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    try:
        python = environment(*CLIENTS["fluent"])
    except Unavailable as reason:
        pytest.skip(f"no environment for mlflow: {reason}")
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "mainspring.yaml").write_text("project: example\n")
    up = [sys.executable, "-m", "mainspring", "--workspace", str(folder), "up", "--port", "0"]
    with subprocess.Popen(up, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
            environ = surroundings(folder) | {"MLFLOW_TRACKING_URI": address, "PATH": f"{python.parent}:{os.defpath}"}
            fill(python, folder, environ, str(CONTENT))
            yield Shell(python, environ, folder, json.loads((folder / "runs.json").read_text())["proxied"])
        finally:
            process.terminate()
        assert process.wait(30) == 0


def test_commands_that_list_and_fetch(shell: Shell) -> None:
    [experiment] = [line.split()[0] for line in shell("experiments", "search").splitlines() if "proxied" in line]
    assert shell.run_id in shell("runs", "list", "--experiment-id", experiment)
    fetched = ("artifacts", "download", "--run-id", shell.run_id, "--artifact-path", "notes/a b.txt", "-d", "got")
    shell(*fetched)
    assert [path.read_text() for path in (shell.folder / "got").rglob("a b.txt")] == ["hello proxied"]


def test_a_registered_model_is_served_by_its_alias(shell: Shell) -> None:
    [port] = free_ports(1)
    serve = ["models", "serve", "-m", "models:/proxied@champion", "--env-manager", "local", "--port", str(port)]
    with (shell.folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(shell.python), "-m", "mlflow", *serve],
            env=shell.environ,
            cwd=shell.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            deadline = time.monotonic() + 120
            while not _ready(http):
                assert process.poll() is None, (shell.folder / "log").read_text()[-3000:]
                assert time.monotonic() < deadline, (shell.folder / "log").read_text()[-3000:]
                time.sleep(0.1)
            answer = http.post("/invocations", json={"inputs": [[3.0], [5.5]]})
        assert answer.json()["predictions"] == pytest.approx([3.0, 5.5]), answer.text
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _ready(http: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return http.get("/ping").status_code == httpx.codes.OK
    return False
