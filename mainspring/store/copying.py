"""Reading a file once: hashed, and copied at the same time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mainspring.store.seals import put_seal

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


def read_through(reader: int, writer: int | None, size: int) -> tuple[str, int]:
    """Read a file of ``size`` bytes or more; return md5 and size. One byte more is asked for, so that its end shows at once."""
    import hashlib  # not needed by who only looks

    wanted = min(size + 1, _CHUNK)
    hasher = hashlib.md5(usedforsecurity=False)
    done = 0
    while data := os.read(reader, wanted):
        hasher.update(data)
        done += len(data)
        if writer is not None:
            written = os.write(writer, data)
            while written < len(data):
                written += os.write(writer, data[written:])
        if done == size and len(data) < wanted:
            break
        wanted = _CHUNK  # it is longer than was said
    return hasher.hexdigest(), done


def copy_hashing(source: str | Path, target: str | Path, *, mode: int = 0o444) -> tuple[str, int]:
    """Copy a file to where none is, reading it once; return its md5 and its size in bytes. The copy is sealed."""
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            md5, size = read_through(reader, writer, os.fstat(reader).st_size)
            put_seal(writer, md5)
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    return md5, size
