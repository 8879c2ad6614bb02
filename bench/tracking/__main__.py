"""Server CPU a call, ours and MLflow's, in one run: ``python -m bench.tracking [--only TEXT] [--rounds N]``.

The same raw requests go to both servers in turns, so that whatever else the machine does hits both. Below them: one
transaction of bare SQLite with the rows that log_metric and log_batch stand for.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import threading
import time
from pathlib import Path

from bench.tracking.cases import CASES, fresh_run
from bench.tracking.servers import Server, ours, stock


def bare_sqlite(points: int) -> float:
    """Return the CPU milliseconds of one durable transaction of that many rows."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder, "bare.db"), isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(
            "CREATE TABLE t (run TEXT, key TEXT, step INT, at INT, value REAL, PRIMARY KEY (run, key, step))"
        )
        taken = []
        for number in range(30):
            rows = [("r" * 32, f"m{item % 10}", number * 1000 + item, 1, 0.5) for item in range(points)]
            before = time.process_time()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
            taken.append(time.process_time() - before)
    return statistics.median(taken) * 1e3


def throughput(server: Server, clients: int = 8, seconds: float = 8.0) -> tuple[float, int]:
    """Return calls a second of log_batch(100) from several clients at once, and how many failed."""
    done, failed = [0] * clients, [0] * clients
    stop = time.monotonic() + seconds
    runs = [fresh_run(server, "0") for _ in range(clients)]

    def work(client: int) -> None:
        own = server.another()
        number = 0
        while time.monotonic() < stop:
            metrics = [{"key": f"m{item}", "value": 1.5, "timestamp": number, "step": number} for item in range(100)]
            number += 1
            try:
                own.raw("POST", "runs/log-batch", {"run_id": runs[client], "metrics": metrics})
                done[client] += 1
            except (RuntimeError, OSError):
                failed[client] += 1

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began), sum(failed)


def compare(servers: list[Server], only: str, rounds: int) -> None:
    """Print the table."""
    print(f"{'server CPU a call, ms':42} {'mlflow':>9} {'mainspring':>11} {'ratio':>7}")
    for case in CASES:
        if only not in case.name:
            continue
        calls = {server.name: case.prepare(server) for server in servers}
        taken: dict[str, list[float]] = {server.name: [] for server in servers}
        number = 0
        for server in servers:  # what is imported and compiled once is not the price of a call
            for _ in range(case.calls):
                calls[server.name](number)
                number += 1
        for _ in range(rounds):
            for server in servers:
                before = server.cpu()
                for turn in range(case.calls):
                    calls[server.name](number + turn)
                taken[server.name].append((server.cpu() - before) / case.calls * 1e3)
            number += case.calls
        theirs, our = (statistics.median(taken[name]) for name in ("mlflow", "mainspring"))
        print(f"{case.name:42} {theirs:9.2f} {our:11.3f} {theirs / our:6.1f}x", flush=True)


def main() -> None:
    """Run both servers and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        stock(Path(folder, "mlflow")) as theirs,
        ours(Path(folder, "ours")) as our,
    ):
        our.call("GET", "experiments/get", {"experiment_id": "0"})
        our.settle()
        for server in (theirs, our):
            print(f"{server.name}: idle {server.rss() / 2**20:.0f} MiB in {server.processes()} processes")
        compare([theirs, our], options.only, options.rounds)
        if not options.only:
            for server in (theirs, our):
                rate, failed = throughput(server)
                print(f"{server.name}: 8 clients, log_batch(100): {rate:.0f} calls/s, {failed} failed")
    for points in (1, 1000):
        print(f"bare SQLite, one durable transaction of {points} rows: {bare_sqlite(points):.2f} ms CPU")


if __name__ == "__main__":
    main()
