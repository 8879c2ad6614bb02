"""What a command costs: its CPU, its waiting, and the most memory it had, with its start."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

DVC = "dvc[s3]==3.67.1"


class Cost(NamedTuple):
    """Seconds of CPU, user and system, seconds by the clock, and MB of memory at most, of the process and its children."""

    cpu: float
    wall: float
    memory: float


def cost(command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; one that fails is an error here."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "DVC_NO_ANALYTICS": "1", **(variables or {})}
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        assert process.returncode == 0, said.read().decode()
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1e3)


def median(costs: Iterable[Cost]) -> Cost:
    """Return the medians."""
    return Cost(*map(statistics.median, zip(*costs, strict=True)))
