"""What is not needed is not loaded: before the server listens, and by what runs pipelines of other libraries."""

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


def test_a_pipeline_and_its_gate_load_no_library_that_they_do_not_use() -> None:
    program = "import sys, mainspring.automation.continuous; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    heavy = ("matplotlib", "pandas", "pyarrow", "scipy.stats", "sklearn")
    told = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
