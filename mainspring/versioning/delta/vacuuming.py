"""Removing files of a Delta table that no version needs which anybody pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Conflict, NotFound
from mainspring.versioning.delta.opening import open_table, pin_of, translated
from mainspring.versioning.delta.pins import named_in_git
from mainspring.versioning.delta.writing import commit_options
from mainspring.versioning.records import table_versions

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source

RETENTION_HOURS = 7 * 24


class Vacuum(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, removed: files relative to the table. ``kept`` versions are pinned, ``lost`` ones are gone."""

    files: list[str]
    kept: list[int]
    lost: list[int]
    removed: bool


def pinned(workspace: Workspace, table_id: str) -> set[int]:
    """Return the versions of a table that a dataset version, a run's snapshot, or a pointer in git's history names."""
    rows = table_versions.select_table_versions(workspace.database, table_id)
    return rows | named_in_git(workspace.root, table_id)


def vacuum(
    workspace: Workspace,
    source: Source,
    *,
    retention_hours: int = RETENTION_HOURS,
    orphans: bool = False,
    remove: bool = False,
) -> Vacuum:
    """Find files that neither the newest nor a pinned version needs, and with ``remove`` remove them.

    What was removed from the table less than ``retention_hours`` ago stays, for those who still read it. ``orphans`` are files
    that the log does not name, left behind by writers that were killed, and the change feed of versions that are not pinned.

    Raises:
        Conflict: the table was made anew, so that nobody can say what its pins need; nothing is removed.
        NotFound, Corrupted, StorageError: the table, or a pinned version, cannot be read; nothing is removed.
    """
    table = open_table(source)
    known = table_versions.select_table_ids(workspace.database, source.name)
    table_id = pin_of(source, table).id
    if known and table_id not in known:
        raise Conflict(
            f"{source.shown} is another table than the one whose versions are pinned: its id is {table_id}",
            hint=f"look at it, then `mainspring data add {source.name} --recreated`",
            table=source.shown,
        )
    kept, lost = [], []
    for version in sorted(pinned(workspace, table_id)):
        try:
            open_table(source, version)
            kept.append(version)
        except NotFound:  # its log is gone: nothing is left that could be kept for it
            lost.append(version)
    with translated(source):
        files = table.vacuum(
            retention_hours=retention_hours,
            dry_run=not remove,
            enforce_retention_duration=False,
            full=orphans,
            keep_versions=kept or None,
            **commit_options(workspace, None),
        )
    return Vacuum(files=sorted(files), kept=kept, lost=lost, removed=remove)
