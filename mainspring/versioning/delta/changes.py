"""What commits of a Delta table changed, as its change feed has it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from mainspring.base.errors import UsageError
from mainspring.versioning.delta.commits import read_entry
from mainspring.versioning.delta.losses import MISSING, gone
from mainspring.versioning.delta.opening import open_table, translated
from mainspring.versioning.delta.parts import typed
from mainspring.versioning.delta.reading import collected, is_renamed, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deltalake import DeltaTable

    from mainspring.versioning.delta.commits import Entry, File
    from mainspring.versioning.delta.sources import Source

FEED = "delta.enableChangeDataFeed"
_TOLD = ("_change_type", "_commit_version", "_commit_timestamp")


def changes(source: Source, after: int, until: int) -> Iterator[pl.DataFrame]:
    """Yield the changes that the commits after ``after`` up to ``until`` made, as rows in batches, commit by commit.

    A row is told with ``_change_type`` (insert, delete, update_preimage, update_postimage), ``_commit_version`` and
    ``_commit_timestamp``. A row that was changed twice is told twice; what remains of it all is ``difference``'s to say.

    Raises:
        UsageError: the table keeps no change feed, or the versions are the wrong way round.
        NotFound: there is no such version, or what a commit changed was vacuumed.
    """
    if after >= until:
        raise UsageError(
            f"there are no commits after version {after} up to {until}", hint="name the older version first"
        )
    table = open_table(source, until)
    if table.metadata().configuration.get(FEED) != "true":
        raise UsageError(
            f"{source.shown} keeps no change feed",
            hint=f"it is asked for when a table is made (--change-feed); `mainspring data diff {source.name}` needs none",
            table=source.shown,
        )
    for version in range(after + 1, until + 1):
        with translated(source):
            entry = read_entry(source, version)
            if entry is not None and _is_misread(entry) and not is_renamed(table):
                yield from _read(source, table, version, entry)
                continue
            try:
                for batch in table.load_cdf(starting_version=version, ending_version=version):
                    yield pl.DataFrame(batch).select(*schema_of(table), *_TOLD)
            except Exception as error:  # what goes wrong while it is read has no class of its own
                if MISSING.search(str(error)):
                    raise gone(source, version, str(error)) from None
                raise error if type(error) is not Exception else OSError(str(error)) from error


def _is_misread(entry: Entry) -> bool:
    """Say whether the library looks for files of a commit where they are not: it takes the escapes of their paths literally."""
    files = [*entry.added, *entry.removed, *entry.feed]
    return any("%" in file.path for file in files) and not any(file.vector for file in files)


def _read(source: Source, table: DeltaTable, version: int, entry: Entry) -> Iterator[pl.DataFrame]:
    """Yield the changes of a commit: what it wrote of them, or else the rows of files that it removed and added."""
    if entry.feed:
        told: list[tuple[File, str | None]] = [(file, None) for file in entry.feed]
    else:
        told = [(file, "delete") for file in entry.removed if file.changes is not False]
        told += [(file, "insert") for file in entry.added if file.changes is not False]
    for file, kind in told:
        rows = _rows(source, table, file, kind).with_columns(
            _commit_version=pl.lit(version, dtype=pl.UInt64),
            _commit_timestamp=pl.lit(entry.at, dtype=pl.Int64).cast(pl.Datetime("ms")),
        )
        yield collected(source, version, rows.collect)


def _rows(source: Source, table: DeltaTable, file: File, kind: str | None) -> pl.LazyFrame:
    schema, parts = schema_of(table), file.parts or {}
    held = {name: dtype for name, dtype in schema.items() if name not in parts}
    rows = pl.scan_parquet(
        f"{source.uri}/{unquote(file.path)}",
        glob=False,
        schema=held | ({"_change_type": pl.String()} if kind is None else {}),
        hive_partitioning=False,
        cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast", missing_struct_fields="insert"),
        missing_columns="insert",
        extra_columns="ignore",
        storage_options=table._storage_options,
        credential_provider=None,
    )
    texts = {name: pl.Series([text], dtype=pl.String) for name, text in parts.items()}
    values = [pl.lit(typed(text, schema[name])[0], schema[name]).alias(name) for name, text in texts.items()]
    rows = rows.with_columns(values)
    return rows.select(*schema, "_change_type" if kind is None else pl.lit(kind).alias("_change_type"))
