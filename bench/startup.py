"""How long every command takes to say its help, and a server to answer, beside a bare interpreter.

Run: ``python bench/startup.py [MLFLOW]``; MLFLOW is the ``mlflow`` of some environment, whose server is timed too.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import typer

from mainspring.cli.main import app

TIMES = 9
STARTS = 5
BARE = "python -c pass"
_PATIENCE = 180
_ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


class Start(NamedTuple):
    """Seconds from the start of a server to its first answer, by the clock and on the processor."""

    wall: float
    cpu: float


def lines() -> dict[str, list[str]]:
    """Return the bare interpreter and the help of everything that can be typed after ``mainspring``."""
    command = typer.main.get_command(app)
    helps = ["--help", *(f"{name} --help" for name in sorted(getattr(command, "commands", {})))]
    return {BARE: ["-c", "pass"]} | {f"mainspring {line}": ["-m", "mainspring", *line.split()] for line in helps}


def cpu(arguments: list[str]) -> float:
    """Return the CPU seconds, user and system, of one interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=_ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start(command: list[str], folder: Path, port: int) -> Start:
    """Start a server, wait until ``/health`` answers, and end it."""
    begun = time.perf_counter()
    deadline = begun + _PATIENCE
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=_ENVIRONMENT)
    family = [psutil.Process(server.pid)]
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                if server.poll() is not None or time.perf_counter() > deadline:
                    raise RuntimeError((folder / "server.log").read_text()) from None
                time.sleep(0.005)
        wall = time.perf_counter() - begun
        family += family[0].children(recursive=True)
        return Start(wall, sum(sum(process.cpu_times()[:2]) for process in family))
    finally:
        server.terminate()
        server.wait()
        psutil.wait_procs(family[1:], timeout=30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def servers(mlflow: str | None) -> None:
    """Print the quickest of several starts in a workspace without a database, and in one that has it."""
    for name, times in {"mainspring up": STARTS, "mlflow server": 2 if mlflow else 0}.items():
        taken: dict[str, list[Start]] = {"fresh": [], "existing": []}
        for _ in range(times):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                (folder / "mainspring.yaml").write_text("project: bench\n")
                port = free_port()
                options = ["--host", "127.0.0.1", "--port", str(port)]
                if name == "mainspring up":
                    command = [sys.executable, "-m", "mainspring", "up", *options]
                else:
                    store = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
                    command = [str(mlflow), "server", *options, "--workers", "1", *store]
                for found in taken.values():
                    found.append(start(command, folder, port))
        for kind, found in taken.items():
            if found:
                wall, used = (min(values) for values in zip(*found, strict=True))
                print(f"{name}, {kind:18} {used * 1000:7.0f} ms CPU  {wall * 1000:7.0f} ms until it answers")


def main() -> None:
    """Print the median CPU time of each line, interleaved, and its ratio to the bare interpreter; then the servers."""
    commands = lines()
    for arguments in commands.values():
        cpu(arguments)
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TIMES):
        for name, arguments in commands.items():
            taken[name].append(cpu(arguments))
    bare = median(taken[BARE])
    for name, values in taken.items():
        print(f"{name:32} {median(values) * 1000:7.1f} ms CPU  {median(values) / bare:5.1f} x")
    servers(sys.argv[1] if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    main()
