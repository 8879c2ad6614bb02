"""Bytes that arrive piece by piece, on their way into the object store."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from mainspring.base.files import disk_error
from mainspring.base.ids import new_id
from mainspring.store.intake import settle
from mainspring.store.objects import Stored
from mainspring.store.seals import make_read_only, put_seal

if TYPE_CHECKING:
    from types import TracebackType

    from mainspring.store.objects import Objects


class Sink:
    """Takes the bytes of one object; ``keep`` makes it durable. What was not kept is gone when the ``with`` is left.

    Raises:
        StorageError: the disk is full, read-only or not writable for us.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._folder = objects.root / "incoming" / new_id()
        self._hasher = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def __enter__(self) -> Sink:
        try:
            self._folder.mkdir(parents=True)
            self._file = (self._folder / "0").open("wb")
        except OSError as error:
            raise disk_error(error, self._folder) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, data: bytes) -> None:
        """Take some bytes."""
        self._hasher.update(data)
        self.size += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_error(error, self._folder) from error

    def keep(self) -> Stored:
        """Make the object durable and return its address."""
        md5 = self._hasher.hexdigest()
        try:
            self._file.close()
            if not self._objects.intact(md5, self.size):
                temporary = self._folder / "0"
                make_read_only(str(temporary))
                put_seal(str(temporary), md5)
                settle([(str(temporary), str(self._objects.path(md5)))])
        except OSError as error:
            raise disk_error(error, self._folder) from error
        return Stored(md5=md5, size=self.size, files=1)
