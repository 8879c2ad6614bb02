"""What is measured: each case prepares once and is then called many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.tracking.servers import Server

RUNS = 2000


class Case(NamedTuple):
    """A case: ``prepare`` gives the call to measure, which is told its number."""

    name: str
    calls: int
    prepare: Callable[[Server], Callable[[int], Any]]
    must: float = 10


def fresh_run(server: Server, experiment: str) -> str:
    """Make a run and return its id."""
    made = server.call("POST", "runs/create", {"experiment_id": experiment, "start_time": 1, "run_name": "bench"})
    return str(made["run"]["info"]["run_id"])


def fresh_experiment(server: Server, name: str) -> str:
    """Make an experiment and return its id."""
    return str(server.call("POST", "experiments/create", {"name": name})["experiment_id"])


def log_metric(server: Server) -> Callable[[int], Any]:
    """Log one value."""
    run = fresh_run(server, "0")
    fields = {"run_id": run, "key": "loss", "value": 0.5}
    return lambda number: server.raw("POST", "runs/log-metric", {**fields, "timestamp": number, "step": number})


def log_batch(server: Server) -> Callable[[int], Any]:
    """Log 1000 values of 10 metrics."""
    run = fresh_run(server, "0")

    def call(number: int) -> bytes:
        metrics = [
            {"key": f"m{item % 10}", "value": item / 7, "timestamp": number, "step": number * 100 + item // 10}
            for item in range(1000)
        ]
        return server.raw("POST", "runs/log-batch", {"run_id": run, "metrics": metrics})

    return call


def log_wide_batch(server: Server) -> Callable[[int], Any]:
    """Log 1000 values of 1000 metrics."""
    run = fresh_run(server, "0")

    def call(number: int) -> bytes:
        metrics = [{"key": f"m{item}", "value": item / 7, "timestamp": number, "step": number} for item in range(1000)]
        return server.raw("POST", "runs/log-batch", {"run_id": run, "metrics": metrics})

    return call


def create_run(server: Server) -> Callable[[int], Any]:
    """Make a run with 20 params and 20 metrics."""
    experiment = fresh_experiment(server, "runs")
    return lambda number: fill(server, experiment, number)


def fill(server: Server, experiment: str, number: int) -> None:
    """Make a run with 20 params and 20 metrics, of which one tells the runs apart."""
    run = fresh_run(server, experiment)
    params = [{"key": f"p{item}", "value": str(number + item)} for item in range(20)]
    metrics = [{"key": f"m{item}", "value": number + item / 20, "timestamp": 1, "step": 0} for item in range(20)]
    server.raw("POST", "runs/log-batch", {"run_id": run, "params": params, "metrics": metrics})


def _many(server: Server) -> str:
    """Return an experiment with 2000 runs, made once."""
    try:
        name = {"experiment_name": "many"}
        return str(server.call("GET", "experiments/get-by-name", name)["experiment"]["experiment_id"])
    except RuntimeError:
        experiment = fresh_experiment(server, "many")
        for number in range(RUNS):
            fill(server, experiment, number)
        return experiment


def search(server: Server) -> Callable[[int], Any]:
    """Find the newest 100 of 2000 runs."""
    fields = {"experiment_ids": [_many(server)], "max_results": 100}
    return lambda _number: server.raw("POST", "runs/search", fields)


def search_selective(server: Server) -> Callable[[int], Any]:
    """Find the 4 of 2000 runs that a metric filter lets through."""
    found = {"experiment_ids": [_many(server)], "max_results": 100, "filter": f"metrics.m0 >= {RUNS - 4}"}
    assert len(server.call("POST", "runs/search", found)["runs"]) == 4
    return lambda _number: server.raw("POST", "runs/search", found)


def history(server: Server) -> Callable[[int], Any]:
    """Read a curve of 10,000 points."""
    run = fresh_run(server, "0")
    for start in range(0, 10_000, 1000):
        metrics = [
            {"key": "loss", "value": step / 7, "timestamp": step, "step": step} for step in range(start, start + 1000)
        ]
        server.raw("POST", "runs/log-batch", {"run_id": run, "metrics": metrics})
    fields = {"run_id": run, "metric_key": "loss", "max_results": 25_000}
    assert len(server.call("GET", "metrics/get-history", fields)["metrics"]) == 10_000
    return lambda _number: server.raw("GET", "metrics/get-history", fields)


CASES = [
    Case("log_metric", 200, log_metric),
    Case("log_batch, 1000 points of 10 metrics", 20, log_batch),
    Case("log_batch, 1000 points of 1000 metrics", 20, log_wide_batch),
    Case("create_run + 20 params + 20 metrics", 50, create_run),
    Case("search, 100 of 2000 runs", 20, search),
    Case("search, a filter that 4 of 2000 pass", 50, search_selective),
    Case("history of 10,000 points", 20, history),
]
