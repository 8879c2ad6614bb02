"""Searching experiments: from conditions and orders to the rows of one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from mainspring.store.schema.tracking import experiment_tags, experiments
from mainspring.store.search import SortKey, after, compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Comparison, Order

_ATTRIBUTES: dict[str, tuple[ColumnElement[Any], tuple[type, ...]]] = {
    "experiment_id": (experiments.c.id, (str,)),
    "name": (experiments.c.name, (str,)),
    "creation_time": (experiments.c.created_at, (int,)),
    "last_update_time": (func.coalesce(experiments.c.updated_at, experiments.c.created_at), (int,)),
}


def sort_keys(orders: Sequence[Order]) -> list[SortKey]:
    """Return what a page token of an order holds; without an order, newer experiments come first."""
    wanted = [(order.key, order.ascending) for order in orders] or [("creation_time", False), ("experiment_id", True)]
    if all(key != "experiment_id" for key, _ in wanted):
        wanted.append(("experiment_id", False))
    return [SortKey(_ATTRIBUTES[key][0], ascending, _ATTRIBUTES[key][1]) for key, ascending in wanted]


def page(
    connection: Connection,
    filters: Sequence[Comparison],
    keys: Sequence[SortKey],
    *,
    view: str,
    most: int,
    start: Sequence[Any] | None = None,
) -> list[tuple[Row[Any], list[Any]]]:
    """Return up to ``most`` experiments with their sort values, after the one with the sort values ``start``."""
    query = select(experiments, *(key.column.label(f"sort_{number}") for number, key in enumerate(keys)))
    query = query.where(*(_condition(item, connection.dialect.name) for item in filters))
    if view != "all":
        query = query.where(experiments.c.lifecycle == view)
    if start is not None:
        query = query.where(after(keys, start))
    rows = connection.execute(query.order_by(*(key.clause() for key in keys)).limit(most)).all()
    return [(row, list(row[-len(keys) :])) for row in rows]


def _condition(item: Comparison, dialect: str) -> ColumnElement[bool]:
    if item.entity == "attribute":
        return compare(_ATTRIBUTES[item.key][0], item.comparator, item.value, dialect)
    table = experiment_tags
    held = select(table.c.key).where(table.c.experiment_id == experiments.c.id, table.c.key == item.key)
    if item.comparator == "IS NULL":
        return ~held.exists()
    if item.comparator == "IS NOT NULL":
        return held.exists()
    return held.where(compare(table.c.value, item.comparator, item.value, dialect)).exists()
