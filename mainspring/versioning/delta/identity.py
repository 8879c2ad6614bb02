"""Which ids a Delta table had, and which of its versions are pinned.

A table keeps its id for good, but some writers give it another one with new columns. The log says whether it is the same table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import NotFound
from mainspring.versioning.delta.opening import open_table
from mainspring.versioning.delta.pins import named_in_git
from mainspring.versioning.records import table_versions

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source


def pinned(workspace: Workspace, source: Source, newest_id: str) -> dict[int, str]:
    """Return the versions of a table that a dataset version, a run's snapshot or a pointer in git names, with its id then.

    ``newest_id`` is the id of its newest version. A pin whose commit the log does not have any more is one of this table if
    others of its id are.

    Raises:
        Corrupted, StorageError: the table cannot be read.
    """
    named = named_in_git(workspace.root)
    candidates = {newest_id, *table_versions.select_table_ids(workspace.database, source.name), *named}
    found: dict[int, str] = {}
    for table_id in sorted(candidates):
        versions = table_versions.select_table_versions(workspace.database, table_id) | named.get(table_id, set())
        if table_id == newest_id or _is_of(source, table_id, versions):
            found |= dict.fromkeys(versions, table_id)
    return found


def _is_of(source: Source, table_id: str, versions: set[int]) -> bool:
    """Say whether a log had an id at one of these versions; it is the same for all of them that it has."""
    for version in sorted(versions, reverse=True):
        try:
            return str(open_table(source, version).metadata().id) == table_id
        except NotFound:
            continue
    return False
