"""A fresh process that loads an artifact, answers rows, and reports times and memory.

Run as ``python -m mainspring.testing.stopwatch`` with an :class:`Order` as JSON on standard input; the :class:`Reading`
is written as JSON to the file that the order names, since the model's own code may print.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.artifact import Artifact

PINNED = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "POLARS_MAX_THREADS",
    ),
    "1",
)
"""One thread for each library, as a server's worker has it."""
_SECONDS = 300
_WARM_UP = 30
_TURNS = 2000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure: ``fewest`` to ``most`` requests of one row, as many as ``seconds`` allow by the warm-up's speed."""

    what: Literal["latency", "memory"]
    folder: str
    report: str
    fewest: int
    most: int
    seconds: float
    trust_pickle: bool = False
    trusted_types: tuple[str, ...] = ()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: milliseconds a request (and of CPU, and of a fixed calibration loop), or bytes of memory."""

    wall_ms: list[float] = []
    cpu_ms: list[float] = []
    calibration_ms: list[float] = []
    base_bytes: int = 0
    peak_bytes: int = 0
    resident_bytes: list[int] = []
    batch_rows: int = 0


def measure(
    workspace: Workspace,
    artifact: Artifact,
    what: Literal["latency", "memory"],
    *,
    fewest: int,
    most: int,
    seconds: float,
) -> Reading:
    """Measure an artifact in a process of its own, its threads pinned to one.

    Raises:
        InvalidData: the model could not be loaded or did not answer there; says what it said.
    """
    from mainspring.versioning.materials import policy  # the measured process would pay for the database

    trust_pickle, trusted_types = policy(workspace, artifact.folder.name)
    with tempfile.TemporaryDirectory(prefix="mainspring-") as scratch:
        order = Order(
            what=what,
            folder=str(artifact.folder),
            report=str(Path(scratch) / "reading.json"),
            fewest=fewest,
            most=most,
            seconds=seconds,
            trust_pickle=trust_pickle,
            trusted_types=trusted_types,
        )
        _run(order)
        return msgspec.json.decode(Path(order.report).read_bytes(), type=Reading)


def _run(order: Order) -> None:
    command = [sys.executable, "-m", "mainspring.testing.stopwatch"]
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(order),
            capture_output=True,
            env={**os.environ, **PINNED},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidData(
            f"the model did not answer {order.fewest} rows within {_SECONDS} s", hint="lower 'requests' of the check"
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing was said"]
        raise InvalidData(f"the model could not be measured in a process of its own: {said[0]}", said=said[0])


def main() -> None:
    """Do what the order on standard input says."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    from mainspring.versioning.artifact import load_artifact

    base = peak_memory()
    artifact = load_artifact(
        Path(order.folder), trust_pickle=order.trust_pickle, trusted_types=list(order.trusted_types)
    )
    rows, _ = artifact.probe()
    reading = _time(artifact, rows, order) if order.what == "latency" else _weigh(artifact, rows, order, base)
    Path(order.report).write_text(json.dumps(msgspec.to_builtins(reading)))


def _time(artifact: Artifact, rows: pl.DataFrame, order: Order) -> Reading:
    wall: list[float] = []
    cpu: list[float] = []
    calibration: list[float] = []
    for row in _rows(rows, _requests(artifact, rows, order)):
        cpu_start, start = time.process_time_ns(), time.perf_counter_ns()
        artifact.predict(row)
        wall.append((time.perf_counter_ns() - start) / 1e6)
        cpu.append((time.process_time_ns() - cpu_start) / 1e6)
        start = time.perf_counter_ns()
        sum(range(_TURNS))
        calibration.append((time.perf_counter_ns() - start) / 1e6)
    return Reading(wall_ms=wall, cpu_ms=cpu, calibration_ms=calibration)


def _weigh(artifact: Artifact, rows: pl.DataFrame, order: Order, base: int) -> Reading:
    import psutil

    artifact.predict(rows)
    process = psutil.Process()
    resident = []
    for row in _rows(rows, _requests(artifact, rows, order)):
        artifact.predict(row)
        resident.append(process.memory_info().rss)
    return Reading(base_bytes=base, peak_bytes=peak_memory(), resident_bytes=resident, batch_rows=rows.height)


def _requests(artifact: Artifact, rows: pl.DataFrame, order: Order) -> int:
    """Warm up, and return how many requests there is time for."""
    start = time.perf_counter()
    for row in _rows(rows, _WARM_UP):
        artifact.predict(row)
    each = (time.perf_counter() - start) / _WARM_UP
    return max(order.fewest, min(order.most, int(order.seconds / max(each, 1e-9))))


def _rows(rows: pl.DataFrame, times: int) -> Iterator[pl.DataFrame]:
    for index in range(times):
        yield rows.slice(index % rows.height, 1)


def peak_memory() -> int:
    """Return the most bytes of memory that this process ever held resident.

    On Linux it is read from ``/proc``, since ``ru_maxrss`` also remembers what the process was before it became this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


if __name__ == "__main__":
    main()
