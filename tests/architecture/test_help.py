"""Help is told at once: no command's loads what only its work needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mainspring.cli.main import help_of
from tests.architecture.test_documentation import commands

HEAVY = (
    "alembic",
    "jinja2",
    "litestar",
    "matplotlib",
    "numpy",
    "obstore",
    "pandas",
    "plotly",
    "polars",
    "pyarrow",
    "pydantic",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "uvicorn",
)
PROGRAM = """
import sys
from mainspring.cli.main import main
for line in sys.stdin.read().splitlines():
    try:
        main(line.split() + ["--help"])
    except SystemExit as leaving:
        assert leaving.code == 0, line
    found = sorted(set(sys.argv[1:]) & set(sys.modules))
    assert not found, f"mainspring {line} --help loads {found}"
"""


def lines() -> list[str]:
    paths = [path for path, _ in commands()]
    groups = {path[:depth] for path in paths for depth in range(len(path))}
    return sorted(" ".join(path) for path in {*paths, *groups})


def test_no_help_loads_what_only_work_needs() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, *HEAVY], input="\n".join(lines()), capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("Usage: mainspring") == len(lines())


@pytest.mark.parametrize("line", ["run", "run --help extra", "no-such --help", "runs no-such --help", "--debug --help"])
def test_other_lines_are_read_in_the_ordinary_way(line: str) -> None:
    assert help_of(line.split()) is None


def test_help_names_the_command_in_full() -> None:
    told = help_of(["runs", "list", "--help"])
    assert told is not None
    assert told.startswith("Usage: mainspring runs list [OPTIONS]")
