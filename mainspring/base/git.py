"""Running git."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from mainspring.base.errors import ExternalToolError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FOREIGN = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIFF_OPTS",
        "GIT_DIR",
        "GIT_EXTERNAL_DIFF",
        "GIT_GLOB_PATHSPECS",
        "GIT_GRAFT_FILE",
        "GIT_ICASE_PATHSPECS",
        "GIT_INDEX_FILE",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


def run_git(
    arguments: list[str], folder: Path, *, feed: bytes | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, with what the caller's own git told it left out; whether it went well is for the caller.

    Raises:
        ExternalToolError: git is missing.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    variables |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    if shutil.which("git") is None:
        raise ExternalToolError("git is needed, and it is not there", hint="install git")
    set_to = [word for name, value in (settings or {}).items() for word in ("-c", f"{name}={value}")]
    command = ["git", *set_to, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, input=feed, capture_output=True, check=False)


def git(
    arguments: list[str], folder: Path, *, feed: bytes | None = None, settings: Mapping[str, str] | None = None
) -> bytes:
    """Run git in a folder, as ``run_git``, and return what it printed.

    Raises:
        ExternalToolError: git is missing, or failed.
    """
    done = run_git(arguments, folder, feed=feed, settings=settings)
    if done.returncode != 0:
        raise failed(arguments, done)
    return done.stdout


def names(arguments: list[str], folder: Path, *, feed: bytes | None = None) -> list[str]:
    """Run git, as ``git``, and return the names, or other fields, that it printed with NUL behind each."""
    return [os.fsdecode(name) for name in git(arguments, folder, feed=feed).split(b"\0") if name]


def failed(arguments: list[str], done: subprocess.CompletedProcess[bytes]) -> ExternalToolError:
    """Return the error that says what git said."""
    said = os.fsdecode(done.stderr).strip() or f"exit code {done.returncode}"
    lines = said.splitlines()
    shown = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0])
    hint = "run the same git command in the project's folder to see more; `git fsck` says whether the repository is damaged"
    if "dubious ownership" in said:
        hint = "the folder belongs to somebody else: git config --global --add safe.directory FOLDER"
    return ExternalToolError(f"git {arguments[0]} failed: {shown}", hint=hint)
