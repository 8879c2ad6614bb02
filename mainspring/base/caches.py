"""Files of caches: a missing, old or damaged one costs time and nothing else."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mainspring.base.files import write_unsafely

if TYPE_CHECKING:
    from pathlib import Path

Kept = TypeVar("Kept")
_CHECK_BYTES = 4


def keep(path: Path, value: object) -> None:
    """Write a value; where it cannot be written, it is not kept."""
    body = msgspec.msgpack.encode(value)
    write_unsafely(path, zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") + body)


def kept(path: Path, kind: type[Kept]) -> Kept | None:
    """Return what was kept last; None if nothing was, or not all of it is as it was."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = memoryview(data)[_CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") != data[:_CHECK_BYTES]:
        return None
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError):  # another layout; its text may be no UTF-8
        return None
