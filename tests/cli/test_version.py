"""Which version this is, wherever it is asked."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path


def test_the_command_line_tells_the_version_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    done = subprocess.run([sys.executable, "-m", "mainspring", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mainspring {project['version']}\n"
