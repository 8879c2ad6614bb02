"""Files on their way into the object store: read once, hashed, and durable before they have their names."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mainspring.base.errors import Conflict
from mainspring.base.files import sync_folder
from mainspring.store.copying import copy_hashing, read_through
from mainspring.store.leftovers import sweep
from mainspring.store.seals import make_read_only, put_seal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mainspring.store.links import Linker

_MANY = 32
_LARGE = 8 << 20
_THREADS = min(4, os.cpu_count() or 1)


class Taken(NamedTuple):
    """A file that was read: its address, its bytes, and where the content is that will get the address as its name."""

    md5: str
    size: int
    place: str
    modified_ns: int = 0


def take_all(sources: Sequence[str], folder: str, linker: Linker) -> Iterator[Taken]:
    """Read files, whose content is then in ``folder``, or with hard links where it was; in order.

    What writers that were killed left beside it goes. Large files are read several at a time. Small ones are not: threads
    would spend more on waiting for one another.
    """
    sweep(Path(folder).parent)
    if linker.used not in ("copy", "symlink") and sources:  # a link would lead to where they are, and they are copied
        _try_link(sources[0], f"{folder}/linked", linker)
    if len(sources) > 1 and os.path.getsize(sources[0]) > _LARGE:  # the others will not be small
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_THREADS) as threads:
            places = (f"{folder}/{number}" for number in range(len(sources)))
            yield from threads.map(lambda source, place: _take(source, place, linker), sources, places)
        return
    for number, source in enumerate(sources):
        yield _take(source, f"{folder}/{number}", linker)


def _take(source: str, place: str, linker: Linker) -> Taken:
    if linker.used == "hardlink":
        return _hash(source)
    if linker.used == "reflink" and linker.make(source, place) == "reflink":
        taken = _hash(place)
        make_read_only(place)
        put_seal(place, taken.md5)
        return taken
    with suppress(FileNotFoundError):
        os.unlink(place)
    return Taken(*copy_hashing(source, place), place)


def _try_link(source: str, place: str, linker: Linker) -> None:
    """Find out which links can be made here, so that ``linker`` knows before the first file is taken."""
    linker.make(source, place)
    os.unlink(place)


def _hash(path: str) -> Taken:
    reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(reader)
        md5, size = read_through(reader, None, status.st_size)
    finally:
        os.close(reader)
    return Taken(md5, size, path, status.st_mtime_ns)


def settle(waiting: Sequence[tuple[str, str]]) -> None:
    """Make temporary files durable, give them their names, make the names durable.

    Few are synced one by one; many by syncing their file system, once for the content and once for the names.
    """
    if not waiting:
        return
    folders = {target.rpartition("/")[0] for _, target in waiting}
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


def link_all(waiting: Sequence[tuple[Taken, str]], folder: str) -> None:
    """Hard-link files that were read to their names in the store, durably; they are read-only from now on.

    Raises:
        Conflict: a file changed after it was read.
    """
    if not waiting:
        return
    for parent in {target.rpartition("/")[0] for _, target in waiting}:
        Path(parent).mkdir(parents=True, exist_ok=True)
    _sync_file_system(waiting[0][0].place)
    for taken, target in waiting:
        try:
            _link(taken.place, target)
        except FileExistsError:  # another writer had the same content
            continue
        except OSError as error:
            if error.errno != errno.EMLINK:  # it has as many links as a file can have
                raise
            settle([(_copied(taken, f"{folder}/copied"), target)])
            continue
        make_read_only(target)
        status = os.stat(target)
        if (status.st_size, status.st_mtime_ns) != (taken.size, taken.modified_ns):
            os.unlink(target)
            raise _changed(taken)
        put_seal(target, taken.md5)
    _sync_file_system(waiting[0][1])


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        if os.path.exists(target):
            raise
        os.unlink(target)  # a link that leads nowhere
        os.link(source, target)


def _copied(taken: Taken, place: str) -> str:
    md5, _ = copy_hashing(taken.place, place)
    if md5 != taken.md5:
        raise _changed(taken)
    return place


def vanished(path: str) -> Conflict:
    """Return the error of a file that was there a moment ago."""
    return _other(path, "vanished before it was read")


def _changed(taken: Taken) -> Conflict:
    return _other(taken.place, "changed while it was being read")


def _other(path: str, what: str) -> Conflict:
    hint = "wait until whoever writes it is done, then run the same command again: nothing was recorded"
    return Conflict(f"{path} {what}", hint=hint, path=path)


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
