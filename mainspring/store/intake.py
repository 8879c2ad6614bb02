"""Files on their way into the object store: read once, hashed, and durable before they have their names."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.files import sync_folder
from mainspring.store.seals import put_seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mainspring.store.links import Linker

_CHUNK = 1 << 20
_MANY = 32
_BATCH = 64
_THREADS = min(4, os.cpu_count() or 1)


def take_all(sources: Sequence[str], folder: str, linker: Linker) -> Iterator[tuple[str, int, str]]:
    """Put files into ``folder`` and give ``(md5, size, path there)`` of each, in order; 64 files a thread at a time."""

    def batch(start: int) -> list[tuple[str, int, str]]:
        taken = []
        for number in range(start, min(start + _BATCH, len(sources))):
            place = f"{folder}/{number}"
            taken.append((*_take(sources[number], place, linker), place))
        return taken

    starts = range(0, len(sources), _BATCH)
    if len(starts) <= 1:
        for start in starts:
            yield from batch(start)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_THREADS) as threads:
        for taken in threads.map(batch, starts):
            yield from taken


def _take(source: str, place: str, linker: Linker) -> tuple[str, int]:
    if linker.used != "copy" and linker.make(source, place, mode=0o444) != "copy":
        with Path(place).open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            size = os.fstat(file.fileno()).st_size
        if linker.used == "hardlink":
            Path(place).chmod(0o444)
        put_seal(place, md5)
        return md5, size
    with suppress(FileNotFoundError):
        os.unlink(place)
    return copy_hashing(source, place)


def copy_hashing(source: str | Path, target: str | Path, *, mode: int = 0o444) -> tuple[str, int]:
    """Copy a file to where none is, reading it once; return its md5 and its size in bytes. The copy is sealed."""
    reader = os.open(source, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
        try:
            hasher = hashlib.md5(usedforsecurity=False)
            size = 0
            while data := os.read(reader, _CHUNK):
                hasher.update(data)
                size += len(data)
                written = os.write(writer, data)
                while written < len(data):
                    written += os.write(writer, data[written:])
            md5 = hasher.hexdigest()
            put_seal(writer, md5)
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    return md5, size


def settle(waiting: Sequence[tuple[str, str]]) -> None:
    """Make temporary files durable, give them their names, make the names durable.

    Few are synced one by one; many by syncing their file system, once for the content and once for the names.
    """
    if not waiting:
        return
    folders = {os.path.dirname(target) for _, target in waiting}
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)
    many = len(waiting) > _MANY
    if many:
        _sync_file_system(waiting[0][0])
    for temporary, target in waiting:
        if not many:
            _fsync(temporary)
        os.replace(temporary, target)
    if many:
        _sync_file_system(waiting[0][1])
        return
    for folder in folders:
        sync_folder(Path(folder))


def _fsync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: str) -> None:
    """Write everything of the file system that holds ``path`` to its disk."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:  # not Linux
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if call(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
