"""A real MLflow beside us, as the judge of what its language means; in an interpreter of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import environments
from tests.peers import MLFLOW

"""What the other interpreter has; the same as of other tests, so that it is made once."""


def interpreter() -> str:
    """Return the interpreter with MLflow; where it cannot be made the test is skipped."""
    try:
        return str(environments.environment(*MLFLOW))
    except environments.Unavailable as reason:
        pytest.skip(f"no environment for {MLFLOW[0]}: {reason}")


def environment() -> dict[str, str]:
    """Return the environment of the other interpreter: nothing of ours is on its path."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


class Parser:
    """MLflow's parsers, in a process that answers line by line."""

    def __init__(self, python: str) -> None:
        script = Path(__file__).parent / "peer_parser.py"
        self.process = subprocess.Popen(
            [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )

    def __call__(self, grammar: str, what: str, text: str) -> Any:
        """Return what it makes of a text."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([grammar, what, text]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=30)
