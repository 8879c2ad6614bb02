"""How long a command takes to start, as a ratio to a bare interpreter. Run: python bench/startup.py."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from statistics import median

TIMES = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "mainspring --help": [sys.executable, "-m", "mainspring", "--help"],
    "mainspring run --help": [sys.executable, "-m", "mainspring", "run", "--help"],
}


def cpu(command: list[str]) -> float:
    """Return the CPU seconds, user and system, of one call."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median CPU time of each command, interleaved, and its ratio to the bare interpreter."""
    for command in COMMANDS.values():
        cpu(command)
    taken = {name: [] for name in COMMANDS}
    for _ in range(TIMES):
        for name, command in COMMANDS.items():
            taken[name].append(cpu(command))
    bare = median(taken["python -c pass"])
    for name, values in taken.items():
        print(f"{name:24} {median(values) * 1000:7.1f} ms CPU  {median(values) / bare:5.1f} x")


if __name__ == "__main__":
    main()
