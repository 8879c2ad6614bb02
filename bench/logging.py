"""What logging 100,000 metric points from a program costs: in a run of ours, with MLflow on SQLite, and bare SQLite.

Run: MAINSPRING_ENVIRONMENTS=FOLDER python -m bench.logging
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.environments import Unavailable, environment

POINTS = 100_000
PEER_POINTS = 2_000
"""MLflow is asked for fewer points, since each is a transaction of its own; what one costs is shown."""

_HEAD = """
import sys, time
points, folder = int(sys.argv[1]), sys.argv[2]
def measure(log):
    cpu, wall = time.process_time(), time.perf_counter()
    log()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(cpu / points * 1e6, wall / points * 1e6)
"""

OURS = (
    _HEAD
    + """
from pathlib import Path
from mainspring.store.workspace import Workspace
from mainspring.tracking.run import start_run
Path(folder, "mainspring.yaml").write_text("project: bench\\n")
workspace = Workspace(Path(folder))
def log():
    with start_run(workspace, snapshot=False) as run:
        for step in range(points):
            run.log_metric("loss", step * 0.5, step)
start_run(workspace, snapshot=False).finish()
measure(log)
"""
)
MLFLOW = (
    _HEAD
    + """
import logging, mlflow
logging.disable(logging.WARNING)
mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.5, step=0)
def log():
    with mlflow.start_run():
        {body}
measure(log)
"""
)
ONE_BY_ONE = """
        for step in range(points):
            mlflow.log_metric("loss", step * 0.5, step=step)"""
BATCHED = """
        from mlflow.entities import Metric
        client, run_id = mlflow.MlflowClient(), mlflow.active_run().info.run_id
        for first in range(0, points, 1000):
            steps = range(first, min(first + 1000, points))
            client.log_batch(run_id, metrics=[Metric("loss", step * 0.5, 0, step) for step in steps])"""
SQLITE = (
    _HEAD
    + """
import sqlite3
connection = sqlite3.connect(f"{folder}/raw.db", isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=FULL")
connection.execute("CREATE TABLE points (id INTEGER PRIMARY KEY, run_id TEXT, key TEXT, step INTEGER, at INTEGER, value REAL)")
def log():
    for first in range(0, points, 10_000):
        connection.execute("BEGIN IMMEDIATE")
        for step in range(first, min(first + 10_000, points)):
            row = ("r", "loss", step, time.time_ns() // 1_000_000, step * 0.5)
            connection.execute("INSERT INTO points (run_id, key, step, at, value) VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
measure(log)
"""
)


def cost(python: Path | str, program: str, points: int) -> tuple[float, float]:
    """Return microseconds of CPU and of waiting that a point costs, the end of the run included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-c", program, str(points), folder]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu, wall = said.split()[-2:]
    return float(cpu), float(wall)


def main() -> None:
    """Print what a point costs in each way."""
    lines = {
        "run.log_metric": cost(sys.executable, OURS, POINTS),
        "sqlite3, a row a point, 10,000 a transaction": cost(sys.executable, SQLITE, POINTS),
    }
    try:
        peer = environment("mlflow==3.17.2", "scikit-learn")
    except Unavailable as reason:
        print(f"no MLflow to compare with: {reason}")
    else:
        one, batched = MLFLOW.replace("{body}", ONE_BY_ONE), MLFLOW.replace("{body}", BATCHED)
        lines["mlflow.log_metric, sqlite:///"] = cost(peer, one, PEER_POINTS)
        lines["mlflow log_batch of 1,000, sqlite:///"] = cost(peer, batched, PEER_POINTS * 10)
    for name, (cpu, wall) in lines.items():
        print(f"{name:46} {cpu:9.1f} µs CPU {wall:9.1f} µs a point; 100,000: {cpu / 10:7.2f} s CPU")


if __name__ == "__main__":
    main()
