"""What searches cost in one large experiment: ``python -m bench.search [--on KIND] [--only TEXT]``; sizes by ``--help``.

Each question is asked for its first page, its second, and the one after 50,000 runs; then the orders of a small
experiment in the same database.
"""

from __future__ import annotations

import argparse
import random
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.measuring import KINDS, measured
from mainspring.base.ids import new_id
from mainspring.tracking.experiments import create_experiment
from mainspring.tracking.query import MOST, search_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measuring import Measured

START = 1_700_000_000_000
TIMES = 5
_HALF = "metrics.metric_1 > 0.5"
CASES: dict[str, dict[str, Any]] = {
    "newest": {},
    "newest, 1000 a page": {"limit": 1000},
    "newest, deleted": {"view": "deleted"},
    "newest, all": {"view": "all"},
    **{
        f"by {order}": {"order_by": [order]}
        for order in (
            "metrics.metric_1 DESC",
            "metrics.metric_1",
            "metrics.rare",
            "metrics.nobody",
            "params.param_1",
            "params.param_1 DESC",
            "params.own",
            "params.rare",
            "params.nobody",
            "tags.`mlflow.user`",
            "tags.group DESC",
            "tags.nobody",
            "run_name",
            "start_time",
            "end_time DESC",
            "status",
            "user_id",
            "artifact_uri",
            "run_id",
        )
    },
    "by a param, then a metric": {"order_by": ["params.param_1", "metrics.metric_1 DESC"]},
    "by a metric, then a param": {"order_by": ["metrics.metric_1", "params.param_1"]},
    "by a metric, deleted": {"order_by": ["metrics.metric_1 DESC"], "view": "deleted"},
    "by a param, deleted": {"order_by": ["params.param_1"], "view": "deleted"},
    "by a param, all": {"order_by": ["params.param_1"], "view": "all"},
    **{
        f"where {text}": {"filter": text}
        for text in (
            "metrics.few < 4",
            _HALF,
            "metrics.metric_1 > 0.5 AND metrics.metric_2 < 0.001",
            "metrics.nobody > 0",
            "metrics.metric_1 != 0.5",
            "params.param_1 = '7'",
            "params.own = '77'",
            "params.own LIKE '%777%'",
            "params.own ILIKE '%none%'",
            "params.nobody = '1'",
            "params.rare IS NOT NULL",
            "params.param_1 IS NULL",
            "params.param_1 != '7'",
            "tags.`mlflow.parentRunId` = 'x'",
            "tags.group = '1'",
            "tags.group = 'none'",
            "tags.rare IS NOT NULL",
            "run_name = 'run 77'",
            "run_name LIKE '%777%'",
            "run_name = 'none'",
            "status = 'FAILED'",
            "status = 'KILLED'",
            "user_id = 'nobody'",
            f"start_time < {START + 10}",
            f"start_time > {START + 10**9}",
            f"end_time < {START + 10}",
            "artifact_uri LIKE '%none%'",
            "dataset.name = 'flights'",
            "dataset.name = 'none'",
        )
    },
    "half pass, by another metric": {"filter": _HALF, "order_by": ["metrics.metric_0"]},
    "half pass, by a param": {"filter": _HALF, "order_by": ["params.param_1"]},
    "a param of 1 %, by a metric": {"filter": "params.param_1 = '7'", "order_by": ["metrics.metric_1 DESC"]},
    "a param of 1 %, by a param": {"filter": "params.param_1 = '7'", "order_by": ["params.own"]},
    "a param that none has, by a metric": {"filter": "params.own = 'x'", "order_by": ["metrics.metric_1"]},
}


def fill(place: Measured, count: int, keys: int) -> None:
    """Write runs with as many params and metrics each, past the verbs."""
    dice = random.Random(0)
    runs = list(enumerate(sorted(new_id() for _ in range(count))))
    place.insert("runs", _RUN, (_run(number, run, place.experiment) for number, run in runs))
    place.insert("params", ("run_id", "key", "value"), _texts(runs, keys, dice, "param"))
    place.insert("tags", ("run_id", "key", "value"), _texts(runs, 0, dice, "tag"))
    place.insert(
        "latest_metrics",
        ("run_id", "key", "step", "at", "value"),
        (
            (run, key, 0, START, value)
            for number, run in runs
            for key, value in sorted(_metrics(number, keys, dice).items())
        ),
    )
    place.insert(
        "inputs",
        ("run_id", "dataset", "md5", "path", "context"),
        ((run, "flights", f"{number:032x}", "x", "train") for number, run in runs if number % 10 == 0),
    )
    place.settle()


_RUN = ("id", "experiment_id", "name", "status", "started_at", "ended_at", "actor", "lifecycle")


def _run(number: int, run: str, experiment: str) -> tuple[Any, ...]:
    status = "failed" if number % 1000 == 0 else "finished"
    lifecycle = "deleted" if number % 100 == 99 else "active"
    start = START + number // 3
    return run, experiment, f"run {number}", status, start, start + number % 7, "bench", lifecycle


def _texts(runs: list[tuple[int, str]], keys: int, dice: random.Random, kind: str) -> Iterator[tuple[str, str, str]]:
    for number, run in runs:
        held = {f"param_{key}": str(dice.randrange(100)) for key in range(keys)}
        held |= {"own": str(number)} if kind == "param" else {"group": str(number % 10), "mlflow.user": "bench"}
        if number % 1000 == 0:
            held["rare"] = str(dice.random())
        yield from ((run, key, value) for key, value in sorted(held.items()))


def _metrics(number: int, keys: int, dice: random.Random) -> dict[str, float]:
    rare = {"rare": dice.random()} if number % 1000 == 0 else {}
    return {f"metric_{key}": dice.random() for key in range(keys)} | {"few": float(number)} | rare


def ask(place: Measured, question: dict[str, Any]) -> list[str]:
    """Return how many runs the first page has, and what each page costs, as cells of the table."""

    def search(token: str | None, limit: int) -> Any:
        return search_runs(place.workspace, [place.experiment], **{"limit": limit} | question | {"page": token})

    first = search(None, 100)
    deep = search_runs(place.workspace, [place.experiment], **question | {"limit": MOST}).next if first.next else None
    cells = [f"{len(first.items)}"]
    for number, token in enumerate((None, first.next, deep)):
        taken = None if number and token is None else place.cost(partial(search, token, 100), TIMES)
        cells.append("-" if taken is None else f"{taken:.1f}")
    return cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=1200, help="runs of the experiment beside the large one")
    parser.add_argument("--keys", type=int, default=5, help="params and metrics of a run")
    parser.add_argument("--on", choices=KINDS, default="sqlite")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    with measured(options.on) as place:
        fill(place, options.runs, options.keys)
        print(f"{options.on}, {options.runs} runs: CPU ms a page of 100, the median of {TIMES}")
        print(f"{'':52} {'runs':>5} {'first':>8} {'second':>8} {'deep':>8}")
        ask_all(place, CASES, options.only)
        print(f"\nan experiment of {options.small} runs beside them")
        place.experiment = create_experiment(place.workspace, "small").id
        fill(place, options.small, options.keys)
        ask_all(place, {name: question for name, question in CASES.items() if name.startswith("by ")}, options.only)


def ask_all(place: Measured, questions: dict[str, dict[str, Any]], only: str) -> None:
    """Print a line for each question."""
    for name, question in questions.items():
        if only in name:
            runs, *costs = ask(place, question)
            print(f"{name:52} {runs:>5} " + " ".join(f"{cost:>8}" for cost in costs), flush=True)


if __name__ == "__main__":
    main()
