"""What searches cost in one large experiment. Run: python bench/search.py [RUNS] [KEYS]."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mainspring.base.ids import new_id
from mainspring.store.workspace import Workspace
from mainspring.tracking.experiments import create_experiment
from mainspring.tracking.query import search_runs

START = 1_700_000_000_000
TIMES = 7
CASES: dict[str, dict[str, Any]] = {
    "newest 100": {"limit": 100},
    "newest 1000": {"limit": 1000},
    "100 by a metric": {"limit": 100, "order_by": ["metrics.metric_1 DESC"]},
    "100 by a metric that few have": {"limit": 100, "order_by": ["metrics.rare"]},
    "a metric that 4 pass": {"filter": "metrics.few < 4"},
    "a metric that half pass": {"limit": 100, "filter": "metrics.metric_1 > 0.5"},
    "a metric that half pass, by another": {
        "limit": 100,
        "filter": "metrics.metric_1 > 0.5",
        "order_by": ["metrics.metric_0"],
    },
    "a param that 1 % have": {"limit": 100, "filter": "params.param_1 = '7'"},
    "a tag that none has": {"limit": 100, "filter": "tags.`mlflow.parentRunId` = 'x'"},
    "100 by a param": {"limit": 100, "order_by": ["params.param_1"]},
}


def fill(workspace: Workspace, count: int, keys: int) -> str:
    """Write runs with as many params and metrics each, past the verbs; return their experiment."""
    experiment = create_experiment(workspace, "large").id
    dice = random.Random(0)
    ids = [new_id() for _ in range(count)]
    inserts = {
        "runs(id, experiment_id, name, status, started_at, actor)": (
            (run, experiment, f"run {number}", "finished", START + number // 3, "bench")
            for number, run in enumerate(ids)
        ),
        "params(run_id, key, value)": (
            (run, f"param_{key}", str(dice.randrange(100))) for run in ids for key in range(keys)
        ),
        "tags(run_id, key, value)": ((run, "mlflow.user", "bench") for run in ids),
        "latest_metrics(run_id, key, step, at, value)": (
            (run, key, 0, START, value) for number, run in enumerate(ids) for key, value in _metrics(number, keys, dice)
        ),
    }
    with workspace.database.write() as connection:
        cursor = connection.connection.cursor()
        for columns, rows in inserts.items():
            marks = ", ".join("?" * (columns.count(",") + 1))
            cursor.executemany(f"INSERT INTO {columns} VALUES ({marks})", rows)
    return experiment


def _metrics(number: int, keys: int, dice: random.Random) -> list[tuple[str, float]]:
    rare = [("rare", dice.random())] if number % 1000 == 0 else []
    return [(f"metric_{key}", dice.random()) for key in range(keys)] + [("few", float(number)), *rare]


def main() -> None:
    """Print the least CPU time of each search, of its first page and of the second."""
    given = [int(text) for text in sys.argv[1:]]
    count, keys = (given + [100_000, 5][len(given) :])[:2]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mainspring.yaml").write_text("project: bench\n")
        workspace = Workspace(Path(folder))
        experiment = fill(workspace, count, keys)
        print(f"{count} runs with {keys} params and {keys + 1} metrics each; ms of CPU, the least of {TIMES}")
        for name, question in CASES.items():
            taken: list[list[float]] = [[], []]
            token = None
            for page in (0, 1):
                for _ in range(TIMES if page == 0 or token else 0):
                    start = time.process_time()
                    found = search_runs(workspace, [experiment], page=token, **question)
                    taken[page].append((time.process_time() - start) * 1000)
                    if page == 0:
                        runs = len(found.items)
                token = found.next
            second = f"{min(taken[1]):8.2f}" if taken[1] else "       -"
            print(f"{name:38} {runs:5} runs {min(taken[0]):8.2f}   next page {second}")
        workspace.close()


if __name__ == "__main__":
    main()
