"""Delta tables as users write and read them: what is committed inside of a run says which run it was.

table = Table("trips")
table.merge(rows, key=["id"])
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mainspring.base.errors import NotFound, UsageError
from mainspring.store.workspace import Workspace
from mainspring.tracking.lineage import log_commit
from mainspring.tracking.run import active_run
from mainspring.versioning.delta import changes as feed
from mainspring.versioning.delta import compacting, deleting, reading, sources, vacuuming, versions, writing
from mainspring.versioning.delta import history as past
from mainspring.versioning.delta import remains as remaining
from mainspring.versioning.delta.opening import open_table
from mainspring.versioning.frames import to_polars
from mainspring.versioning.tables import scan_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from deltalake import DeltaTable

    from mainspring.versioning.delta.compacting import Compaction
    from mainspring.versioning.delta.deleting import Deletion
    from mainspring.versioning.delta.history import Commit
    from mainspring.versioning.delta.remains import Remains
    from mainspring.versioning.delta.sources import Source
    from mainspring.versioning.delta.vacuuming import Vacuum
    from mainspring.versioning.known import DatasetVersion

Rows = Any
"""A polars or pandas frame, or the path of a file or folder that is read as a table."""


class Table:
    """A dataset of the settings that is a Delta table, by name. Every verb that writes returns the table's new version.

    What is committed is what others see at once; what a project reads of it is pinned by ``mainspring data add`` and every run.
    Inside of a run (a step of a pipeline too) the commit names the run.
    """

    def __init__(self, name: str, workspace: Workspace | None = None) -> None:
        """Find the table; it may not be there yet.

        Raises:
            NotFound: the settings have no such dataset, and nothing of that name was ever added.
            UsageError: the dataset is no Delta table.
        """
        self.workspace = workspace or Workspace.open()
        source = sources.find(self.workspace, name)
        if source is None:
            raise UsageError(
                f"the dataset '{name}' is no Delta table",
                hint=f"make it one: write `table: delta` below `{name}:` under `datasets:`, and give it a path of its own",
                dataset=name,
            )
        self.source: Source = source
        self.name = source.name

    @property
    def version(self) -> int:
        """The table's newest version.

        Raises:
            NotFound, Corrupted, StorageError: as ``delta.opening.open_table``.
        """
        return int(open_table(self.source).version())

    def create(self, rows: Rows, *, partition_by: Sequence[str] = (), change_feed: bool = False) -> int:
        """Make the table; as ``delta.writing.create``."""
        frame = _frame(rows)
        version = writing.create(
            self.workspace, self.source, frame, partition_by=partition_by, change_feed=change_feed, run_id=_run()
        )
        return self._committed(version)

    def append(self, rows: Rows, *, evolve: bool = False) -> int:
        """Add rows; as ``delta.writing.append``."""
        version = writing.append(self.workspace, self.source, _frame(rows), evolve=evolve, run_id=_run())
        return self._committed(version)

    def overwrite(self, rows: Rows, *, evolve: bool = False) -> int:
        """Replace all rows; as ``delta.writing.overwrite``."""
        version = writing.overwrite(self.workspace, self.source, _frame(rows), evolve=evolve, run_id=_run())
        return self._committed(version)

    def merge(self, rows: Rows, *, key: Sequence[str] | None = None, evolve: bool = False) -> int:
        """Replace rows by key, by default that of the dataset's settings, and add new ones; as ``delta.writing.merge``."""
        settings = self.workspace.settings.datasets.get(self.name)
        keys = list(key) if key is not None else list(settings.key if settings else ())
        version = writing.merge(self.workspace, self.source, _frame(rows), keys, evolve=evolve, run_id=_run())
        return self._committed(version)

    def delete(self, where: str | None = None, *, everything: bool = False, dry_run: bool = False) -> Deletion:
        """Delete the rows that fit a condition, such as ``"id = 7 AND city LIKE 'B%'"``; as ``delta.deleting.delete``."""
        deletion = deleting.delete(
            self.workspace, self.source, where, everything=everything, dry_run=dry_run, run_id=_run()
        )
        if deletion.rows and not dry_run:
            self._committed(deletion.version)
        return deletion

    def remains(self, where: str) -> list[Remains]:
        """Return the pinned versions that have rows which fit a condition; as ``delta.remains.remains``."""
        return remaining.remains(self.workspace, self.source, where)

    def scan(self, *, version: int | None = None, at: datetime | None = None) -> pl.LazyFrame:
        """Return the rows of the newest version, of another one, or of a moment, unread.

        Raises:
            NotFound: there is no such version, or the table is younger.
            UsageError: both are given.
        """
        return reading.scan(self.source, self._opened(version, at))

    def frame(self, *, version: int | None = None, at: datetime | None = None) -> pl.DataFrame:
        """Return the rows as ``scan`` finds them.

        Raises:
            NotFound: as ``scan``, or files of the version were vacuumed.
            InvalidData: a file of the version cannot be read.
        """
        table = self._opened(version, at)
        return reading.collected(self.source, table.version(), reading.scan(self.source, table).collect)

    def _committed(self, version: int) -> int:
        """Record with the active run, if there is one, that it committed a version, and return that."""
        run = active_run()
        if run is not None:
            log_commit(run.workspace, run.id, self.source.shown, str(open_table(self.source).metadata().id), version)
        return version

    def _opened(self, version: int | None, at: datetime | None) -> DeltaTable:
        if version is not None and at is not None:
            raise UsageError("a version and a moment were given", hint="give one of them")
        return open_table(self.source, version if at is None else past.version_at(self.source, at))

    def history(self, *, limit: int | None = None) -> list[Commit]:
        """Return the commits, newest first; as ``delta.history.history``."""
        return past.history(self.source, limit=limit)

    def changes(self, after: int, until: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield what the commits after a version changed, in batches; as ``delta.changes.changes``."""
        return feed.changes(self.source, after, self.version if until is None else until)

    def restore(self, version: int | str) -> DatasetVersion:
        """Commit a version of the dataset to the table again, as its newest; as ``delta.versions.restore``."""
        restored = versions.restore(self.workspace, self.source, version, run_id=_run())
        if restored.table_version is not None:
            self._committed(restored.table_version)
        return restored

    def compact(self, *, by: Sequence[str] = ()) -> Compaction:
        """Write small files together, or all files in the order of columns; as ``delta.compacting.compact``."""
        return compacting.compact(self.workspace, self.source, by=by, run_id=_run())

    def vacuum(
        self,
        *,
        retention_hours: int = vacuuming.RETENTION_HOURS,
        orphans: bool = False,
        forget: Collection[int] = (),
        accept_lost: bool = False,
        remove: bool = False,
    ) -> Vacuum:
        """Find, and with ``remove`` remove, files that no pinned version needs; as ``delta.vacuuming.vacuum``."""
        return vacuuming.vacuum(
            self.workspace,
            self.source,
            retention_hours=retention_hours,
            orphans=orphans,
            forget=forget,
            accept_lost=accept_lost,
            remove=remove,
        )


def _frame(rows: Rows) -> pl.DataFrame:
    if isinstance(rows, str | Path):
        path = Path(rows)
        if not path.exists():
            raise NotFound(f"there is no {path}", hint="name a file or folder of rows: Parquet, CSV or JSON lines")
        return scan_table(path).collect(engine="streaming")
    return to_polars(rows)


def _run() -> str | None:
    run = active_run()
    return run.id if run is not None else None
