"""The rows of params and tags: texts by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from mainspring.store.prepared import Prepared, upsert
from mainspring.store.schema.tracking import params, tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row, Table

TOGETHER = 500
"""Values in one IN list."""

_add_param = Prepared(lambda dialect: upsert(dialect)(params).on_conflict_do_nothing())


@Prepared
def _put_tag(dialect: str) -> Any:
    insert = upsert(dialect)(tags)
    return insert.on_conflict_do_update(index_elements=["run_id", "key"], set_={"value": insert.excluded.value})


def add_params(connection: Connection, run_id: str, values: Mapping[str, str]) -> dict[str, str]:
    """Insert params that are not there yet; return those that are there with another value."""
    added = _add_param.many(connection, _rows(run_id, values))
    if added == len(values):
        return {}
    held: dict[str, str] = {}
    for keys in parts(list(values)):
        query = select(params.c.key, params.c.value).where(params.c.run_id == run_id, params.c.key.in_(keys))
        held.update({row.key: row.value for row in connection.execute(query)})
    return {key: value for key, value in held.items() if value != values[key]}


def put_tags(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags, replacing those that are there."""
    _put_tag.many(connection, _rows(run_id, values))


def drop_tag(connection: Connection, run_id: str, key: str) -> bool:
    """Remove a tag; say whether it was there."""
    return connection.execute(delete(tags).filter_by(run_id=run_id, key=key)).rowcount == 1


def logged(connection: Connection, table: Table, run_ids: Sequence[str]) -> Iterator[Row[Any]]:
    """Give the rows of ``params``, ``tags`` or ``latest_metrics`` of runs, by key."""
    for part in parts(run_ids):
        yield from connection.execute(select(table).where(table.c.run_id.in_(part)).order_by(table.c.key))


def parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut values into pieces that one statement takes."""
    return (values[start : start + TOGETHER] for start in range(0, len(values), TOGETHER))


def _rows(run_id: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
