"""Temporary folders inside of the workspace, so that what is made there can be renamed into place."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.files import disk_error
from mainspring.base.ids import new_id
from mainspring.store.leftovers import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace


@contextmanager
def scratch(workspace: Workspace, *, near: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that is gone afterwards; what killed processes left there a day ago goes too.

    One that is ``near`` a folder on another file system than the state lies in that folder, where no data is looked for.

    Raises:
        StorageError: the disk is full or not writable for us.
    """
    state = workspace.state
    above = near / state.name if near is not None and _is_elsewhere(near, state) else state / "scratch"
    folder = above / new_id()
    try:
        folder.mkdir(parents=True, mode=0o700)
        sweep(folder.parent)
        yield folder
    except OSError as error:
        if error.errno is None:
            raise
        raise disk_error(error, _blamed(error, folder)) from error
    finally:
        _remove(folder)
        if above.parent == near:
            with suppress(OSError):
                above.rmdir()


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        import shutil  # slow to load, and many a folder is empty by now

        shutil.rmtree(folder, ignore_errors=True)


def _is_elsewhere(folder: Path, state: Path) -> bool:
    try:
        return folder.is_dir() and folder.stat().st_dev != state.stat().st_dev
    except OSError:
        return False


def _blamed(error: OSError, folder: Path) -> Path:
    """Return what could not be written: where something was put, if that is not in the temporary folder."""
    named = error.filename2 or error.filename
    place = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else folder
    return folder if place.is_relative_to(folder) else place
