"""Which objects no row needs any more, and taking them away."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import JSON, String, cast, select

from mainspring.base.errors import Corrupted, NotFound
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

    What is younger than the grace period stays, and so does what a writer asked for while this went on: storing what is
    there makes it young again. A folder keeps its files. An object that a row began to need in the meantime comes back,
    and so does what lies in the trash and is needed, whoever left it there. The trash is emptied of the rest after a week.

    Raises:
        Corrupted: the listing of a folder that is needed is damaged, so what it needs is not known; nothing is removed.
    """
    others = set(others)
    with database.read() as connection:
        keep = _with_files(objects, needed(connection, others))
    limit = time.time() - grace_seconds
    doomed = list(_old(_files(objects, keep), limit))
    size = sum(path_size for _, path_size in doomed)
    if remove:
        taken = _to_trash(objects, [path for path, _ in doomed])
        for address, path in taken.items():
            if path.stat().st_mtime >= limit:  # a writer asked for it between the two looks
                _put_back(objects, address, path)
        with database.read() as connection:
            again = _with_files(objects, needed(connection, others))
        for path in list(objects.root.glob("trash/*/*")):
            if path.name in again:
                _put_back(objects, path.name, path)
        _empty_trash(objects)
    return Garbage(objects=len(doomed), size=size, kept=sum(1 for _ in objects.addresses()))


def has_records(database: Database) -> bool:
    """Say whether anything was ever recorded. Where it was not, the records may be lost, and with them what they need."""
    tables = [
        table for table in metadata.sorted_tables if table.name != "experiments"
    ]  # of which a new database has one
    with database.read() as connection:
        return any(connection.execute(select(table).limit(1)).first() is not None for table in tables)


def _with_files(objects: Objects, addresses: set[str]) -> set[str]:
    """Add the files of folders; a folder that is not in the store any more needs none. One in the trash comes back.

    Raises:
        Corrupted: a listing is damaged, be it that it is in quarantine by now.
    """
    whole = set(addresses)
    for address in addresses:
        if address.endswith(".dir"):
            try:
                whole.update(entry.md5 for entry in objects.listing(address))
            except NotFound:
                _refuse_damaged(objects, address)
    return whole


def _refuse_damaged(objects: Objects, address: str) -> None:
    aside = sorted(objects.root.glob(f"quarantine/{address}.*"))
    if aside:
        raise Corrupted(
            f"the listing {address} is damaged and in quarantine, so the files that its folder needs are not known; "
            "nothing was removed",
            hint="fetch it from a remote (mainspring data verify --heal) or add the same data again; if that version is lost "
            f"anyway, remove {', '.join(map(str, aside))}",
            md5=address,
        )


def _old(paths: Iterable[Path], limit: float) -> Iterator[tuple[Path, int]]:
    for path in paths:
        try:
            found = path.stat()
        except FileNotFoundError:  # another collection took it
            continue
        if found.st_mtime < limit:
            yield path, found.st_size


def _put_back(objects: Objects, address: str, path: Path) -> None:
    place = objects.path(address)
    place.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # a reader took it back
        path.replace(place)


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
        with suppress(FileNotFoundError):  # another collection took it
            taken[address] = path.replace(folder / address)
    return taken


def _empty_trash(objects: Objects) -> None:
    for folder in (objects.root / "trash").glob("*-*"):
        born = folder.name.partition("-")[0]
        if born.isdigit() and int(born) < time.time() - _TRASH_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
