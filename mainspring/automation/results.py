"""Results of steps, kept: JSON for plain values, Arrow for tables, npy for arrays, files as they are, else pickle.

Pickles are read back by the user's own process from the workspace's own store, checked against their address; the
server never reads them.
"""

from __future__ import annotations

import io
import pickle
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import Corrupted, InvalidData, MainspringError
from mainspring.base.hashing import md5_bytes, md5_file
from mainspring.base.parsing import parsed
from mainspring.store.listings import Entry
from mainspring.store.objects import walk

if TYPE_CHECKING:
    from mainspring.store.objects import Objects

_META = "meta.json"


SMALL = 4096
"""Results of at most so many bytes lie in the row that remembers them; an object of their own costs two disk barriers."""


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a result is written, how many bytes it takes and where they lie: in ``content``, or in the object ``md5``."""

    md5: str
    format: str
    size: int
    content: bytes | None = None


@dataclass(frozen=True)
class Files:
    """Files and folders that a step wrote below ``root``; remembered with their content and put back into place."""

    root: Path
    paths: list[str]
    about: dict[str, Any] = field(default_factory=dict)


class Unreadable(MainspringError):
    """A remembered result that cannot be read back; the step runs again."""

    code = "unreadable"


def store(objects: Objects, value: Any, root: Path) -> StoredResult:
    """Store a result; when it returns, the bytes are durable, unless they are few: then they are in ``content``.

    Raises:
        InvalidData: the value cannot be written down.
    """
    if isinstance(value, Path) and value.exists() and value.resolve().is_relative_to(root):
        value = Files(root, [value.resolve().relative_to(root).as_posix()], {"path": True})
    if isinstance(value, Files):
        return _store_files(objects, value)
    kind, data = encode(value)
    return keep(objects, kind, data)


def keep(objects: Objects, kind: str, data: bytes) -> StoredResult:
    """Store bytes as ``store`` does."""
    if len(data) <= SMALL:
        return StoredResult(md5=md5_bytes(data), format=kind, size=len(data), content=data)
    return StoredResult(md5=objects.put_bytes(data), format=kind, size=len(data))


def read(objects: Objects, stored: StoredResult) -> bytes:
    """Return the bytes of a result, checked against their md5.

    Raises:
        MainspringError: they are gone or damaged.
    """
    if stored.content is None:
        return objects.read_bytes(stored.md5)
    if md5_bytes(stored.content) != stored.md5:
        raise Corrupted(f"the result {stored.md5} in the database is damaged", md5=stored.md5)
    return stored.content


def load(objects: Objects, stored: StoredResult, root: Path) -> Any:
    """Return a stored result; files are put back where they were.

    Raises:
        Unreadable: the object is gone, damaged, or was written by code that is no longer there.
    """
    try:
        if stored.format == "files":
            return _load_files(objects, stored.md5, root)
        return decode(stored.format, read(objects, stored))
    except MainspringError as error:
        raise Unreadable(error.message, hint=error.hint) from error
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def encode(value: Any) -> tuple[str, bytes]:
    """Return how a value is written and its bytes.

    >>> encode([1, "two", None])
    ('json', b'[1,"two",null]')
    """
    if _is_plain(value):
        return "json", msgspec.json.encode(value)
    if type(value) is pl.DataFrame and not any(dtype.base_type() is pl.Object for dtype in value.dtypes):
        buffer = io.BytesIO()
        value.write_ipc(buffer, compression="zstd")
        return "ipc", buffer.getvalue()
    if type(value) is np.ndarray and not value.dtype.hasobject:
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return "npy", buffer.getvalue()
    try:
        return "pickle", pickle.dumps(value, protocol=5)
    except Exception as error:
        hint = "return plain data, or use `@step(cache=False)` on a step whose result need not be remembered"
        raise InvalidData(f"the result, a {type(value).__qualname__}, cannot be stored: {error}", hint=hint) from error


def decode(kind: str, data: bytes) -> Any:
    """Return the value that ``encode`` wrote.

    >>> decode(*encode({"a": [1.5, None]}))
    {'a': [1.5, None]}
    """
    if kind == "json":
        return msgspec.json.decode(data)
    if kind == "ipc":
        return pl.read_ipc(io.BytesIO(data))
    if kind == "npy":
        return parsed(lambda: np.load(io.BytesIO(data), allow_pickle=False))
    if kind == "pickle":
        return pickle.loads(data)  # noqa: S301 - our own store, checked by address, in the user's own process
    raise Unreadable(f"results of format '{kind}' are not known to this version")


def _is_plain(value: Any) -> bool:
    kind: type = type(value)
    if kind is float:
        return bool(np.isfinite(value))
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is str:
        return not any("\ud800" <= character <= "\udfff" for character in value)  # lone surrogates are no UTF-8
    if kind is bool or value is None:
        return True
    if kind is list:
        return all(_is_plain(item) for item in value)
    return kind is dict and all(type(key) is str and _is_plain(key) and _is_plain(item) for key, item in value.items())


def _store_files(objects: Objects, files: Files) -> StoredResult:
    found: dict[str, Path] = {}
    for path in files.paths:
        place = files.root / path
        inside = walk(place) if place.is_dir() else {"": place}
        found |= {f"content/{path}/{name}".rstrip("/"): file for name, file in inside.items()}
    stored = objects.put_folder(found)
    meta = msgspec.json.encode({"paths": files.paths, "about": files.about})
    entries = [*objects.listing(stored.md5), Entry(_META, objects.put_bytes(meta))]
    listing = objects.put_listing(entries, stored.size + len(meta))
    return StoredResult(md5=listing.md5, format="files", size=listing.size)


def files(objects: Objects, md5: str) -> dict[str, str]:
    """Return the md5 of each file that a stored result of files has, by its path below the root."""
    entries = ((entry.relpath, entry.md5) for entry in objects.listing(md5) if entry.relpath != _META)
    return {posixpath.normpath(name.removeprefix("content/")): address for name, address in entries}


def _load_files(objects: Objects, md5: str, root: Path) -> Files | Path:
    entries = {entry.relpath: entry.md5 for entry in objects.listing(md5)}
    meta = msgspec.json.decode(objects.read_bytes(entries.pop(_META)), type=dict[str, Any])
    for address in entries.values():
        objects.check(address)
    for name, address in entries.items():
        target = root / name.removeprefix("content/")
        if not target.is_file() or md5_file(target) != address:
            objects.restore(address, target)
    if meta["about"].get("path"):
        return root.joinpath(meta["paths"][0])
    return Files(root, meta["paths"], meta["about"])
