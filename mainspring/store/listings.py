"""Listings of stored folders: which file lies where, as DVC writes it down."""

from __future__ import annotations

import operator
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Corrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIGITS = 32
_ASTRAY = tuple(f"{before}{step}{behind}" for before in "/\0" for step in ("", ".", "..") for behind in "/\0")
"""Parts of paths that lead nowhere, stay where they are, or lead out of the folder; NUL stands before and behind a path."""


class Entry(msgspec.Struct, frozen=True):
    """A file of a stored folder."""

    relpath: str
    md5: str


def parse_listing(data: bytes, md5: str) -> list[Entry]:
    """Return the files that a listing with the address ``md5`` names.

    Raises:
        Corrupted: it is no listing, or one that no folder has: it names paths outside of it, or a path twice.
    """
    try:
        entries = msgspec.json.decode(data, type=list[Entry])
    except msgspec.MsgspecError as error:
        raise Corrupted(f"the folder listing {md5} cannot be read: {error}", md5=md5) from None
    if problem := _problem(entries):
        raise Corrupted(f"the folder listing {md5} names {problem}", md5=md5)
    return entries


def _problem(entries: Sequence[Entry]) -> str | None:
    """Return what no folder can hold of some files; looked for in all of them at once, since there may be a million."""
    md5s = [entry.md5 for entry in entries]
    if set(map(len, md5s)) - {_DIGITS} or "".join(md5s).encode().translate(None, b"0123456789abcdef"):
        return "what is no md5"
    paths = [entry.relpath for entry in entries]
    joined = "\0".join(("", *paths, ""))
    if entries and (joined.count("\0") > len(paths) + 1 or any(step in joined for step in _ASTRAY)):
        bad = next(path for path in paths if "\0" in path or any(step in f"\0{path}\0" for step in _ASTRAY))
        return f"'{bad}', outside of the folder"
    folders: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    twice, both = _clashes(paths, folders)
    if twice is not None:
        return f"'{twice}' twice"
    return None if both is None else f"'{both}' as a file and as a folder"


def _clashes(paths: Sequence[str], folders: set[str]) -> tuple[str | None, str | None]:
    """Return a path that is there twice, and one that is a folder as well."""
    if all(map(operator.lt, paths, islice(paths, 1, None))):  # in order, as in nearly all listings
        found = ((folder, bisect_left(paths, folder)) for folder in folders)
        return None, next((folder for folder, place in found if paths[place : place + 1] == [folder]), None)
    names = set(paths)
    twice = next(path for path in names if paths.count(path) > 1) if len(names) < len(paths) else None
    return twice, min(folders & names, default=None)
