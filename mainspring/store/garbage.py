"""Which objects no row needs any more, and taking them away."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import JSON, String, cast, select

from mainspring.base.errors import NotFound
from mainspring.base.ids import new_id
from mainspring.store.schema.metadata import Address, metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from mainspring.store.database import Database
    from mainspring.store.objects import Objects

_ADDRESS = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?\b")
GRACE_SECONDS = 24 * 3600
"""Objects younger than this stay: their rows may be on the way."""
_TRASH_SECONDS = 7 * 24 * 3600


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: objects that no row needs, their bytes, and how many objects stay."""

    objects: int
    size: int
    kept: int


def needed(connection: Connection, others: Iterable[str] = ()) -> set[str]:
    """Return every address that any row names, in a column of addresses or anywhere in a document.

    ``others`` are needed too. A document may hold 32 hexadecimal digits that are no address: what they name stays, which
    does no harm.
    """
    found = set(others)
    for table in metadata.sorted_tables:
        for column in table.columns:
            if column.type is Address:
                found.update(value for value in connection.execute(select(column).distinct()).scalars() if value)
            elif isinstance(column.type, JSON):
                for text in connection.execute(select(cast(column, String))).scalars():
                    found.update(_ADDRESS.findall(text or ""))
    return found


def collect(
    database: Database,
    objects: Objects,
    *,
    others: Iterable[str] = (),
    grace_seconds: float = GRACE_SECONDS,
    remove: bool = False,
) -> Garbage:
    """Find the objects that neither a row nor ``others`` need, and with ``remove`` move them to the trash.

    What is younger than the grace period stays. The trash is emptied of what has lain there for a week. A folder keeps
    its files. An object that a row began to need in the meantime comes back.

    Raises:
        NotFound, Corrupted: the listing of a folder that is needed cannot be read, so what it needs is not known;
            nothing is removed.
    """
    others = set(others)
    with database.read() as connection:
        keep = _with_files(objects, needed(connection, others))
    limit = time.time() - grace_seconds
    doomed = [path for path in _files(objects, keep) if path.stat().st_mtime < limit]
    size = sum(path.stat().st_size for path in doomed)
    if remove:
        taken = _to_trash(objects, doomed)
        with database.read() as connection:
            again = _with_files(objects, needed(connection, others), set(taken))
        for address in again & taken.keys():
            objects.path(address).parent.mkdir(parents=True, exist_ok=True)
            taken[address].replace(objects.path(address))
        _empty_trash(objects)
    return Garbage(objects=len(doomed), size=size, kept=sum(1 for _ in objects.addresses()))


def _with_files(objects: Objects, addresses: set[str], in_trash: set[str] | None = None) -> set[str]:
    """Add the files of folders; a folder that is not in the store any more needs none."""
    whole = set(addresses)
    for address in addresses:
        if address.endswith(".dir") and address not in (in_trash or ()):
            try:
                whole.update(entry.md5 for entry in objects.listing(address))
            except NotFound:
                continue
    return whole


def _files(objects: Objects, keep: set[str]) -> Iterator[Path]:
    for address in objects.addresses():
        if address not in keep:
            yield objects.path(address)


def _to_trash(objects: Objects, paths: Iterable[Path]) -> dict[str, Path]:
    folder = objects.root / "trash" / f"{int(time.time())}-{new_id()[-8:]}"
    taken: dict[str, Path] = {}
    for path in paths:
        address = path.parent.name + path.name
        folder.mkdir(parents=True, exist_ok=True)
        taken[address] = path.replace(folder / address)
    return taken


def _empty_trash(objects: Objects) -> None:
    for folder in (objects.root / "trash").glob("*-*"):
        born = folder.name.partition("-")[0]
        if born.isdigit() and int(born) < time.time() - _TRASH_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
