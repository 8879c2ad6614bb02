"""The lock of a repository of DVC's, held by this process."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.settings.dvc import config_files, read_config
from mainspring.versioning.turns.locks import Flock, Hardlink
from mainspring.versioning.turns.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.versioning.turns.locks import LockFile


class _Place:
    """The lock of one repository in this process: held once, however often the same thread asks for it."""

    def __init__(self) -> None:
        self.turn = threading.RLock()
        self.depth = 0
        self.lock: LockFile | None = None


_places: dict[Path, _Place] = {}
_registry = threading.Lock()


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold the lock of the repository in a folder, as often as a thread may ask for it; the others of this process wait.

    Raises:
        Conflict, StorageError: as ``wait_for``.
    """
    with _registry:
        place = _places.setdefault(root, _Place())
    with place.turn:
        if place.depth == 0:
            lock = lock_file(root, "lock")
            wait_for(lock, root)
            place.lock = lock
        place.depth += 1
        try:
            yield
        finally:
            place.depth -= 1
            if place.depth == 0 and place.lock is not None:
                place.lock.release()
                place.lock = None


def folder(root: Path) -> Path:
    """Return where a repository keeps its locks."""
    return root / ".dvc" / "tmp"


def lock_file(root: Path, name: str) -> LockFile:
    """Return a lock of the kind that DVC takes in a repository. Its configuration is parsed only where it speaks of that."""
    texts = (place.read_bytes().lower() for place in config_files(root) if os.access(place, os.R_OK))
    said = read_config(root).get("core", {}) if any(b"hardlink_lock" in text for text in texts) else {}
    return (Hardlink if said.get("hardlink_lock", "").lower() == "true" else Flock)(folder(root) / name)
