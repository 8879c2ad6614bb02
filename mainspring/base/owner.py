"""Which process a run belongs to, so that a reader can tell when that process is gone."""

from __future__ import annotations

import os
import socket
from functools import lru_cache

import psutil

TAG = "mainspring.owner"
_TOLERANCE = 2.0
"""Seconds by which two readings of one process's start may differ (the wall clock is corrected now and then)."""


def describe() -> str:
    """Return this process as ``host pid start``, the start in seconds since 1970."""
    return _describe(os.getpid())


@lru_cache(maxsize=1)
def _describe(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.2f}"


def is_gone(owner: str | None) -> bool:
    """Say whether a process, as ``describe`` wrote it, has certainly ended.

    Only processes of this host can be looked at; of all others, and of what cannot be read, the answer is no.

    >>> is_gone(describe()), is_gone("elsewhere 1 0.00"), is_gone(None)
    (False, False, False)
    """
    try:
        host, pid, started = (owner or "").rsplit(" ", 2)
        number, since = int(pid), float(started)
    except ValueError:
        return False
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - since) > _TOLERANCE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
