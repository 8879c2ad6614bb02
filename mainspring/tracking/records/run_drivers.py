"""Conditions of searches that few runs pass: they are looked up first, and the rest is asked of the runs that they find."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, func, literal, literal_column, select

from mainspring.store.prepared import Prepared
from mainspring.store.schema.tracking import latest_metrics, runs, start_of
from mainspring.store.search import compare
from mainspring.tracking.records.run_clauses import TABLES, TEXTS
from mainspring.tracking.records.runs import NAME_TAG

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select, Table
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Comparison
    from mainspring.tracking.records.run_clauses import Question

FEW = 1000
"""So many runs that pass a condition on a metric are looked up first."""
MOST = 3000
"""So many runs that have a param or a tag, or a value of it, are looked up first."""


def driver_of(connection: Connection, question: Question) -> ColumnElement[bool] | None:
    """Return a condition on ids that few runs pass, or None."""
    for item in question.filters:
        if item.entity == "attribute" and item.key == "run_id" and item.comparator in ("=", "IN"):
            return compare(runs.c.id, item.comparator, item.value, connection.dialect.name)
    logged = [item for item in question.filters if _is_logged(item)]
    drivers = [found for item in logged if (found := _looked_up(connection, item)) is not None]
    return min(drivers, key=operator.itemgetter(0))[1] if drivers else None


def _is_logged(item: Comparison) -> bool:
    """Say whether it asks for something that a run logged under a key."""
    named = (item.entity, item.key) == ("tag", NAME_TAG)  # which the run itself holds
    return item.entity in TABLES and item.comparator != "IS NULL" and not named


def _looked_up(connection: Connection, item: Comparison) -> tuple[int, ColumnElement[bool]] | None:
    """Return how many runs may pass a condition, and what finds them in an index; None where they may be many."""
    if item.entity == "metric" and item.comparator in _VALUES:
        cursor = _VALUES[item.comparator](connection, {"key": item.key, "value": item.value, "most": FEW + 1})
        found = [row[0] for row in cursor]
        cursor.close()
        return (len(found), runs.c.id.in_(found)) if len(found) <= FEW else None
    table = TABLES[item.entity]
    if item.comparator == "=":
        counted, held = _COUNTS_OF_VALUE[item.entity], _of_value(table, item.key, literal(item.value, String))
    else:
        counted, held = _COUNTS_OF_KEY[item.entity], _of_key(table, item.key)
    cursor = counted(connection, {"key": item.key, "value": item.value, "most": MOST + 1})
    [count] = cursor.fetchone()
    cursor.close()
    return (count, runs.c.id.in_(held)) if count <= MOST else None


def _of_key(table: Table, key: Any) -> Select[Any]:
    return select(table.c.run_id).where(table.c.key == key)


def _of_value(table: Table, key: Any, value: Any) -> Select[Any]:
    """Return the runs with a value that begins as this one does; a value of fewer than ``START`` characters is meant whole."""
    return _of_key(table, key).where(start_of(table.c.value) == start_of(value))


def _some(found: Select[Any]) -> Select[Any]:
    return found.limit(bindparam("most")).offset(literal_column("0"))


def _count(found: Select[Any]) -> Prepared:
    return Prepared(lambda _: select(func.count()).select_from(_some(found).subquery()))


def _values(sign: str) -> Prepared:
    value = latest_metrics.c.value
    held = _of_key(latest_metrics, bindparam("key"))
    return Prepared(lambda dialect: _some(held.where(compare(value, sign, bindparam("value"), dialect))))


_VALUES = {sign: _values(sign) for sign in ("=", "<", "<=", ">", ">=")}
_COUNTS_OF_KEY = {entity: _count(_of_key(table, bindparam("key"))) for entity, table in TABLES.items()}
_COUNTS_OF_VALUE = {
    entity: _count(_of_value(table, bindparam("key"), bindparam("value", type_=String)))
    for entity, table in TEXTS.items()
}
