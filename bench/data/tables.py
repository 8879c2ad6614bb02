"""What a Delta table of many rows takes to travel in and to compare: ``python -m bench.data.tables [--rows 10_000_000]``.

Each figure is of a process of its own: wall and CPU seconds without its start, and the most memory it ever had.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.monitoring.data_diff import diff
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = 6
TOGETHER = 1_000_000
SETTINGS = "project: bench\ndatasets: {trips: {path: data/trips, table: delta, key: [id]}}\n"


def frame(ids: Any, seed: int) -> pl.DataFrame:
    """Return rows: a key, numbers, and a text with 50 values."""
    draw = np.random.default_rng(seed)
    numbers = {f"x{index}": draw.normal(size=len(ids)) for index in range(COLUMNS)}
    return pl.DataFrame({"id": ids, **numbers, "city": draw.integers(0, 50, len(ids))}).with_columns(
        pl.col("city").cast(pl.String)
    )


def build(root: Path, count: int) -> dict[str, int]:
    """Make a table, append to it, merge into it and write it again in another order; return name → version."""
    workspace = Workspace(root)
    table = Table("trips", workspace)
    versions: dict[str, int] = {}
    for start in range(0, count, TOGETHER):
        part = frame(np.arange(start, min(start + TOGETHER, count)), start)
        versions["made"] = table.append(part) if start else table.create(part)
    versions["appended"] = table.append(frame(np.arange(count, count + count // 100), 1))
    few = np.random.default_rng(2).choice(count, count // 1000, replace=False)
    versions["merged"] = table.merge(frame(few, 3))
    rows = table.frame()
    draw = np.random.default_rng(4)
    rows = rows[draw.permutation(rows.height)].with_columns(
        x0=pl.when(pl.Series(draw.random(rows.height) < 0.01)).then(pl.col("x0") + 1).otherwise("x0")
    )
    versions["rewritten"] = table.overwrite(rows)
    workspace.close()
    return versions


def figures(versions: dict[str, int]) -> dict[str, Callable[[Workspace], Any]]:
    """Return what is measured."""

    def travel(workspace: Workspace) -> Any:
        return Table("trips", workspace).scan(version=versions["made"]).select(pl.len(), pl.col("x0").mean()).collect()

    def by_moment(workspace: Workspace) -> Any:
        table = Table("trips", workspace)
        [commit] = [each for each in table.history() if each.version == versions["made"]]
        return table.scan(at=datetime.fromtimestamp(commit.at / 1000, UTC)).select(pl.len()).collect().item()

    def delete(workspace: Workspace) -> str:
        return f"-{Table('trips', workspace).delete('x1 > 0').rows:,}"

    def compared(before: str, after: str, *, profile: bool = True) -> Callable[[Workspace], Any]:
        def call(workspace: Workspace) -> str:
            first, second = f"@{versions[before]}", f"@{versions[after]}"
            rows = diff(workspace, "trips", first, second, profile=profile).rows
            assert rows is not None
            return f"+{rows.added:,} -{rows.removed:,} ~{rows.changed:,}"

        return call

    return {
        "time travel by version, the mean of a column": travel,
        "time travel by moment, the number of rows": by_moment,
        "diff after an append of 1%, no profile": compared("made", "appended", profile=False),
        "diff after an append of 1%": compared("made", "appended"),
        "diff after a merge of 0.1%, all files rewritten": compared("appended", "merged"),
        "diff after a rewrite in another order, no profile": compared("merged", "rewritten", profile=False),
        "diff after a rewrite in another order": compared("merged", "rewritten"),
        "half of the rows deleted": delete,
    }


def measure(root: Path, versions: dict[str, int], name: str, told: Any) -> None:
    """Do one of them in this process, and tell what it took."""
    workspace = Workspace(root)
    wall, cpu = time.perf_counter(), time.process_time()
    answer = figures(versions)[name](workspace)
    taken = time.perf_counter() - wall, time.process_time() - cpu
    workspace.close()
    told.send((*taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, str(answer).splitlines()[-2:][0]))


def _built(root: Path, count: int, told: Any) -> None:
    told.send(build(root, count))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    count = parser.parse_args().rows
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="bench-tables-") as folder:
        root = Path(folder)
        (root / "mainspring.yaml").write_text(SETTINGS)
        versions = _told(spawn, _built, root, count)
        print(f"{count:,} rows of {COLUMNS + 2} columns, {os.cpu_count()} processors")
        print(f"{'what':<52}{'wall s':>8}{'CPU s':>8}{'MB':>8}  answer")
        for name in figures(versions):
            wall, cpu, memory, answer = _told(spawn, measure, root, versions, name)
            print(f"{name:<52}{wall:>8.2f}{cpu:>8.2f}{memory:>8.0f}  {answer}", flush=True)


def _told(spawn: Any, call: Callable[..., None], *arguments: Any) -> Any:
    receiver, sender = spawn.Pipe(duplex=False)
    child = spawn.Process(target=call, args=(*arguments, sender))
    child.start()
    sender.close()
    answer = receiver.recv()
    child.join()
    return answer


if __name__ == "__main__":
    main()
