"""Running git."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from mainspring.base.errors import ExternalToolError

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_EXTERNAL_DIFF")


def run_git(arguments: list[str], folder: Path, *, feed: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, with what the caller's own git told it left out; whether it went well is for the caller.

    Raises:
        ExternalToolError: git is missing.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    variables |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    if shutil.which("git") is None:
        raise ExternalToolError("git is needed, and it is not there", hint="install git")
    return subprocess.run(["git", *arguments], cwd=folder, env=variables, input=feed, capture_output=True, check=False)
