"""Dataset versions that are versions of a Delta table: nothing is copied, and nothing of the table is ever rewritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import Conflict, Corrupted, InvalidData, NotFound, StorageError
from mainspring.base.ids import new_id
from mainspring.versioning.delta.losses import given_up, gone
from mainspring.versioning.delta.opening import check_follows, open_pinned, open_table, pin_of
from mainspring.versioning.delta.pins import Pin, Pointer, read_pointer, read_record, write_pointer
from mainspring.versioning.delta.reading import TableDataset
from mainspring.versioning.delta.writing import restore_version
from mainspring.versioning.known import DatasetVersion, find, log
from mainspring.versioning.places import refuse_overlap
from mainspring.versioning.pointers import ignore
from mainspring.versioning.records.datasets import insert_dataset_version
from mainspring.versioning.states import DatasetStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source
    from mainspring.versioning.states import State


def add(workspace: Workspace, source: Source, *, recreated: bool = False) -> DatasetVersion:
    """Pin the table's newest version as the dataset's next version, and write its pointer; what was held is let go.

    A version that is pinned already makes no new one. The record comes first, then the row, then the pointer.

    Raises:
        NotFound: there is no table.
        Conflict: it is another table than the one that is pinned, or its log was put back, unless ``recreated`` says that
            this is meant; or it overlaps with another dataset.
    """
    is_here = source.folder is not None and source.folder.is_relative_to(workspace.root)
    if is_here and not source.pointer.is_file():
        refuse_overlap(workspace, Path(source.uri))
    table = open_table(source)
    before = None if recreated else last_pin(workspace, source, read_pointer(source))
    if before is not None:
        check_follows(source, before, table)
    pin = pin_of(source, table)
    version = _record(workspace, source, table, pin)
    write_pointer(source, pin, held=False)
    if is_here:
        ignore(Path(source.uri))
    return version


def last_pin(workspace: Workspace, source: Source, pointer: Pointer | None) -> Pin | None:
    """Return what the pointer names, or without one the newest version that was recorded; None if there is none."""
    if pointer is not None:
        return pointer.pin
    held = log(workspace, source.name)
    return pin_of_version(workspace, held[-1]) if held and held[-1].table_id else None


def _record(workspace: Workspace, source: Source, table: DeltaTable, pin: Pin) -> DatasetVersion:
    md5 = workspace.objects.put_bytes(pin.record())
    for version in reversed(log(workspace, source.name)):
        if (version.md5, version.path) == (md5, source.shown):
            return version
    row = {"id": new_id(), "created_at": now(), "actor": workspace.actor, **_described(source, table, pin)}
    return msgspec.convert(insert_dataset_version(workspace, row), DatasetVersion)


def _described(source: Source, table: DeltaTable, pin: Pin) -> dict[str, str | int]:
    sizes = table._table.get_add_file_sizes()
    return {
        "dataset": source.name,
        "path": source.shown,
        "md5": pin.md5,
        "size": sum(sizes.values()),
        "files": len(sizes),
        "table_id": pin.id,
        "table_version": pin.version,
    }


def current(workspace: Workspace, source: Source, *, add: bool = True) -> DatasetVersion:
    """Return the version that is to be read now: the one that is held, else the table's newest.

    It is recorded where it is new; with ``add`` off it then has the number 0 and no id.

    Raises:
        NotFound: no table, or the held version is not there any more.
        Conflict: as ``add``.
    """
    pointer = read_pointer(source)
    if pointer is None or not pointer.held:
        if add:
            return _add(workspace, source)
        table = open_table(source)
        if pointer is not None:
            check_follows(source, pointer.pin, table)
        pin = pin_of(source, table)
    else:
        pin = pointer.pin
        table = open_pinned(source, pin)
        if add:
            return _record(workspace, source, table, pin)
    for version in reversed(log(workspace, source.name)):
        if version.md5 == pin.md5:
            return version
    unrecorded = {"id": "", "number": 0, "created_at": 0, "actor": ""}
    return msgspec.convert(unrecorded | _described(source, table, pin), DatasetVersion)


_add = add


def open_dataset(workspace: Workspace, source: Source, *, add: bool = True) -> TableDataset:
    """Return the dataset as it is to be read now; see ``current``."""
    return at_version(workspace, source, current(workspace, source, add=add))


def at_version(workspace: Workspace, source: Source, version: DatasetVersion) -> TableDataset:
    """Return the dataset at a version."""
    settings = workspace.settings.datasets.get(source.name)
    return TableDataset(
        name=source.name,
        path=source.folder or Path(source.uri),
        version=version,
        time=settings.time if settings else None,
        source=source,
        pin=pin_of_version(workspace, version),
    )


def pin_of_version(workspace: Workspace, version: DatasetVersion) -> Pin:
    """Return what a version names.

    Raises:
        InvalidData: it is none of a table.
    """
    if version.table_id is None or version.table_version is None:
        raise InvalidData(
            f"version {version.number} of '{version.dataset}' is no version of a Delta table, but files that were stored",
            hint=f"restore it elsewhere: it was {version.path} then",
            dataset=version.dataset,
        )
    try:
        return read_record(workspace.objects.read_bytes(version.md5))
    except (NotFound, Corrupted):  # the row says the same, but for the moment of the commit
        return Pin(id=version.table_id, version=version.table_version, at=0)


def pins_of(workspace: Workspace, inputs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, Pin]]:
    """Return dataset → address and pin of those inputs (dataset and md5) that are versions of tables."""
    found: dict[str, tuple[str, Pin]] = {}
    for dataset, md5 in inputs:
        for version in log(workspace, dataset):
            if version.md5 == md5 and version.table_id is not None:
                address = version.path if "://" in version.path else str(workspace.root / version.path)
                found[dataset] = address, pin_of_version(workspace, version)
    return found


def find_version(workspace: Workspace, source: Source, wanted: int | str | None) -> DatasetVersion:
    """Return a version by number, or by the beginning of its md5; None is the pointer's, else the newest.

    Raises:
        NotFound: there is none.
    """
    held = log(workspace, source.name)
    if not held:
        raise NotFound(
            f"the dataset '{source.name}' has no versions",
            hint=f"add it: mainspring data add {source.name}",
            dataset=source.name,
        )
    if wanted is not None:
        return find(held, wanted)
    pointer = read_pointer(source)
    return next((each for each in reversed(held) if pointer and each.md5 == pointer.pin.md5), held[-1])


def checkout(workspace: Workspace, source: Source, wanted: int | str | None) -> DatasetVersion:
    """Read a version from now on, whatever is committed to the table; ``add`` follows the table again.

    The table itself is only read: the pointer says what is held.

    Raises:
        NotFound: no such version, or the table does not have it any more, or it was given up.
        Conflict: another table lies there now.
    """
    version = find_version(workspace, source, wanted)
    pin = pin_of_version(workspace, version)
    table = open_pinned(source, pin)
    if pin.version in given_up(source):
        raise gone(source, pin.version, "given up")
    write_pointer(source, pin_of(source, table) if not pin.at else pin, held=True)
    return version


def restore(
    workspace: Workspace, source: Source, wanted: int | str | None, *, run_id: str | None = None
) -> DatasetVersion:
    """Commit a version to the table again, as its newest, and pin that; history stays as it is.

    Raises:
        NotFound: no such version, or files of it were vacuumed; nothing was committed.
        Conflict: as ``add``, or somebody else committed at the same moment.
    """
    version = find_version(workspace, source, wanted)
    pin = pin_of_version(workspace, version)
    open_pinned(source, pin)
    if (before := last_pin(workspace, source, read_pointer(source))) is not None:
        check_follows(source, before, open_table(source))
    restore_version(workspace, source, pin.version, run_id=run_id)
    return add(workspace, source)


def status(workspace: Workspace, source: Source) -> DatasetStatus:
    """Return how the table compares with the version that its pointer names, or else the newest; changes nothing."""
    held = log(workspace, source.name)
    try:
        pointer = read_pointer(source)
    except InvalidData as error:
        return DatasetStatus(dataset=source.name, path=source.shown, state="damaged", problem=error.message)
    pin = last_pin(workspace, source, pointer)
    number = next((version.number for version in reversed(held) if pin and version.md5 == pin.md5), None)
    state, problem = _state(source, pointer, pin)
    return DatasetStatus(
        dataset=source.name,
        path=source.shown,
        state=state,
        number=number,
        md5=pin.md5 if pin else None,
        problem=problem,
    )


def _state(source: Source, pointer: Pointer | None, pin: Pin | None) -> tuple[State, str | None]:
    try:
        table = open_table(source)
        if pin is None:
            return "not added", f"add it: mainspring data add {source.name}"
        check_follows(source, pin, table)
        newest = pin_of(source, table).version
    except NotFound as error:
        return "missing", error.hint
    except (Conflict, Corrupted, InvalidData, StorageError) as error:
        return "damaged", error.message
    behind = newest - pin.version
    if pointer is not None and pointer.held:
        newer = f"; the table is at {newest}" if behind > 0 else ""
        return "up to date", f"held at version {pin.version} of the table{newer}"
    if behind > 0:
        commits = "1 commit" if behind == 1 else f"{behind} commits"
        return "modified", f"{commits} after version {pin.version} of the table, which is pinned"
    return "up to date", None
