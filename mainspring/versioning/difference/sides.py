"""Two states of a dataset: a version, a version of the table, a moment, or what is there now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData, NotFound, UsageError
from mainspring.store.listings import Entry
from mainspring.versioning import data
from mainspring.versioning.contents import read_contents
from mainspring.versioning.delta import sources
from mainspring.versioning.delta import versions as tables
from mainspring.versioning.delta.history import version_at
from mainspring.versioning.delta.opening import open_pinned, open_table
from mainspring.versioning.delta.reading import collected, scan, scan_some, schema_of, splits
from mainspring.versioning.pointers import LegacyPointer, read_pointer
from mainspring.versioning.tables import KINDS, scan_table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source


@dataclass(frozen=True, kw_only=True)
class Side:
    """One state: what it is called, and of which parts it is made (name → content).

    ``scan`` gives the rows of some parts, or of all for None; it is None where the parts are no tables. ``schema`` are the
    columns then. ``collect`` reads rows, with errors that name the dataset.
    """

    label: str
    parts: dict[str, str]
    schema: pl.Schema | None
    scan: Callable[[Collection[str] | None], pl.LazyFrame] | None
    collect: Callable[[pl.LazyFrame], pl.DataFrame]
    is_table: bool = False


def sides(workspace: Workspace, target: str, before: str | None, after: str | None) -> tuple[Side, Side]:
    """Return two states of a dataset; ``before`` is by default the version that its pointer names, ``after`` what is there now.

    A state is the number or md5 of a dataset version (``3``), a version of a Delta table itself (``@12``), or a moment
    (``2026-03-01`` or with a time, UTC).

    Raises:
        NotFound: there is no such dataset or state.
        UsageError: a state that cannot be understood, or ``@`` of what is no Delta table.
    """
    source = sources.find(workspace, target)
    if source is not None:
        return _table_side(workspace, source, before or ""), _table_side(workspace, source, after)
    name, path = data.locate(workspace, target)
    unrecorded = _unrecorded(workspace, name, path) if before is None else None
    first = _stored_side(workspace, name, before) if unrecorded is None else _addressed(workspace, path, unrecorded)
    return first, _present_side(workspace, path) if after is None else _stored_side(workspace, name, after)


def _moment(text: str) -> datetime | None:
    if len(text) < 8 or text[4:5] != "-":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is no moment", hint="write 2026-03-01 or 2026-03-01T12:00:00+00:00", state=text
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# Delta tables


def open_state(workspace: Workspace, source: Source, state: str | None) -> tuple[str, DeltaTable]:
    """Return a table opened at a state, and what that is called; None is its newest version, ``""`` the pointer's.

    Raises:
        NotFound, Conflict: there is no such state, or another table lies there.
    """
    if state is None:
        table = open_table(source)
        return f"table version {table.version()} (newest)", table
    if state.startswith("@"):
        if not state[1:].isdigit():
            raise UsageError(f"'{state}' is no version of a table", hint="write @12", state=state)
        return f"table version {state[1:]}", open_table(source, int(state[1:]))
    if moment := _moment(state):
        version = version_at(source, moment)
        return f"table version {version} (at {moment.isoformat()})", open_table(source, version)
    found = tables.find_version(workspace, source, state or None)
    pin = tables.pin_of_version(workspace, found)
    return f"version {found.number} (table version {pin.version})", open_pinned(source, pin)


def _table_side(workspace: Workspace, source: Source, state: str | None) -> Side:
    label, table = open_state(workspace, source, state)
    uris = table.file_uris()
    whole = not splits(table)

    def rows(parts: Collection[str] | None) -> pl.LazyFrame:
        return scan(source, table) if parts is None or (whole and parts) else scan_some(table, list(parts))

    return Side(
        label=label,
        parts={f"version {table.version()}": f"version {table.version()}"} if whole else {uri: uri for uri in uris},
        schema=schema_of(table),
        scan=rows,
        collect=lambda lazy: collected(source, table.version(), lambda: lazy.collect(engine="streaming")),
        is_table=True,
    )


# Files in the store, or on disk


def _stored_side(workspace: Workspace, name: str, state: str | None) -> Side:
    if state and state.startswith("@"):
        raise UsageError(
            f"'{name}' is no Delta table, and has no versions but its own", hint=f"write {state[1:]} instead of {state}"
        )
    moment = _moment(state) if state else None
    if moment is not None:
        at = int(moment.timestamp() * 1000)
        older = [version for version in data.log(workspace, name) if version.created_at <= at]
        if not older:
            raise NotFound(
                f"'{name}' had no version at {state}", hint=f"see `mainspring data log {name}`", dataset=name
            )
        found = older[-1]
    else:
        found = data.find_version(workspace, name, state)
    if found.table_id is not None:
        raise InvalidData(
            f"version {found.number} of '{name}' is of a Delta table, which it is not any more", dataset=name
        )
    return _content_side(workspace, f"version {found.number}", found.path.rpartition("/")[2], found.md5)


def _unrecorded(workspace: Workspace, name: str, path: Path) -> str | None:
    """Return what the pointer names if that is no version yet, as after ``git pull`` or where only DVC was at work."""
    try:
        md5 = read_pointer(path)
    except LegacyPointer:
        return None
    return md5 if md5 and all(version.md5 != md5 for version in data.log(workspace, name)) else None


def _addressed(workspace: Workspace, path: Path, md5: str) -> Side:
    if not workspace.objects.has(md5):
        raise NotFound(
            f"not all of what the pointer of {path} names is in the store",
            hint="fetch it: mainspring data fetch",
            md5=md5,
        )
    return _content_side(workspace, "the pointer's", path.name, md5)


def _content_side(workspace: Workspace, label: str, name: str, md5: str) -> Side:
    listed = workspace.objects.listing(md5) if md5.endswith(".dir") else [Entry(name, md5)]
    parts = {entry.relpath: entry.md5 for entry in listed}
    places = {file: workspace.objects.path(md5) for file, md5 in parts.items()}

    def checked(file: str) -> Path:
        workspace.objects.check(parts[file])
        return places[file]

    return _files_side(label, parts, checked)


def _present_side(workspace: Workspace, path: Path) -> Side:
    contents = read_contents(workspace, path)
    parts = {file or path.name: md5 for file, md5 in contents.files.items()}
    return _files_side("on disk", parts, lambda file: path if path.is_file() else path / file)


def _files_side(label: str, parts: dict[str, str], place: Callable[[str], Path]) -> Side:
    kinds = {file: KINDS.get("." + file.rpartition(".")[2].lower()) for file in parts}
    hidden = {file for file in parts if any(part.startswith((".", "_")) for part in file.split("/"))}
    files = [file for file in sorted(parts) if kinds[file] and file not in hidden]
    if not files or any(kind is None for file, kind in kinds.items() if file not in hidden):
        return Side(label=label, parts=parts, schema=None, scan=None, collect=pl.LazyFrame.collect)

    def rows(wanted: Collection[str] | None) -> pl.LazyFrame:
        chosen = [file for file in files if wanted is None or file in wanted]
        if not chosen:
            return pl.DataFrame(schema=schema).lazy()
        frames = [scan_table(place(file), as_format=kinds[file]) for file in chosen]
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")

    def collect(lazy: pl.LazyFrame) -> pl.DataFrame:
        try:
            return lazy.collect(engine="streaming")
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            said = str(error).strip().splitlines()[0]
            raise InvalidData(
                f"{label} cannot be read as a table: {said}", hint="one of its files is damaged"
            ) from error

    schema = rows(None).collect_schema()
    return Side(label=label, parts=parts, schema=schema, scan=rows, collect=collect)
