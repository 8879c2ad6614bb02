"""A pinned version of a Delta table as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.versioning.datasets import Dataset
from mainspring.versioning.delta.losses import MISSING, gone
from mainspring.versioning.delta.opening import open_pinned, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deltalake import DeltaTable

    from mainspring.versioning.delta.pins import Pin
    from mainspring.versioning.delta.sources import Source

_READERS_FEATURES = {"deletionVectors", "timestampNtz"}


class TableDataset(Dataset, frozen=True, kw_only=True):
    """A dataset that is a Delta table: whatever is committed meanwhile, it is read at its version."""

    source: Source
    pin: Pin

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the version as a table.

        Raises:
            InvalidData: a file of it cannot be read, it has no rows, or lacks a column.
            NotFound: files of it were vacuumed.
        """
        rows = self.scan()
        if columns is not None:
            known = rows.collect_schema().names()
            if missing := [column for column in columns if column not in known]:
                raise InvalidData(
                    f"{self.source.shown} has no column '{missing[0]}'",
                    hint=f"it has {', '.join(known[:20])}",
                    column=missing[0],
                )
            rows = rows.select(columns)
        frame = collected(self.source, self.pin.version, rows.collect)
        if frame.is_empty():
            raise InvalidData(
                f"{self.source.shown} has no rows in version {self.pin.version}", hint="append some, or leave it out"
            )
        return frame

    def scan(self) -> pl.LazyFrame:
        """Return the version as a table that is not read yet."""
        return scan(open_pinned(self.source, self.pin))


def scan(table: DeltaTable) -> pl.LazyFrame:
    """Return the rows of a table, at the version it is opened at, unread."""
    protocol = table.protocol()
    unusual = protocol.min_reader_version == 2 or set(protocol.reader_features or ()) - _READERS_FEATURES
    if unusual:  # renamed columns and the like: the library reads them itself, all at once
        return pl.DataFrame(table.scan()).lazy()
    if not table.file_uris():
        return pl.DataFrame(schema=schema_of(table)).lazy()
    return pl.scan_delta(table)


def scan_some(table: DeltaTable, uris: Sequence[str], *, file: str | None = None) -> pl.LazyFrame:
    """Return the rows of some files of a table, unread; only where ``splits`` says that files can be told apart.

    ``file`` is the name of a column that is added and says which file a row is of.
    """
    schema = schema_of(table)
    more = {file: pl.String()} if file is not None else {}
    if not uris:
        return pl.DataFrame(schema={**schema, **more}).lazy()
    partitioned = table.metadata().partition_columns
    return pl.scan_parquet(
        list(uris),
        schema={name: kind for name, kind in schema.items() if name not in partitioned},
        hive_partitioning=bool(partitioned),
        hive_schema={name: schema[name] for name in partitioned} if partitioned else None,
        cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast", datetime_cast="forbid"),
        missing_columns="insert",
        extra_columns="ignore",
        storage_options=table._storage_options,
        credential_provider=None,
        include_file_paths=file,
    ).select(*schema, *more)


def splits(table: DeltaTable) -> bool:
    """Whether equal files of two versions hold equal rows: not where rows are deleted beside the files."""
    protocol = table.protocol()
    return protocol.min_reader_version != 2 and not set(protocol.reader_features or ()) - {"timestampNtz"}


def schema_of(table: DeltaTable) -> pl.Schema:
    """Return the columns of a table."""
    return pl.DataFrame(table.schema().to_arrow().empty_table()).schema


def collected(source: Source, version: int, collect: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Read rows.

    Raises:
        NotFound: files of the version are gone.
        InvalidData: a file of it cannot be read.
        StorageError: the store does not answer, or refuses us.
    """
    with translated(source):
        try:
            return collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            said = str(error).strip().splitlines()[0]
            if isinstance(error, FileNotFoundError) or MISSING.search(said):
                raise gone(source, version, said) from None
            if isinstance(error, OSError):
                raise
            raise InvalidData(
                f"version {version} of {source.shown} cannot be read: {said}",
                hint="a file of the table is damaged: bring it back from a backup, or read another version",
                table=source.shown,
                version=version,
            ) from error
