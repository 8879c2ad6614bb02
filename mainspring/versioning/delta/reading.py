"""A pinned version of a Delta table as rows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.versioning.datasets import Dataset
from mainspring.versioning.delta.losses import MISSING, gone
from mainspring.versioning.delta.opening import open_pinned, translated
from mainspring.versioning.delta.parts import are_in_names, by_values, read_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deltalake import DeltaTable

    from mainspring.versioning.delta.pins import Pin
    from mainspring.versioning.delta.sources import Source

_MAPPED = "columnMapping"
_RENAMES = 2
"""The version of the protocol that has renamed columns, before it had names for what readers have to know."""
_OUTSIDE = {"timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint", "vacuumProtocolCheck"}
"""What leaves every file a file whose rows are those of the table."""


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
        return scan(self.source, open_pinned(self.source, self.pin))


def scan(source: Source, table: DeltaTable) -> pl.LazyFrame:
    """Return the rows of a table, at the version it is opened at, unread.

    Tables with renamed columns are read at once, and so are those that need what only the library can do.

    Raises:
        InvalidData: the table uses what even the library does not know.
    """
    features = _features(table)
    known = {"timestampNtz", "deletionVectors"}
    if is_renamed(table) or features - _OUTSIDE - known:
        return _by_library(source, table)
    uris = table.file_uris()
    if not uris:
        return pl.DataFrame(schema=schema_of(table)).lazy()
    if features <= known and _is_usual(table):
        with suppress(_protocol_error()):  # older polars knows nothing of deletion vectors
            return pl.scan_delta(table)
    return _by_library(source, table) if "deletionVectors" in features else scan_some(table, uris)


def _protocol_error() -> type[Exception]:
    from deltalake.exceptions import DeltaProtocolError

    return DeltaProtocolError


def _by_library(source: Source, table: DeltaTable) -> pl.LazyFrame:
    """Read all rows, always in the same order."""
    from deltalake import QueryBuilder

    with translated(source):
        asked = QueryBuilder({"datafusion.execution.target_partitions": "1"}).register("rows", table)
        return pl.DataFrame(asked.execute("SELECT * FROM rows")).lazy()


def _is_usual(table: DeltaTable) -> bool:
    """Say whether the folders of a table that is parted tell its values, which is where they are read from."""
    return not table.metadata().partition_columns or are_in_names(*read_parts(table, schema_of(table)))


def scan_some(table: DeltaTable, uris: Sequence[str], *, file: str | None = None) -> pl.LazyFrame:
    """Return the rows of some files of a table, unread; only where ``splits`` says that files can be told apart.

    ``file`` is the name of a column that is added and says which file a row is of.
    """
    schema = schema_of(table)
    more = {file: pl.String()} if file is not None else {}
    if not uris:
        return pl.DataFrame(schema={**schema, **more}).lazy()
    parts = table.metadata().partition_columns
    if not parts:
        return _scan_files(table, schema, uris, file=file)
    wanted = set(uris)
    all_uris, values = read_parts(table, schema)
    chosen = [place for place, uri in enumerate(all_uris) if uri in wanted]
    uris, values = [all_uris[place] for place in chosen], values[chosen]
    if are_in_names(uris, values):
        return _scan_files(table, schema, uris, file=file, named=parts)
    frames = [_scan_files(table, schema, files, file=file, given=given) for given, files in by_values(uris, values)]
    return pl.concat(frames)


def _scan_files(
    table: DeltaTable,
    schema: pl.Schema,
    uris: Sequence[str],
    *,
    file: str | None,
    named: Sequence[str] = (),
    given: Mapping[str, object] | None = None,
) -> pl.LazyFrame:
    """Read files that hold all columns but those of which their folders are ``named``, or whose values are ``given``."""
    elsewhere = {*named, *(given or ())}
    rows = pl.scan_parquet(
        list(uris),
        glob=False,
        schema={name: kind for name, kind in schema.items() if name not in elsewhere},
        hive_partitioning=bool(named),
        hive_schema={name: schema[name] for name in named} if named else None,
        cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast", missing_struct_fields="insert"),
        missing_columns="insert",
        extra_columns="ignore",
        storage_options=table._storage_options,
        credential_provider=None,
        include_file_paths=file,
    )
    rows = rows.with_columns(pl.lit(value, schema[name]).alias(name) for name, value in (given or {}).items())
    return rows.select(*schema, *([file] if file is not None else []))


def splits(table: DeltaTable) -> bool:
    """Whether equal files of two versions hold equal rows: not where rows are deleted beside the files."""
    return not _features(table) - _OUTSIDE


def is_renamed(table: DeltaTable) -> bool:
    """Whether columns have other names in the files than in the table."""
    return _MAPPED in _features(table)


def _features(table: DeltaTable) -> set[str]:
    """Return what readers of a table have to know."""
    protocol = table.protocol()
    return {*(protocol.reader_features or ()), *([_MAPPED] if protocol.min_reader_version == _RENAMES else [])}


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
