"""What is remembered of the files below a path, so that those that did not change are not read again: as git's index.

One file a path, in the workspace's state folder of this machine. It is a cache: a missing, old or damaged one costs time
and nothing else.
"""

from __future__ import annotations

import zlib
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mainspring.base.hashing import md5_bytes
from mainspring.base.ids import new_id

if TYPE_CHECKING:
    import os
    from pathlib import Path

_LAYOUT = 1
_DIGITS = 32
_INODES = (1 << 63) - 1

Identity = tuple[int, int, int]
"""Size in bytes, time of modification in nanoseconds, inode: a file that has the same three is taken for the same."""


class Remembered(NamedTuple):
    """Files by relative path: their identities, their addresses, and the address of them all, empty if some are left out."""

    identities: dict[str, Identity]
    addresses: dict[str, str]
    md5: str


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
        self._path = state / "index" / md5_bytes(key.encode("utf-8", "surrogateescape"))

    def load(self) -> Remembered:
        """Return what is remembered; nothing where the file is missing or unreadable."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return NOTHING
        body = memoryview(data)[4:]
        if zlib.crc32(body).to_bytes(4, "little") != data[:4]:
            return NOTHING
        try:
            held = msgspec.msgpack.decode(body, type=_Stored)
        except msgspec.MsgspecError:
            return NOTHING
        if held.layout != _LAYOUT:
            return NOTHING
        count = len(held.names)
        numbers = array("q")
        numbers.frombytes(held.numbers)
        columns = (numbers[start : start + count] for start in (0, count, 2 * count))
        starts = range(0, _DIGITS * count, _DIGITS)
        return Remembered(
            dict(zip(held.names, zip(*columns, strict=True), strict=True)),
            dict(zip(held.names, [held.addresses[start : start + _DIGITS] for start in starts], strict=True)),
            held.md5,
        )

    def keep(self, remembered: Remembered) -> None:
        """Remember this instead; where it cannot be written, nothing is remembered."""
        names = list(remembered.identities)
        numbers = array("q")
        for column in zip(*remembered.identities.values(), strict=True):
            numbers.extend(column)  # all sizes, then all times, then all inodes
        addresses = "".join(remembered.addresses[name] for name in names)
        body = msgspec.msgpack.encode(_Stored(_LAYOUT, remembered.md5, names, numbers.tobytes(), addresses))
        temporary = self._path.with_name(f"{self._path.name}.{new_id()[-12:]}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(zlib.crc32(body).to_bytes(4, "little") + body)
            temporary.replace(self._path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
