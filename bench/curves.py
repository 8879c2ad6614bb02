"""What reading one long curve costs: ``python -m bench.curves [--points N] [--on KIND]``; and what logging costs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.measuring import KINDS, measured
from mainspring.tracking import history, search
from mainspring.tracking.batch import log_batch, point
from mainspring.tracking.runs import create_run
from mainspring.web.mlflow import metrics as face

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bench.measuring import Measured

START = 1_700_000_000_000
TIMES = 7
_TOGETHER = 1000


def fill(place: Measured, count: int) -> str:
    """Log points of one metric as a client does, in order; return their run."""
    run = create_run(place.workspace, place.experiment).id
    for first in range(0, count, _TOGETHER):
        steps = range(first, min(first + _TOGETHER, count))
        log_batch(place.workspace, run, metrics=[point("loss", 1 / (1 + step), step, START + step) for step in steps])
    return run


def reads(place: Measured, run: str, count: int) -> dict[str, Callable[[], Any]]:
    """Return what is asked."""
    workspace = place.workspace
    middle = count // 2

    def interval() -> Any:
        return face.get_interval(workspace, face.Interval([run], "loss"))

    def page(start: int, most: int) -> Any:
        return face.get_history(
            workspace, face.History(run_id=run, metric_key="loss", max_results=most, page_token=str(start))
        )

    return {
        "the whole curve, as lists": lambda: search.curves(workspace, run, ["loss"]),
        "the whole curve, as columns": lambda: history.page(workspace, run, "loss"),
        "outline of 1,000 points": lambda: history.outline(workspace, run, "loss", most=1000),
        "1,000 of them, evenly": lambda: history.sampled(workspace, run, "loss", most=1000),
        "get-history-bulk-interval": interval,
        "get-history, first page of 1,000": lambda: page(0, 1000),
        "get-history, page of 25,000 in the middle": lambda: page(middle, 25_000),
        "newest values": lambda: search.get_run(workspace, run).metrics["loss"],
    }


def writes(place: Measured) -> dict[str, Callable[[], None]]:
    """Return batches as runs log them."""
    run = create_run(place.workspace, place.experiment).id
    numbers = iter(range(10**9))

    def log(points: int, keys: int, texts: int) -> None:
        step = next(numbers)
        log_batch(
            place.workspace,
            run,
            metrics=[point(f"metric_{number % keys}", 0.5, step, START) for number in range(points)],
            params={f"{step}_{number}": number for number in range(texts)},
            tags={f"{step}_{number}": number for number in range(texts)},
        )

    return {
        "log_batch of 1 point": lambda: log(1, 1, 0),
        "log_batch of 1000 points of 20 metrics": lambda: log(1000, 20, 0),
        "log_batch of 100 params and 100 tags": lambda: log(0, 1, 100),
        "log_batch of 200 new metrics": lambda: log(200, 200, 0),
        "create_run": lambda: create_run(place.workspace, place.experiment) and None,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--on", choices=KINDS, default="sqlite")
    options = parser.parse_args()
    with measured(options.on) as place:
        run = fill(place, options.points)
        print(f"{options.on}, {options.points} points: CPU ms, the median of {TIMES}; of writes, of 200")
        for name, call in reads(place, run, options.points).items():
            print(f"{name:44} {place.cost(call, TIMES):8.2f}", flush=True)
        for name, write in writes(place).items():
            print(f"{name:44} {place.cost(write, 200):8.3f}", flush=True)


if __name__ == "__main__":
    main()
