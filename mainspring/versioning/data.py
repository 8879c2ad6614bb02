"""Data: its versions, what changed, and how to get them back. Files, folders and Delta tables alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.versioning import checkout as stored
from mainspring.versioning import datasets as files
from mainspring.versioning.datasets import Dataset, known_datasets, locate
from mainspring.versioning.delta import sources
from mainspring.versioning.known import DatasetVersion, log
from mainspring.versioning.states import DatasetStatus
from mainspring.versioning.status import status
from mainspring.versioning.verification import Damage, Verification, verify, verify_some

if TYPE_CHECKING:
    from mainspring.store.links import Linker
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick

__all__ = [
    "Damage",
    "Dataset",
    "DatasetStatus",
    "DatasetVersion",
    "Verification",
    "add",
    "checkout",
    "current",
    "find_version",
    "known_datasets",
    "locate",
    "log",
    "name_of",
    "open_dataset",
    "status",
    "verify",
    "verify_some",
]


def add(
    workspace: Workspace,
    target: str | Path,
    *,
    recreated: bool = False,
    tick: Tick | None = None,
    linker: Linker | None = None,
) -> DatasetVersion:
    """Store a dataset, given by its name or path, as its next version; a Delta table is pinned where it is.

    ``recreated`` says that a table which is another one than before is meant.

    Raises:
        NotFound, Conflict, UsageError: as ``datasets.add`` and ``delta.versions.add``.
    """
    table = sources.find(workspace, target)
    if table is not None:
        from mainspring.versioning.delta import versions as tables  # with polars and deltalake

        return tables.add(workspace, table, recreated=recreated)
    return files.add(workspace, target, tick=tick, linker=linker)


def current(workspace: Workspace, name: str, *, add: bool = True) -> DatasetVersion:
    """Return the version of what is there now; if it is none, it is added, or with ``add`` off refused.

    Raises:
        NotFound, Conflict: as ``datasets.current`` and ``delta.versions.current``.
    """
    table = sources.find(workspace, name)
    if table is not None:
        from mainspring.versioning.delta import versions as tables  # with polars and deltalake

        return tables.current(workspace, table, add=add)
    return files.current(workspace, name, add=add)


def open_dataset(workspace: Workspace, name: str, *, add: bool = True) -> Dataset:
    """Return a dataset of the settings as it is now: a table at its newest version, or the one that is held."""
    table = sources.find(workspace, name)
    if table is not None:
        from mainspring.versioning.delta import versions as tables  # with polars and deltalake

        return tables.open_dataset(workspace, table, add=add)
    return files.open_dataset(workspace, name, add=add)


def find_version(workspace: Workspace, name: str, wanted: int | str | None) -> DatasetVersion:
    """Return a version of a dataset by number, or by the beginning of its md5; None is the pointer's, else the newest.

    Raises:
        NotFound: there is none.
    """
    table = sources.find(workspace, name) if name in workspace.settings.datasets else None
    if table is not None:
        from mainspring.versioning.delta import versions as tables  # with polars and deltalake

        return tables.find_version(workspace, table, wanted)
    return stored.find_version(workspace, name, wanted)


def checkout(
    workspace: Workspace,
    name: str,
    version: int | str | None = None,
    *,
    force: bool = False,
    restore: bool = False,
    tick: Tick | None = None,
    linker: Linker | None = None,
) -> DatasetVersion:
    """Make a dataset on disk exactly a version of it. A table is not touched: that version is read from now on.

    With ``restore`` a version of a table is committed to it again, as its newest.

    Raises:
        NotFound, Corrupted, Refused, Conflict: as ``checkout.checkout`` and ``delta.versions.checkout``.
        UsageError: ``restore`` of what is no table.
    """
    table = sources.find(workspace, name)
    if table is None:
        if restore:
            raise UsageError(
                f"'{name}' is no Delta table: its versions are simply checked out", hint="leave --restore out"
            )
        return stored.checkout(workspace, name, version, force=force, tick=tick, linker=linker)
    from mainspring.versioning.delta import versions as tables

    if restore:
        return tables.restore(workspace, table, version)
    return tables.checkout(workspace, table, version)


def name_of(workspace: Workspace, target: str | Path) -> str:
    """Return the name of a dataset given by its name, path or address.

    Raises:
        NotFound, UsageError, Conflict: as ``locate``.
    """
    table = sources.find(workspace, target)
    return table.name if table else locate(workspace, target)[0]
