"""Objects on their way from a remote, compared with their addresses."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.base.errors import Corrupted
from mainspring.store.remotes import local
from mainspring.store.remotes.parts import LARGE, PART, PARTS_AHEAD
from mainspring.store.remotes.remote import unseen
from mainspring.store.remotes.traffic import ahead
from mainspring.store.seals import make_read_only, put_seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

    from mainspring.store.remotes.remote import Moved, Remote


def download(remote: Remote, md5: str, target: str, *, moved: Moved = unseen) -> int:
    """Write an object to a file and return its size. The file may hold anything when this raises.

    ``moved`` is called with the bytes that came, now and then.

    Raises:
        NotFound: the remote does not have it.
        Corrupted: what the remote gave, twice, is not what its address says.
        StorageError: the remote did not give it.
        OSError: the file cannot be written.
    """
    for attempt in (1, 2):  # damaged on the way, or there?
        if attempt == 2:
            with suppress(FileNotFoundError):
                os.unlink(target)
        found, size = remote.patiently("read from", lambda: _get(remote, md5, target, moved), md5=md5)
        if found == md5.removesuffix(".dir"):
            return size
    raise Corrupted(
        f"the object {md5} is damaged on the remote '{remote.name}' ({remote.url}); it was not taken",
        hint=f"from a workspace that has it: mainspring data push --replace --remote {remote.name}",
        md5=md5,
        remote=remote.name,
    )


def _get(remote: Remote, md5: str, target: str, moved: Moved) -> tuple[str, int]:
    if (data := _read(remote, md5)) is not None:
        return _taken(data, target, md5, moved)
    import obstore

    answer = obstore.get(remote.store, remote.path(md5))
    size = int(answer.meta["size"])
    if size <= PART:
        return _taken(answer.bytes(), target, md5, moved)
    del answer
    hasher = hashlib.md5(usedforsecurity=False)

    def parts() -> Iterator[bytes]:
        for part in ahead(lambda start: _part(remote, md5, start, size), range(0, size, PART), requests=PARTS_AHEAD):
            hasher.update(part)
            moved(len(part))
            yield part

    with LARGE:
        _write(target, parts(), md5)
    return hasher.hexdigest(), size


def _read(remote: Remote, md5: str) -> bytes | None:
    """Return a small file of a remote that is a folder; None if the store's client is to see to it."""
    file = remote.file(md5)
    with suppress(OSError):
        return None if file is None else local.read(file, PART)
    return None


def _taken(data: Buffer, target: str, md5: str, moved: Moved) -> tuple[str, int]:
    size = memoryview(data).nbytes
    _write(target, [data], md5)
    moved(size)
    return hashlib.md5(data, usedforsecurity=False).hexdigest(), size


def _part(remote: Remote, md5: str, start: int, size: int) -> bytes:
    import obstore

    end = min(start + PART, size)
    return remote.patiently(
        "read from", lambda: bytes(obstore.get_range(remote.store, remote.path(md5), start=start, end=end)), md5=md5
    )


def _write(target: str, parts: Iterable[Buffer], md5: str) -> None:
    """Write a file as objects are: read-only, and sealed."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
        make_read_only(descriptor)
        put_seal(descriptor, md5)
    finally:
        os.close(descriptor)
