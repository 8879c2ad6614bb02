"""What versioning files costs, ours and DVC's, in one run: CPU and waiting of whole commands, and their ratio.

Run: MAINSPRING_ENVIRONMENTS=FOLDER python -m bench.data.files [--files 10000] [--bytes 10240] [--large-mb 2000]
[--links hardlink] [--ours]

Each is measured several times, in turns, in folders with equal files; pushes go to a folder beside them. Below: what the
machine itself asks for the same. A million files: --files 1000000 --bytes 8 --large-mb 0 --rounds 1 --ours.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data import costs
from bench.data.costs import DVC, Cost
from scripts.environments import environment

if TYPE_CHECKING:
    from collections.abc import Callable


class Side:
    """A command line in a folder of its own."""

    def __init__(self, root: Path, name: str, command: list[str], links: str) -> None:
        self.root = root / name
        self.remote = root / f"{name}-remote"
        self.command = command
        self.root.mkdir()
        self.remote.mkdir()
        costs.cost(["git", "init", "-q"], self.root)
        if name == "dvc":
            self.cost("init", "-q")
            site = str(self.root / ".dvc" / "site")
            for option, value in (("core.analytics", "false"), ("cache.type", links), ("core.site_cache_dir", site)):
                self.cost("config", option, value)
            self.cost("remote", "add", "-d", "store", str(self.remote))
        else:
            lines = (
                "project: bench",
                f"state: {{links: [{links}]}}",
                "datasets: {data: {path: data}}",
                f"remotes: {{store: {{url: '{self.remote}'}}}}",
            )
            (self.root / "mainspring.yaml").write_text("\n".join(lines))

    def cost(self, *words: str) -> Cost:
        """Return what a command costs there."""
        return costs.cost([*self.command, *words], self.root, {"OMP_NUM_THREADS": "1"})


def fill(folder: Path, files: int, size: int) -> None:
    """Write that many files of noise, 500 to a folder; equal on every call."""
    noise = random.Random(1)
    for number in range(files):
        place = folder / f"{number // 500:04d}"
        if number % 500 == 0:
            place.mkdir(parents=True)
        (place / f"{number:07d}.bin").write_bytes(noise.randbytes(size))


def compare(name: str, sides: list[Side], measure: Callable[[Side], Cost], rounds: int) -> None:
    """Print a line of the table: medians of some rounds."""
    taken: dict[str, list[Cost]] = {side.root.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            taken[side.root.name].append(measure(side))
    our = costs.median(taken["ours"])
    theirs = costs.median(taken.get("dvc") or [Cost(math.nan, math.nan, math.nan)])
    print(
        f"{name:48} {theirs.cpu:8.3f} {our.cpu:8.3f} {theirs.cpu / our.cpu:6.1f}x"
        f" {theirs.wall:9.2f} {our.wall:8.2f} {theirs.wall / our.wall:6.1f}x {theirs.memory:8.0f} {our.memory:8.0f}",
        flush=True,
    )


def add(side: Side) -> Cost:
    """Add the data to an empty cache, with nothing remembered of the files."""
    words = ["add", "data"] if side.root.name == "dvc" else ["data", "add", "data"]
    for cache in (".dvc/cache", ".dvc/tmp", ".dvc/site", ".mainspring/objects", ".mainspring/index"):
        shutil.rmtree(side.root / cache, ignore_errors=True)
    (side.root / "data.dvc").unlink(missing_ok=True)
    return side.cost(*words)


def status(side: Side) -> Cost:
    """Look whether anything changed."""
    return side.cost(*(["status"] if side.root.name == "dvc" else ["data", "status"]))


def checkout(side: Side) -> Cost:
    """Put the data back where nothing is."""
    data = side.root / "data"
    shutil.rmtree(data) if data.is_dir() else data.unlink(missing_ok=True)
    return side.cost(*(["checkout"] if side.root.name == "dvc" else ["data", "checkout", "data"]))


def push(side: Side) -> Cost:
    """Push to a folder in which nothing is; DVC starts without what it remembers of it."""
    shutil.rmtree(side.remote)
    side.remote.mkdir()
    shutil.rmtree(side.root / ".dvc" / "site", ignore_errors=True)
    return push_again(side)


def push_again(side: Side) -> Cost:
    """Push what is there already."""
    return side.cost(*(["push", "-q"] if side.root.name == "dvc" else ["data", "push"]))


def fetch(side: Side) -> Cost:
    """Fetch from a folder what the cache has lost."""
    caches = (".dvc/cache", ".mainspring/objects")
    for cache in caches:
        shutil.rmtree(side.root / cache, ignore_errors=True)
    return side.cost(*(["fetch", "-q"] if side.root.name == "dvc" else ["data", "fetch"]))


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of CPU and by the clock that a piece of work takes in this process."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - began


def limits(folder: Path) -> None:
    """Print what the machine needs for the bare operations on the same files (100,000 at most), one after the other."""
    paths = [path for path in folder.rglob("*") if path.is_file()][:100_000] if folder.is_dir() else [folder]

    def hash_all() -> None:
        for path in paths:
            with path.open("rb") as file:
                hashlib.file_digest(file, "md5")

    with tempfile.TemporaryDirectory(dir=folder.parent) as other:

        def link_all() -> None:
            for number, path in enumerate(paths):
                os.link(path, f"{other}/{number}")

        works = (
            ("read and md5", hash_all),
            ("stat", lambda: [path.stat() for path in paths]),
            ("hard links", link_all),
        )
        for name, work in works:
            cpu, wall = measured(work)
            print(f"{f'limit: {name}, files: {len(paths)}':48} {cpu:8.2f} s CPU, {wall:.2f} s")


def table(root: Path, links: str, *, only_ours: bool) -> list[Side]:
    """Make both sides, or ours."""
    ours = Side(root, "ours", [str(Path(sys.executable).parent / "mainspring")], links)
    return [ours] if only_ours else [Side(root, "dvc", [str(environment(DVC).parent / "dvc")], links), ours]


def many(sides: list[Side], options: argparse.Namespace) -> None:
    """Print what many files cost."""
    for side in sides:
        fill(side.root / "data", 1, options.bytes)
        add(side)
    time.sleep(3)  # times of less than two seconds ago are not trusted
    for side in sides:
        status(side)
    compare("status of one small file: the start", sides, status, 3 * options.rounds)
    for side in sides:
        shutil.rmtree(side.root / "data")
        fill(side.root / "data", options.files, options.bytes)
    time.sleep(3)
    rows = (
        ("add", add),
        ("status, nothing changed", status),
        (f"checkout by {options.links}", checkout),
        ("push to a folder", push),
        ("push to a folder, nothing to do", push_again),
        ("fetch from a folder", fetch),
    )
    for name, work in rows:
        compare(f"{name}, {options.files} x {options.bytes} B", sides, work, options.rounds)
    limits(sides[-1].root / "data")


def large(sides: list[Side], megabytes: int) -> None:
    """Print what one large file costs."""
    for side in sides:
        noise = random.Random(1)
        with (side.root / "data").open("wb") as file:
            for _ in range(megabytes):
                file.write(noise.randbytes(1_000_000))
    time.sleep(3)
    for name, work in (("add", add), ("status, nothing changed", status), ("checkout", checkout)):
        compare(f"{name}, one file of {megabytes} MB", sides, work, 1)
    limits(sides[-1].root / "data")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=10_240, help="size of each")
    parser.add_argument("--large-mb", type=int, default=2000, help="size of the one large file; 0 leaves it out")
    parser.add_argument("--links", default="hardlink", choices=["hardlink", "reflink", "copy"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", action="store_true", help="leave DVC out")
    options = parser.parse_args()
    print(
        f"{f'seconds and MB, links: {options.links}':48} {'dvc CPU':>8} {'our CPU':>8} {'':7}"
        f" {'dvc wall':>9} {'our wall':>8} {'':7} {'dvc MB':>8} {'our MB':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        many(table(Path(folder), options.links, only_ours=options.ours), options)
    if options.large_mb:
        with tempfile.TemporaryDirectory() as folder:
            large(table(Path(folder), options.links, only_ours=options.ours), options.large_mb)


if __name__ == "__main__":
    main()
