"""How long every command takes to say its help, as a ratio to a bare interpreter. Run: python bench/startup.py."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from statistics import median

import typer

from mainspring.cli.main import app

TIMES = 9
BARE = "python -c pass"


def lines() -> dict[str, list[str]]:
    """Return the bare interpreter and the help of everything that can be typed after ``mainspring``."""
    command = typer.main.get_command(app)
    helps = ["--help", *(f"{name} --help" for name in sorted(getattr(command, "commands", {})))]
    return {BARE: ["-c", "pass"]} | {f"mainspring {line}": ["-m", "mainspring", *line.split()] for line in helps}


def cpu(arguments: list[str]) -> float:
    """Return the CPU seconds, user and system, of one interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median CPU time of each line, interleaved, and its ratio to the bare interpreter."""
    commands = lines()
    for arguments in commands.values():
        cpu(arguments)
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TIMES):
        for name, arguments in commands.items():
            taken[name].append(cpu(arguments))
    bare = median(taken[BARE])
    for name, values in taken.items():
        print(f"{name:32} {median(values) * 1000:7.1f} ms CPU  {median(values) / bare:5.1f} x")


if __name__ == "__main__":
    main()
