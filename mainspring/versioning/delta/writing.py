"""Rows on their way into a Delta table: the verbs that write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import AlreadyExists, InvalidData
from mainspring.versioning.delta.committing import again, check_free, check_takes_changes, commit_options, conflict
from mainspring.versioning.delta.history import OPERATION
from mainspring.versioning.delta.opening import open_table, translated
from mainspring.versioning.delta.reading import schema_of
from mainspring.versioning.delta.schemas import check_keys, check_parts, fitted, quoted, storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from deltalake import DeltaTable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source


def create(
    workspace: Workspace,
    source: Source,
    frame: pl.DataFrame,
    *,
    partition_by: Sequence[str] = (),
    change_feed: bool = False,
    run_id: str | None = None,
) -> int:
    """Make a table of rows and return its version, 0. Its log is kept for good, so that every version can be named.

    Raises:
        AlreadyExists: there is one; nothing was written.
        InvalidData: a column is of a type that Delta does not have, or no table can be parted by one (see ``check_parts``).
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    check_parts(frame, partition_by, table=source.shown)
    configuration = {"delta.enableExpiredLogCleanup": "false"}
    if change_feed:
        configuration["delta.enableChangeDataFeed"] = "true"
    with translated(source, doing="written"):
        try:
            write_deltalake(
                source.uri,
                storable(frame),
                mode="error",
                partition_by=list(partition_by) or None,
                configuration=configuration,
                storage_options=source.options,
                **commit_options(workspace, run_id),
            )
        except DeltaError as error:
            if "already exists" not in str(error):
                raise
            raise AlreadyExists(
                f"there is a table at {source.shown} already",
                hint=f"`mainspring data append {source.name}` or `overwrite`, or choose another path",
                table=source.shown,
            ) from None
    return 0


def append(
    workspace: Workspace, source: Source, frame: pl.DataFrame, *, evolve: bool = False, run_id: str | None = None
) -> int:
    """Add rows and return the version that has them. Two writers that append at once both get their rows in.

    Raises:
        SchemaMismatch: the rows do not fit; ``evolve`` takes new columns, and rows without some.
        Refused: a version of the dataset is held.
        Conflict: the table's schema changed meanwhile, or others left no gap to commit in.
    """
    check_free(source)
    return again(lambda: _write(workspace, source, frame, "append", evolve, run_id))


def overwrite(
    workspace: Workspace, source: Source, frame: pl.DataFrame, *, evolve: bool = False, run_id: str | None = None
) -> int:
    """Replace all rows and return the version; the rows of before stay readable at theirs.

    Raises:
        SchemaMismatch: the rows do not fit; with ``evolve`` the table gets their columns instead of its own.
        Refused: a version of the dataset is held, or the table only takes rows.
        Conflict: somebody committed meanwhile. Rows that nobody looked at would be replaced, so it is not tried again.
    """
    check_free(source)
    return _write(workspace, source, frame, "overwrite", evolve, run_id)


def merge(
    workspace: Workspace,
    source: Source,
    frame: pl.DataFrame,
    keys: Sequence[str],
    *,
    evolve: bool = False,
    run_id: str | None = None,
) -> int:
    """Replace the rows that have the keys of ``frame``, add those with new keys, and return the version.

    With ``evolve``, columns that ``frame`` lacks stay as they are in rows that are replaced, and new ones are added by a commit
    of their own before. It is safe to do twice, so after another commit it is done again on top of that.

    Raises:
        InvalidData: a key is null, NaN or there twice.
        SchemaMismatch: as ``append``.
        Refused: a version of the dataset is held, or the table only takes rows and some would be replaced.
        Conflict: others left no gap to commit in.
    """
    check_free(source)
    check_keys(frame, keys, what="what is merged")
    return again(lambda: _merge(workspace, source, frame, keys, evolve, run_id))


def restore_version(workspace: Workspace, source: Source, version: int, *, run_id: str | None = None) -> None:
    """Commit a version again as the newest.

    Raises:
        NotFound: files of it are gone; nothing was committed.
        Refused: the table only takes rows.
        Conflict: somebody else committed at the same moment.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    from mainspring.versioning.delta.losses import gone

    table = open_table(source)
    if table.version() == version:
        return  # it is the newest already
    check_takes_changes(source, table)
    with translated(source, doing="written"):
        try:
            properties = commit_options(workspace, run_id)["commit_properties"]
            table.restore(version, commit_properties=properties)
        except CommitFailedError as error:
            raise conflict(source, error) from error
        except DeltaError as error:
            if "missing file" in str(error):
                raise gone(source, version, str(error)) from None
            raise


def _write(
    workspace: Workspace, source: Source, frame: pl.DataFrame, mode: str, evolve: bool, run_id: str | None
) -> int:
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    table = open_table(source)
    replaces = mode == "overwrite"  # what somebody appends meanwhile would stay beside the rows: no second try
    common = commit_options(workspace, run_id, retries=0 if replaces else None) | {"mode": mode}
    if evolve:
        common["schema_mode"] = "overwrite" if replaces else "merge"
    check_parts(frame, table.metadata().partition_columns, table=source.shown)
    rows = (
        storable(frame) if replaces and evolve else fitted(frame, schema_of(table), evolve=evolve, table=source.shown)
    )
    with translated(source, doing="written"):
        try:
            write_deltalake(table, rows, **common)
        except CommitFailedError as error:
            raise conflict(source, error) from error
    return table.version()


def _merge(
    workspace: Workspace, source: Source, frame: pl.DataFrame, keys: Sequence[str], evolve: bool, run_id: str | None
) -> int:
    from deltalake.exceptions import CommitFailedError

    table = open_table(source)
    schema = schema_of(table)
    rows = fitted(frame, schema, evolve=evolve, table=source.shown)
    check_parts(rows, [name for name in table.metadata().partition_columns if name in rows.columns], table=source.shown)
    for key in keys:
        if key not in schema:
            raise InvalidData(f"{source.shown} has no column '{key}', which is a key", column=key)
    values = {quoted(name): f"source.{quoted(name)}" for name in rows.columns}
    with translated(source, doing="written"):
        try:
            if any(name not in schema for name in rows.columns):
                _add_columns(workspace, table, rows, run_id)
            merging = table.merge(
                rows,
                predicate=" AND ".join(f"target.{quoted(key)} = source.{quoted(key)}" for key in keys),
                source_alias="source",
                target_alias="target",
                **commit_options(workspace, run_id),
            )
            merging.when_matched_update(values).when_not_matched_insert(values).execute()
        except CommitFailedError as error:
            raise conflict(source, error) from error
    return table.version()


def _add_columns(workspace: Workspace, table: DeltaTable, rows: pl.DataFrame, run_id: str | None) -> None:
    """Commit the columns that a table does not have yet, without rows; a merge that adds them would change the table's id."""
    from deltalake import write_deltalake

    options = commit_options(workspace, run_id, more={OPERATION: "add columns"})
    write_deltalake(table, rows.head(0), mode="append", schema_mode="merge", **options)
