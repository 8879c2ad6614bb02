"""What is remembered of the files below a path, so that those that did not change are not read again: as git's index.

One file a path, in the workspace's state folder of this machine. It is a cache: a missing, old or damaged one costs time
and nothing else.
"""

from __future__ import annotations

import zlib
from array import array
from typing import TYPE_CHECKING

import msgspec

from mainspring.base import caches

if TYPE_CHECKING:
    import os
    from pathlib import Path

_LAYOUT = 1
_DIGITS = 32
_INODES = (1 << 63) - 1

Identity = tuple[int, int, int]
"""Size in bytes, time of modification in nanoseconds, inode: a file that has the same three is taken for the same."""


class Remembered:
    """Files by relative path: their identities, their addresses, and the address of them all, empty if some are left out."""

    def __init__(self, identities: dict[str, Identity], addresses: dict[str, str] | str, md5: str) -> None:
        self.identities = identities
        self.md5 = md5
        self._addresses = addresses

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses; of what was loaded they are cut apart when they are first asked for."""
        if isinstance(self._addresses, str):
            self._addresses = dict(zip(self.identities, _cut(self._addresses), strict=True))
        return self._addresses

    def __eq__(self, other: object) -> bool:
        """Say whether two say the same."""
        return isinstance(other, Remembered) and self._told() == other._told()

    __hash__ = None  # type: ignore[assignment]  # it holds what may change

    def _told(self) -> tuple[object, ...]:
        return self.identities, self.addresses, self.md5


NOTHING = Remembered({}, {}, "")


class _Stored(msgspec.Struct, array_like=True):
    layout: int
    md5: str
    names: list[str]
    numbers: bytes
    addresses: str


def identity(status: os.stat_result) -> Identity:
    """Return what a file is recognised by."""
    return status.st_size, status.st_mtime_ns, status.st_ino & _INODES


class Index:
    """The remembered files of one path, which ``key`` names."""

    def __init__(self, state: Path, key: str) -> None:
        # should two paths share a number, each finds the files of the other and none that it knows
        self._path = state / "index" / f"files-{zlib.crc32(key.encode('utf-8', 'surrogateescape')):08x}"

    def load(self) -> Remembered:
        """Return what is remembered; nothing where the file is missing or unreadable."""
        held = self._stored()
        if held is None:
            return NOTHING
        count = len(held.names)
        numbers = array("q")
        numbers.frombytes(held.numbers)
        columns = (numbers[start : start + count] for start in (0, count, 2 * count))
        return Remembered(dict(zip(held.names, zip(*columns, strict=True), strict=True)), held.addresses, held.md5)

    def sizes(self) -> tuple[str, dict[str, int]]:
        """Return the address of all, as ``Remembered`` has it, and the sizes of what is remembered, by address.

        What is remembered of an address holds, whether or not the files are still as they were.
        """
        held = self._stored()
        if held is None:
            return "", {}
        sizes = array("q")
        sizes.frombytes(held.numbers[: len(held.names) * sizes.itemsize])
        return held.md5, dict(zip(_cut(held.addresses), sizes, strict=True))

    def keep(self, remembered: Remembered) -> None:
        """Remember this instead; where it cannot be written, nothing is remembered."""
        names = list(remembered.identities)
        numbers = array("q")
        for column in zip(*remembered.identities.values(), strict=True):
            numbers.extend(column)  # all sizes, then all times, then all inodes
        addresses = "".join(map(remembered.addresses.__getitem__, names))
        caches.keep(self._path, _Stored(_LAYOUT, remembered.md5, names, numbers.tobytes(), addresses))

    def _stored(self) -> _Stored | None:
        held = caches.kept(self._path, _Stored)
        return held if held is not None and held.layout == _LAYOUT else None


def _cut(addresses: str) -> list[str]:
    """Cut addresses apart that were written one after the other."""
    return [addresses[start : start + _DIGITS] for start in range(0, len(addresses), _DIGITS)]
