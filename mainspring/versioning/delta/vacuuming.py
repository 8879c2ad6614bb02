"""Removing files of a Delta table that no version needs which anybody pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import Conflict, NotFound, Refused, UsageError
from mainspring.versioning.delta.committing import commit_options
from mainspring.versioning.delta.history import FORGOT
from mainspring.versioning.delta.identity import pinned
from mainspring.versioning.delta.losses import given_up
from mainspring.versioning.delta.opening import open_table, pin_of, translated
from mainspring.versioning.delta.pins import read_pointer
from mainspring.versioning.records import table_versions

if TYPE_CHECKING:
    from collections.abc import Collection

    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source

RETENTION_HOURS = 7 * 24


class Vacuum(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, removed: files relative to the table. ``kept`` versions are pinned, ``lost`` ones are gone.

    ``forgotten`` are pinned versions that were, or would be, given up.
    """

    files: list[str]
    kept: list[int]
    lost: list[int]
    removed: bool
    forgotten: list[int] = []


def vacuum(
    workspace: Workspace,
    source: Source,
    *,
    retention_hours: int = RETENTION_HOURS,
    orphans: bool = False,
    forget: Collection[int] = (),
    accept_lost: bool = False,
    remove: bool = False,
) -> Vacuum:
    """Find files that neither the newest nor a pinned version needs, and with ``remove`` remove them.

    What was removed from the table less than ``retention_hours`` ago stays, for those who still read it. ``orphans`` are files
    that the log does not name, left behind by writers that were killed, and the change feed of that age, pinned or not.

    Versions to ``forget`` are pinned and are given up all the same: the commit names them, and from then on they are lost for
    everybody, though records and git go on naming them. ``accept_lost`` has to say that this is meant.

    Raises:
        Conflict: the table was made anew, so that nobody can say what its pins need; nothing is removed.
        UsageError: a version to forget is not pinned.
        Refused: one is what the dataset's pointer names, or the newest, or ``accept_lost`` is missing; or ``orphans`` of a table
            with deletion vectors.
        NotFound, Corrupted, StorageError: the table, or a pinned version, cannot be read; nothing is removed.
    """
    table = open_table(source)
    if orphans and "deletionVectors" in (table.protocol().reader_features or ()):
        raise Refused(
            f"{source.shown} deletes rows beside its files (deletion vectors), and those would be taken for orphans",
            hint="leave --orphans out",
            table=source.shown,
        )
    known = table_versions.select_table_ids(workspace.database, source.name)
    newest = pin_of(source, table)
    versions = pinned(workspace, source, newest.id)
    if known and known.isdisjoint({newest.id, *versions.values()}):
        raise Conflict(
            f"{source.shown} is another table than the one whose versions are pinned: its id is {newest.id}",
            hint=f"look at it, then `mainspring data add {source.name} --recreated`",
            table=source.shown,
        )
    lost = [version for version in given_up(source) if version in versions]
    kept = []
    for version in sorted(versions.keys() - lost):
        try:
            open_table(source, version)
            kept.append(version)
        except NotFound:  # its log is gone: nothing is left that could be kept for it
            lost.append(version)
    if forget:
        _check_forgettable(source, forget, kept, newest.version)
        if remove and not accept_lost:
            raise Refused(
                f"{_versions(forget)} of {source.shown} would be lost for good, for everybody who pinned them",
                hint="if no run has to be made again from them, say --accept-lost as well",
                table=source.shown,
                versions=sorted(forget),
            )
    kept = [version for version in kept if version not in forget]
    files = _vacuum(workspace, source, table, retention_hours, orphans=orphans, kept=kept, forget=forget, remove=remove)
    return Vacuum(files=files, kept=kept, lost=sorted(lost), removed=remove, forgotten=sorted(forget))


def _check_forgettable(source: Source, forget: Collection[int], kept: Collection[int], newest: int) -> None:
    for version in sorted(forget):
        if version not in kept:
            raise UsageError(
                f"version {version} of {source.shown} is not pinned, so there is nothing to give up",
                hint=f"pinned are {', '.join(map(str, kept)) or 'none'}",
                table=source.shown,
            )
        pointer = read_pointer(source)
        if version == newest or (pointer is not None and pointer.pin.version == version):
            raise Refused(
                f"version {version} of {source.shown} is what '{source.name}' is read at now",
                hint=f"commit what is to be read instead, then `mainspring data add {source.name}`",
                table=source.shown,
                version=version,
            )


def _versions(versions: Collection[int]) -> str:
    told = ", ".join(map(str, sorted(versions)))
    return f"version {told}" if len(versions) == 1 else f"versions {told}"


def _vacuum(
    workspace: Workspace,
    source: Source,
    table: DeltaTable,
    retention_hours: int,
    *,
    orphans: bool,
    kept: list[int],
    forget: Collection[int],
    remove: bool,
) -> list[str]:
    more = {FORGOT: ",".join(map(str, sorted(forget)))} if forget else {}
    asked: dict[str, Any] = {"retention_hours": retention_hours, "enforce_retention_duration": False, "full": orphans}
    with translated(source):
        found = table.vacuum(dry_run=True, keep_versions=kept or None, **asked)
        files = [file for file in found if _is_there(source, file)]
        if files and remove:
            options = commit_options(workspace, None, more=more)
            table.vacuum(dry_run=False, keep_versions=kept or None, **asked, **options)
    return sorted(files)


def _is_there(source: Source, file: str) -> bool:
    """Say whether a file is there; of a store nobody knows. What was removed from a parted table is found again and again."""
    return source.folder is None or (source.folder / file).exists()
