"""Both servers, each in a folder and an environment of its own, and what they cost."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psutil

from scripts.environments import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MLFLOW = "mlflow==3.17.2"
_READY_SECONDS = 120
_KEPT_SECONDS = 1.0
"""A connection that was idle for longer may have been closed by its server."""


class Server:
    """A running server, spoken to as a client without overhead of its own: one kept connection, raw JSON."""

    def __init__(self, name: str, pid: int, port: int) -> None:
        self.name = name
        self.port = port
        self._process = psutil.Process(pid)
        self._used = 0.0
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def another(self) -> Server:
        """Return the same server with a connection of its own, for another thread."""
        return Server(self.name, self._process.pid, self.port)

    def call(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        """Return the decoded answer."""
        return json.loads(self.raw(method, path, fields))

    def raw(self, method: str, path: str, fields: dict[str, Any] | None = None) -> bytes:
        """Return the answer's bytes."""
        target = f"/api/2.0/mlflow/{path}"
        body = None
        if method == "GET" and fields:
            target += f"?{urlencode(fields, doseq=True)}"
        elif fields is not None:
            body = json.dumps(fields)
        if time.monotonic() - self._used > _KEPT_SECONDS:
            self._connection.close()  # it opens again by itself
        self._used = time.monotonic()
        self._connection.request(method, target, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answered {answer.status} to {path}: {data[:300]!r}")
        return data

    def cpu(self) -> float:
        """Return the CPU seconds, user and system, of the server and all its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self._family())

    def rss(self) -> int:
        """Return the resident bytes of the server's processes, summed."""
        return sum(process.memory_info().rss for process in self._family())

    def processes(self) -> int:
        """Return how many processes the server has."""
        return len(self._family())

    def settle(self, seconds: float = 60) -> None:
        """Wait until the server does nothing of its own accord any more."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(2)
            if self.cpu() - before < 0.1:
                return

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


@contextmanager
def ours(folder: Path) -> Iterator[Server]:
    """Run ``mainspring up``."""
    folder.mkdir(parents=True)
    (folder / "mainspring.yaml").write_text("project: bench\n")
    command = [sys.executable, "-m", "mainspring", "--workspace", str(folder), "up", "--port", "0"]
    with _running(command, folder) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "listening" in line)
        yield Server("mainspring", process.pid, int(line.rsplit(":", 1)[1]))


@contextmanager
def stock(folder: Path) -> Iterator[Server]:
    """Run MLflow's own server with one worker."""
    python = environment(MLFLOW)
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(python.parent / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with _running(command, folder, talks=True) as process:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                time.sleep(0.2)
        server = Server("mlflow", process.pid, port)
        server.call("GET", "experiments/get", {"experiment_id": "0"})
        server.settle()
        yield server


@contextmanager
def _running(command: list[str], folder: Path, *, talks: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a server; one that ``talks`` on standard output would stand still once a pipe is full that nobody reads."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "OMP_NUM_THREADS": "1"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log if talks else subprocess.PIPE, stderr=log, text=True, env=environ, cwd=folder
        )
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for child in family:
            if child.is_running():
                child.kill()
