"""What versioning files costs, ours and DVC's, in one run: CPU and waiting of whole commands, and their ratio.

Run: MAINSPRING_ENVIRONMENTS=FOLDER python -m bench.data.files [--files 10000] [--large-mb 2000] [--links hardlink]

Each is measured several times, in turns, in folders with equal files. Below: what the machine itself asks for the same.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scripts.environments import environment

if TYPE_CHECKING:
    from collections.abc import Callable

DVC = "dvc[s3]==3.67.1"
BYTES = 10_240
ENVIRON = {**os.environ, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}


class Cost(NamedTuple):
    """Seconds of CPU, and of waiting."""

    cpu: float
    wall: float


class Side:
    """A command line in a folder of its own."""

    def __init__(self, root: Path, name: str, command: list[str], links: str) -> None:
        self.root = root / name
        self.command = command
        self.root.mkdir()
        self.run("git", "init", "-q")
        if name == "dvc":
            self.run(*command, "init", "-q")
            site = str(self.root / ".dvc" / "site")
            for option, value in (("core.analytics", "false"), ("cache.type", links), ("core.site_cache_dir", site)):
                self.run(*command, "config", option, value)
        else:
            text = f"project: bench\nstate: {{links: [{links}]}}\ndatasets: {{data: {{path: data}}}}\n"
            (self.root / "mainspring.yaml").write_text(text)

    def run(self, *words: str) -> None:
        """Run a command there."""
        subprocess.run(words, cwd=self.root, check=True, capture_output=True, env=ENVIRON)

    def cost(self, *words: str) -> Cost:
        """Return what a command costs."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        self.run(*self.command, *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(cpu, time.perf_counter() - began)


def fill(folder: Path, files: int) -> None:
    """Write that many files of 10 KB of noise, 500 to a folder; equal on every call."""
    noise = random.Random(1)
    for number in range(files):
        place = folder / f"{number // 500:04d}"
        if number % 500 == 0:
            place.mkdir(parents=True)
        (place / f"{number:07d}.bin").write_bytes(noise.randbytes(BYTES))


def compare(name: str, sides: list[Side], measure: Callable[[Side], Cost], rounds: int) -> None:
    """Print a line of the table: medians of some rounds."""
    taken: dict[str, list[Cost]] = {side.root.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            taken[side.root.name].append(measure(side))
    theirs, our = (Cost(*map(statistics.median, zip(*taken[key], strict=True))) for key in ("dvc", "ours"))
    print(
        f"{name:44} {theirs.cpu:8.3f} {our.cpu:8.3f} {theirs.cpu / our.cpu:6.1f}x"
        f" {theirs.wall:9.2f} {our.wall:8.2f} {theirs.wall / our.wall:6.1f}x",
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


def measured(work: Callable[[], object]) -> Cost:
    """Return what a piece of work costs in this process."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - began)


def limits(folder: Path) -> None:
    """Print what the machine needs for the bare operations on the same files, one after the other."""
    paths = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else [folder]

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
            found = measured(work)
            print(f"limit: {name:37} {found.cpu:8.2f} s CPU, {found.wall:.2f} s")


def table(root: Path, links: str) -> list[Side]:
    """Make both sides, with equal data."""
    python = environment(DVC)
    ours = [str(Path(sys.executable).parent / "mainspring")]
    return [Side(root, "dvc", [str(python.parent / "dvc")], links), Side(root, "ours", ours, links)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--large-mb", type=int, default=2000, help="size of the one large file; 0 leaves it out")
    parser.add_argument("--links", default="hardlink", choices=["hardlink", "reflink", "copy"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{f'seconds, links: {options.links}':44} {'dvc CPU':>8} {'our CPU':>8} {'':7} {'dvc wall':>9} {'our wall':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        sides = table(Path(folder), options.links)
        for side in sides:
            fill(side.root / "data", 1)
            add(side)
        time.sleep(3)  # times of less than two seconds ago are not trusted
        for side in sides:
            status(side)
        compare("status of one small file: the start", sides, status, 3 * options.rounds)
        for side in sides:
            shutil.rmtree(side.root / "data")
            fill(side.root / "data", options.files)
        time.sleep(3)  # times of less than two seconds ago are not trusted
        rows = (("add", add), ("status, nothing changed", status), (f"checkout by {options.links}", checkout))
        for name, work in rows:
            compare(f"{name}, {options.files} x 10 KB", sides, work, options.rounds)
        limits(sides[1].root / "data")
    if options.large_mb:
        with tempfile.TemporaryDirectory() as folder:
            sides = table(Path(folder), options.links)
            for side in sides:
                noise = random.Random(1)
                with (side.root / "data").open("wb") as file:
                    for _ in range(options.large_mb):
                        file.write(noise.randbytes(1_000_000))
            time.sleep(3)
            for name, work in (("add", add), ("status, nothing changed", status), ("checkout", checkout)):
                compare(f"{name}, one file of {options.large_mb} MB", sides, work, 1)
            limits(sides[1].root / "data")


if __name__ == "__main__":
    main()
