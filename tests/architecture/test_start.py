"""The server is there at once: what the first request does not need is not loaded before it listens."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (
    "alembic",
    "jinja2",
    "litestar",
    "mainspring.automation",
    "mainspring.measures",
    "mainspring.monitoring",
    "numpy",
    "obstore",
    "polars",
    "pyarrow",
    "requests",
    "rich",
    "scipy",
    "sklearn",
    "sqlalchemy.dialects.postgresql",
)
PROGRAM = """
import io, os, signal, sys
from mainspring.cli.main import main

class Said(io.StringIO):
    def write(self, line):
        if line.startswith("listening on "):
            found = sorted(set(sys.argv[1:]) & set(sys.modules))
            print(f"loaded: {found}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)

sys.stdout = Said()
main(["up", "--port", "0"])
"""


def test_listening_waits_for_nothing_that_only_other_work_needs(project: Path) -> None:
    for state in ("without a database", "with one"):
        told = subprocess.run(
            [sys.executable, "-c", PROGRAM, *HEAVY], cwd=project, capture_output=True, text=True, timeout=60
        )
        assert "loaded: []" in told.stderr, (state, told.stderr)
        assert told.returncode == 0, told.stderr
