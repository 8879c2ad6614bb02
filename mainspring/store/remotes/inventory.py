"""Which objects a remote holds, and how they leave it."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mainspring.base.errors import NotFound, StorageError
from mainspring.store.remotes import local
from mainspring.store.remotes.traffic import in_flight, soon

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from mainspring.store.remotes.remote import Remote

_FEW = 64
_HEAD_COST = 40
"""One question for an object costs as much as listing so many."""
_ONE_LISTING = 50_000
_MD5 = re.compile("[0-9a-f]{32}")
_UNFINISHED = re.compile(r"[0-9a-f]{30}(\.dir)?#\d+")
"""What the store's client calls a file in a folder while it writes it; no listing of its shows one."""


class Held(NamedTuple):
    """An object of a remote: its address, its bytes, and when it was written (seconds since 1970)."""

    md5: str
    size: int
    written: float


def sizes(remote: Remote, wanted: Collection[str]) -> dict[str, int]:
    """Return the sizes of those of the wanted objects that are there.

    Few objects are asked for one by one, and those of a folder; otherwise the remote is listed, in one go or by its 256
    folders at once.
    """
    if remote.is_local:
        return _look(remote, sorted(wanted))
    if len(wanted) <= _FEW:
        return _ask(remote, wanted)
    folders = sorted({md5[:2] for md5 in wanted})
    listed = _listed(remote, folders[0])
    expected = len(listed) * 256
    if len(wanted) * _HEAD_COST < expected:
        return _ask(remote, wanted)
    if expected <= _ONE_LISTING:
        listed = _listed(remote, "")
    else:
        for _, part in in_flight(partial(_listed, remote), folders[1:]):
            listed |= part
    asked = frozenset(wanted)
    return {md5: size for md5, size in listed.items() if md5 in asked}


def held(remote: Remote) -> list[Held]:
    """Return every object that is there."""
    items = [(remote.address(item["path"]), item) for item in _list(remote, "")]
    return [
        Held(md5, item["size"], item["last_modified"].timestamp())
        for md5, item in items
        if _MD5.fullmatch(md5.removesuffix(".dir"))
    ]


def unfinished(remote: Remote) -> Iterator[Path]:
    """Give what uploads left half-way, and those that are under way; other stores than folders keep none in sight."""
    if remote.place is not None:
        files = (remote.place / remote.folder).glob("[0-9a-f][0-9a-f]/*")
        yield from (file for file in files if _UNFINISHED.fullmatch(file.name))


def delete(remote: Remote, md5s: Collection[str]) -> None:
    """Remove objects; what is not there is no error."""
    paths = [remote.path(md5) for md5 in sorted(md5s)]
    for start in range(0, len(paths), 1000):
        remote.patiently("remove from", partial(_delete, remote.store, paths[start : start + 1000]))


def _look(remote: Remote, wanted: Sequence[str]) -> dict[str, int]:
    """Return the sizes of files, found by some at a time: those of another machine by many at once."""
    found: dict[str, int] = {}
    parts = [wanted[start : start + _FEW] for start in range(0, len(wanted), _FEW)]
    for part, sizes in soon(lambda part: [_size(remote, md5) for md5 in part], parts):
        found |= {md5: size for md5, size in zip(part, sizes, strict=True) if size is not None}
    return found


def _ask(remote: Remote, wanted: Collection[str]) -> dict[str, int]:
    try:
        return {md5: size for md5, size in in_flight(partial(_size, remote), list(wanted)) if size is not None}
    except StorageError as error:
        if "403" in error.message:  # of one object it comes without the reason, which a refused listing says
            _list(remote, "none")
        raise


def _size(remote: Remote, md5: str) -> int | None:
    if (file := remote.file(md5)) is not None:
        with suppress(OSError):
            return local.size(file)
    import obstore

    try:
        return remote.patiently("look into", lambda: int(obstore.head(remote.store, remote.path(md5))["size"]), md5=md5)
    except NotFound:
        return None


def _list(remote: Remote, folder: str) -> list[ObjectMeta]:
    import obstore

    prefix = f"{remote.folder}/{folder}".rstrip("/")
    return remote.patiently(
        "list", lambda: [item for part in obstore.list(remote.store, prefix, chunk_size=1000) for item in part]
    )


def _listed(remote: Remote, folder: str) -> dict[str, int]:
    """Return the sizes of the objects in one of the 256 folders, or in all, by address."""
    prefix = f"{remote.folder}/{folder}/".replace("//", "/")
    found: dict[str, int] | None = None
    if remote.signed is not None:
        from mainspring.store.remotes.listing import sizes_below  # with what speaks HTTP

        found = sizes_below(remote.signed, prefix, timeout=remote.timeout)
    if found is None:
        found = {item["path"].removeprefix(prefix): item["size"] for item in _list(remote, folder)}
    rests = "\0".join(found).replace("/", "").split("\0") if found else []  # in one go: there may be a million
    return dict(zip([folder + rest for rest in rests], found.values(), strict=True))


def _delete(store: ObjectStore, paths: list[str]) -> None:
    """Remove objects, also from stores that stop at the first that is not there."""
    import obstore

    def alone(path: str) -> None:
        with suppress(FileNotFoundError):
            obstore.delete(store, path)

    try:
        obstore.delete(store, paths)
    except FileNotFoundError:
        for _ in in_flight(alone, paths):
            pass
