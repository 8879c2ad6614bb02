"""What writers that were killed left behind on its way into the object store."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_STALE_SECONDS = 86_400
"""A writer that lives may hash for hours before it touches its folder again."""


class Leftover(NamedTuple):
    """A file or folder that nobody has written to for long, and its bytes."""

    path: Path
    size: int

    def remove(self) -> None:
        """Remove it; what cannot be removed, or goes meanwhile, is left to others."""
        import shutil  # seldom needed, and slow to load

        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            with suppress(OSError):
                self.path.unlink()


def unfinished(root: Path, *, older_than_seconds: float) -> Iterator[Leftover]:
    """Give what writers left anywhere in a store so long ago, beside objects too."""
    yield from leftovers(root / "incoming", older_than_seconds=older_than_seconds)
    stale = time.time() - older_than_seconds
    for path in (root / "files" / "md5").glob("*/.*.tmp"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if status.st_mtime < stale:
                yield Leftover(path, status.st_size)


def leftovers(incoming: Path, *, older_than_seconds: float = _STALE_SECONDS) -> Iterator[Leftover]:
    """Give what lies in the folder of what is on its way, and was last written to so long ago."""
    stale = time.time() - older_than_seconds
    with suppress(FileNotFoundError), os.scandir(incoming) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime >= stale:
                continue
            held = [path.lstat() for path in Path(entry.path).rglob("*")]
            if all(status.st_mtime < stale for status in held):
                files = [status.st_size for status in held if not S_ISDIR(status.st_mode)]
                yield Leftover(Path(entry.path), sum(files))


def sweep(incoming: Path) -> None:
    """Remove what lies there for a day."""
    with suppress(OSError):
        for left in leftovers(incoming):
            left.remove()
