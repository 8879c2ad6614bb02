"""Files and folders of this machine, outside of the workspace, as sources."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.store.copying import copy_hashing
from mainspring.store.sources.seen import Seen, changed
from mainspring.versioning.contents import read_contents, scan_files

if TYPE_CHECKING:
    from mainspring.store.sources.seen import Moved
    from mainspring.store.workspace import Workspace


class Folder:
    """A file, or a folder. Their content is their tag; what did not change is not read again to tell it."""

    key = "md5"

    def __init__(self, workspace: Workspace, address: str, place: Path) -> None:
        self.address = address
        self._workspace = workspace
        self.place = place

    def look(self, *, versions: bool = False) -> dict[str, Seen]:
        """Return the files, as every source does."""
        del versions  # nobody keeps any
        contents = read_contents(self._workspace, self.place)
        sizes = {name: size for name, (size, _, _) in scan_files(self.place).items()}
        return {
            name: Seen(
                etag=md5,
                size=sizes.get(name),
                executable=not name and os.access(self.place, os.X_OK),
            )
            for name, md5 in contents.files.items()
        }

    def read(self, name: str, seen: Seen, target: Path, moved: Moved) -> tuple[str, int]:
        """Write a file, as every source does."""
        try:
            md5, size = copy_hashing(self.place / name if name else self.place, target)
        except FileNotFoundError:
            raise changed(self.address, name) from None
        if md5 != seen.etag:
            raise changed(self.address, name)
        moved(size)
        return md5, size
