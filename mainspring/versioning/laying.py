"""Files of a version: made aside first, each compared with its address where it is copied, then put where they belong."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import Corrupted
from mainspring.base.folders import make, walk
from mainspring.base.ids import new_id
from mainspring.store.links import SHARED, Differs
from mainspring.store.seals import put_seal

if TYPE_CHECKING:
    from collections.abc import Collection

    from mainspring.store.links import Linker
    from mainspring.store.objects import Objects
    from mainspring.versioning.contents import Tick

_TOLD = 256


class Laying:
    """Some files of a version on their way to or below a path: relative path → address."""

    def __init__(
        self, objects: Objects, path: Path, changed: dict[str, str], linker: Linker, tick: Tick | None = None
    ) -> None:
        self._objects = objects
        self._base = str(path)
        self._path = path
        self._changed = changed
        self._linker = linker
        self._tick = tick
        self._aside: dict[str, str] = {}

    def make_aside(self, folder: Path) -> None:
        """Make in ``folder`` what will be renamed into place: all but hard links to where nothing is, which need no room.

        Raises:
            Corrupted: an object is damaged.
        """
        if self._linker.used == "hardlink" and not os.path.lexists(self._base):
            return
        for number, (file, md5) in enumerate(self._changed.items()):
            if self._linker.used == "hardlink" and not os.path.lexists(self._place(file)):
                continue
            self._aside[file] = f"{folder}/{number}"
            self._make(md5, self._aside[file])
            self._told(number)

    def put(self, leaving: Collection[str], *, is_folder: bool) -> bool:
        """Remove files that leave, and put the others where they belong; say whether all are hard links that were made there."""
        for file in leaving:
            if file not in self._changed:
                Path(self._place(file)).unlink()
        if self._path.is_dir():
            _remove_empty(self._path, keep=is_folder)
        made: set[str] = set()
        all_linked = not self._aside
        for number, (file, md5) in enumerate(self._changed.items()):
            target = self._place(file)
            parent = target.rpartition("/")[0]
            if parent not in made:
                make(Path(parent))
                made.add(parent)
            if file in self._aside:
                _move(Path(self._aside[file]), Path(target), is_one_file=not file)
                continue
            all_linked = self._make(md5, target) and all_linked
            self._told(number)
        return all_linked

    def _place(self, file: str) -> str:
        return f"{self._base}/{file}" if file else self._base

    def _make(self, md5: str, target: str) -> bool:
        """Make a file, and say whether it is the object itself."""
        try:
            kind = self._linker.make(self._objects.place(md5), target, md5=md5)
        except Differs:
            self._objects.check(md5)  # which sets it aside, and says so
            raise Corrupted(
                f"the object {md5} was read otherwise than it is", hint="check the disk and the memory", md5=md5
            ) from None
        if kind in SHARED:
            return True
        if kind != "copy":  # which has its seal
            put_seal(target, md5)
        return False

    def _told(self, number: int) -> None:
        if self._tick is not None and number % _TOLD == 0:
            self._tick(number, len(self._changed))


def _move(source: Path, target: Path, *, is_one_file: bool) -> None:
    """Rename a file; to another file system it is copied first, to beside where it belongs or where no data is looked for."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        import shutil  # seldom needed, and slow to load

        folder = target.parent / (f".{new_id()}.tmp" if is_one_file else f".mainspring/{new_id()}")
        try:
            make(folder)
            shutil.copy2(source, folder / "file")
            (folder / "file").replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if not is_one_file:
                with suppress(OSError):
                    folder.parent.rmdir()


def _remove_empty(path: Path, *, keep: bool) -> None:
    for parent, _, _ in reversed(list(walk(path))):
        if Path(parent) != path or not keep:
            with suppress(OSError):
                Path(parent).rmdir()
