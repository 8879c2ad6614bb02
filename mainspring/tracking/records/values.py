"""The rows of params and tags: texts by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select

from mainspring.store.prepared import Prepared, among, bound, upsert
from mainspring.store.schema.tracking import latest_metrics, params, tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

_COLUMNS = {
    params: ("run_id", "key", "value"),
    tags: ("run_id", "key", "value"),
    latest_metrics: ("run_id", "key", "value", "low", "high", "n", "step", "at"),
}
_logged = {
    table: Prepared(
        lambda dialect, table=table, names=names: (  # type: ignore[misc]  # mypy knows no defaults of lambdas
            select(*(table.c[name] for name in names))
            .where(among(table.c.run_id, dialect))
            .order_by(table.c.run_id, table.c.key)
        )
    )
    for table, names in _COLUMNS.items()
}
_held_params = Prepared(
    lambda dialect: select(params.c.key, params.c.value).where(
        params.c.run_id == bindparam("run_id"), among(params.c.key, dialect)
    )
)
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
    cursor = _held_params(connection, {"run_id": run_id} | bound(connection, list(values)))
    held = dict(cursor.fetchall())
    cursor.close()
    return {key: value for key, value in held.items() if value != values[key]}


def put_tags(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags, replacing those that are there."""
    _put_tag.many(connection, _rows(run_id, values))


def drop_tag(connection: Connection, run_id: str, key: str) -> bool:
    """Remove a tag; say whether it was there."""
    return connection.execute(delete(tags).filter_by(run_id=run_id, key=key)).rowcount == 1


def logged(connection: Connection, table: Table, run_ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Give the rows of ``params``, ``tags`` or ``latest_metrics`` of runs, by run and key.

    Params and tags are ``(run, key, value)``, metrics ``(run, key, value, low, high, n, step, at)``.
    """
    cursor = _logged[table](connection, bound(connection, run_ids))
    yield from cursor
    cursor.close()


def _rows(run_id: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
