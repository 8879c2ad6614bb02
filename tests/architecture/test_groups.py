"""The tests' own promise: those of a group run in one process, and share what was started for them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import os
import pathlib
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test_in_a_group(number):
    (pathlib.Path(__file__).parent / f"{number} in {os.environ['PYTEST_XDIST_WORKER']}").touch()
"""


@pytest.mark.slow
def test_a_group_stays_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_group.py").write_text(TESTS)
    options = ["-p", "xdist", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, env=alone, check=True, capture_output=True)
    workers = {path.name.partition(" in ")[2] for path in tmp_path.glob("* in *")}
    assert len(workers) == 1
