"""Waiting for a lock that somebody has, and saying who."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import Conflict
from mainspring.base.files import disk_error
from mainspring.versioning.turns.locks import Hardlink

if TYPE_CHECKING:
    from mainspring.versioning.turns.locks import LockFile

PATIENCE_SECONDS = 10.0
_QUIET_SECONDS = 0.4
_PAUSE_SECONDS = 0.1
_SECRET = re.compile(r"(?<=://)[^/@\s]*@")


def wait_for(lock: LockFile, folder: Path) -> None:
    """Take a lock of the repository in ``folder``; whoever has it is waited for some seconds, which the log says.

    Raises:
        Conflict: it was not free in time. Nobody's lock is broken.
        StorageError: the file cannot be made.
    """
    started = time.monotonic()
    told = False
    try:
        lock.file.parent.mkdir(parents=True, exist_ok=True)
        while not lock.take():
            waited = time.monotonic() - started
            if waited > PATIENCE_SECONDS:
                raise _busy(lock, folder)
            if waited > _QUIET_SECONDS and not told:
                import logging

                told = True
                logging.getLogger(__name__).warning("waiting for %s, at work in %s", _holder(lock), folder)
            time.sleep(_PAUSE_SECONDS)
    except OSError as error:
        raise disk_error(error, lock.file) from error


def described(pid: int) -> str:
    """Return a process as a person knows it: its number, program and first words."""
    import psutil

    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        words = []
    if len(words) > 1 and Path(words[0]).name.startswith("python"):
        words = words[1:]
    shown = _SECRET.sub("", " ".join([Path(words[0]).name, *words[1:3]])) if words else ""
    return f"process {pid} ({shown})" if shown else f"process {pid}"


def _busy(lock: LockFile, folder: Path) -> Conflict:
    pid = lock.holder()
    hint = "wait until it is done, then run the same command again"
    if pid is None and isinstance(lock, Hardlink):
        hint += f"; its lock does not say whose it is: if no dvc runs in that repository, remove {lock.file}"
    return Conflict(
        f"{_holder(lock)} is at work in the repository {folder}, and holds {lock.file}",
        hint=hint,
        path=str(lock.file),
        pid=pid,
    )


def _holder(lock: LockFile) -> str:
    pid = lock.holder()
    return "another process" if pid is None else described(pid)
