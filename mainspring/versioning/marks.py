"""What the folder of a Delta table is known by on disk; asked often, so it loads nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.files import disk_error
from mainspring.base.folders import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = "_delta_log"
POINTER = ".delta"
_PIN = re.compile(r"^pin: \{id: ", re.MULTILINE)


def has_log(folder: Path) -> bool:
    """Say whether a folder holds a Delta table.

    Raises:
        StorageError: we may not look into it.
    """
    try:
        return (folder / LOG).is_dir()
    except PermissionError as error:
        raise disk_error(error, folder, doing="read") from error


def pointer_of(folder: Path) -> Path:
    """Return where the pointer of the table in a folder is."""
    return folder.with_name(folder.name + POINTER)


def find_pointers(root: Path, *, leave: frozenset[str]) -> Iterator[Path]:
    """Give the pointers of tables below a folder; folders of the names to ``leave`` are not looked into, nor are tables."""
    for parent, folders, names in walk(root):
        folders[:] = sorted(name for name in folders if name not in leave and name != LOG)
        for name in sorted(names):
            if name.endswith(POINTER) and name != POINTER and is_pointer(Path(parent, name)):
                yield Path(parent, name)


def is_pointer(path: Path) -> bool:
    """Say whether a file is the pointer of a table, and not somebody's file that is called like one."""
    try:
        return path.is_file() and _PIN.search(path.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False
