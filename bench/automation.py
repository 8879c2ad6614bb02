"""What recording a step costs: no-op steps, first recorded and then remembered, against bare SQLite commits.

Run it as ``python -m bench.automation``. Both sides run in this process on the same disk; CPU time and wall time are the
median of several rounds.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.automation.recorder import recording
from mainspring.automation.step import step
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 10
ROUNDS = 30


@step
def nothing(number: int) -> int:
    """Do nothing, on record; what is returned differs, so that every result is stored."""
    return number


def measured(action: Callable[[], object]) -> tuple[float, float]:
    """Return CPU and wall milliseconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def connect(folder: Path) -> sqlite3.Connection:
    """Open a database that is as durable as the platform's (WAL, FULL)."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for line in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE t (key TEXT PRIMARY KEY, value TEXT)",
    ):
        connection.execute(line)
    return connection


def commits(connection: sqlite3.Connection, offset: int) -> None:
    """Commit one row a step."""
    for number in range(STEPS):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (?, ?)", (f"{offset}-{number}", "x" * 200))
        connection.execute("COMMIT")


def rounds(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Measure the sides in turns, so that what else the machine does hits all of them."""
    workspace, connection = Workspace(folder), connect(folder)
    found: dict[str, list[tuple[float, float]]] = {
        "bare sqlite3 commits": [],
        "steps recorded": [],
        "steps remembered": [],
    }
    with recording(workspace):
        for offset in range(ROUNDS + 1):
            start = offset * STEPS
            fresh = measured(lambda start=start: [nothing(start + number) for number in range(STEPS)])
            again = measured(lambda: [nothing(number) for number in range(STEPS)])
            alone = measured(lambda offset=offset: commits(connection, offset))
            for title, value in zip(found, (alone, fresh, again), strict=True):
                found[title].append(value)
    connection.close()
    workspace.close()
    return {title: values[1:] for title, values in found.items()}


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mainspring.yaml").write_text("project: bench\n")
        rows = rounds(folder)
    middle = {
        title: (statistics.median(cpu for cpu, _ in found), statistics.median(wall for _, wall in found))
        for title, found in rows.items()
    }
    base = middle["bare sqlite3 commits"]
    print(f"{STEPS} no-op steps, median of {ROUNDS} rounds\n")
    print(f"{'':24}{'CPU ms':>10}{'wall ms':>10}{'ms a step':>11}{'CPU ratio':>11}")
    for title, (cpu, wall) in middle.items():
        print(f"{title:24}{cpu:>10.2f}{wall:>10.2f}{wall / STEPS:>11.3f}{cpu / base[0]:>11.1f}")
    recorded, remembered = middle["steps recorded"], middle["steps remembered"]
    print(f"\na step recorded: {(recorded[1] - base[1]) / STEPS:.2f} ms of wall time beside its commit", end="; ")
    print(f"ten steps remembered: {remembered[1]:.2f} ms")


if __name__ == "__main__":
    main()
