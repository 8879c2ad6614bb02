"""Stock MLflow servers."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment of a peer: nothing of ours is on its path, and its home is ``folder``.

    Its server starts no workers for jobs, which nothing here asks for: eight processes that take seconds each.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AWS_", "MLFLOW_"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "HOME": str(folder)}
    return kept | quiet | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def stock_server(python: Path, folder: Path, environ: Mapping[str, str], artifacts: str) -> Iterator[str]:
    """Start the server of an interpreter's MLflow on the records in ``folder``; give its address when it answers."""
    [port] = free_ports(1)
    command = [str(python.parent / "mlflow"), "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--artifacts-destination", artifacts]
    path = folder / f"log {port}"
    with path.open("w") as log:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while not _answers(port):
            assert process.poll() is None, path.read_text()[-4000:]
            assert time.monotonic() < deadline, path.read_text()[-4000:]
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # asked kindly, it may take a minute
        process.wait(30)


def fill(python: Path, folder: Path, environ: Mapping[str, str], *command: str) -> None:
    """Run a script of contents in the peer's interpreter."""
    done = subprocess.run([str(python), *command], env=environ, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-4000:]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
