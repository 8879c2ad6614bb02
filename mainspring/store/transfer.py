"""Copying all records from one database to another, of whatever kinds they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from mainspring.base.errors import Conflict
from mainspring.store.schema import metadata
from mainspring.store.schema.tracking import metric_batches

if TYPE_CHECKING:
    from mainspring.store.database import Database

_TOGETHER = 1000


def copy_records(source: Database, target: Database) -> int:
    """Copy every row of one database into another that has none; return how many. All of it happens, or nothing.

    What others write into the source meanwhile is not copied. Objects are files: they stay where they are.

    Raises:
        Conflict: the target has rows already.
        UsageError: the target cannot hold a value.
    """
    copied = 0
    with source.read() as reading, target.write() as writing:
        for table in metadata.sorted_tables:
            if writing.execute(select(table).limit(1)).first() is not None:
                raise Conflict(
                    f"the database to copy into has rows in '{table.name}'", hint="name one that nobody has used yet"
                )
        for table in metadata.sorted_tables:
            for rows in reading.execute(select(table)).mappings().partitions(_TOGETHER):
                writing.execute(insert(table), [dict(row) for row in rows])
                copied += len(rows)
        if writing.dialect.name == "postgresql":  # rows that bring their number do not move the counter
            counter: Any = func.pg_get_serial_sequence(metric_batches.name, "id")
            writing.execute(select(func.setval(counter, select(func.max(metric_batches.c.id)).scalar_subquery())))
    return copied
