"""Searching runs: from conditions and orders to the ids of one page.

What reads an index and what sorts is decided here and not left to SQLite, which keeps no statistics: a condition that few
runs pass is looked up first, and the order by a metric, a param or a tag follows the index of its values.
"""

from __future__ import annotations

import operator
from itertools import product
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, literal, literal_column, select, true

from mainspring.base.filters import Comparison
from mainspring.store.prepared import Prepared
from mainspring.store.schema.tracking import START, experiments, inputs, latest_metrics, runs, start_of
from mainspring.store.search import SortKey, after, ordering
from mainspring.tracking.records.run_clauses import (
    MISSING,
    NAN,
    NUMBER,
    PLACE,
    TEXTS,
    Question,
    Scope,
    restricted,
    sorting,
)
from mainspring.tracking.records.run_drivers import driver_of
from mainspring.tracking.records.run_sorting import by_sorting, many_pass, rows_of
from mainspring.tracking.records.runs import NAME_TAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select, Table
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Order

CHUNK = 3000
"""So many runs of the index of a param or a tag are read and sorted at a time; what more have in common is searched for."""
PATIENCE = 3
"""After so many chunks of an index without a full page the rest is sorted."""

_FIRST = latest_metrics.alias("first")


def _starts(table: Table, ascending: bool, inclusive: bool, whole: bool) -> Select[Any]:
    begins = start_of(table.c.value)
    since = start_of(bindparam("since", type_=String))
    query = select(begins).where(table.c.key == bindparam("key"))
    if not whole:
        sign = (operator.ge if inclusive else operator.gt) if ascending else (operator.le if inclusive else operator.lt)
        query = query.where(sign(begins, since))
    return query.order_by(begins if ascending else begins.desc()).limit(literal_column("1")).offset(bindparam("skip"))


_STARTS = {
    (entity, *how): Prepared(lambda _, table=table, how=how: _starts(table, *how))  # type: ignore[misc]  # mypy knows no defaults of lambdas
    for entity, table in TEXTS.items()
    for how in product((True, False), repeat=3)
}


def scope(connection: Connection, experiment_ids: Sequence[str] | None, view: str) -> Scope:
    """Return where to search: in these experiments (None: in all), for runs of a view."""
    query = select(experiments.c.id, experiments.c.lifecycle, PLACE.label("place"))
    if experiment_ids is not None:
        query = query.where(experiments.c.id.in_(experiment_ids))
    rows = connection.execute(query).all()
    active = [row.id for row in rows if row.lifecycle == "active"]
    deleted = [row.id for row in rows if row.lifecycle != "active"] if view != "active" else []
    return Scope(active, deleted, None if view == "all" else view, rows[0].place if len(rows) == 1 else None)


def datasets(connection: Connection, experiment_ids: Sequence[str], *, most: int) -> list[tuple[Any, ...]]:
    """Return experiment, name, digest and context of the datasets that runs of experiments read, each once."""
    columns = (runs.c.experiment_id, inputs.c.dataset, inputs.c.md5, inputs.c.context)
    query = select(*columns).join_from(inputs, runs).where(runs.c.experiment_id.in_(experiment_ids))
    return rows_of(connection, query.distinct().order_by(*columns).limit(most))


def sort_keys(orders: Sequence[Order]) -> list[SortKey]:
    """Return what a page token of an order holds."""
    return sorting(orders)[0]


def page(
    connection: Connection, question: Question, *, most: int, start: Sequence[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Return id and sort values of up to ``most`` runs, after the one with the sort values ``start``."""
    if not (question.scope.active or question.scope.deleted):
        return []
    driver = driver_of(connection, question)
    first = question.orders[0] if question.orders else None
    if (
        first is None
        or driver is not None
        or not _has_index(first, question.scope)
        or not many_pass(connection, question)
    ):
        return by_sorting(connection, question, driver, most, start)
    if first.entity == "attribute":
        return by_sorting(connection, question, true(), most, start)  # the runs' own index is in this order
    if first.entity == "metric":
        return _by_metric(connection, question, most, start)
    return _by_text(connection, question, most, start)


def _has_index(order: Order, scope: Scope) -> bool:
    if order.entity == "attribute":
        return order.key == "run_id" or (order.key == "artifact_uri" and scope.place is not None)
    return order.entity == "metric" or (order.entity, order.key) != ("tag", NAME_TAG)


def _by_metric(
    connection: Connection, question: Question, most: int, start: Sequence[Any] | None
) -> list[tuple[Any, ...]]:
    """Follow the index of a metric: the runs in which it is a number, then NaN, then missing."""
    found: list[tuple[Any, ...]] = []
    for rank in range(NUMBER if start is None else start[0], MISSING):
        if len(found) < most:
            beyond = start[1:] if start is not None and start[0] == rank else None
            query = _with_metric(question, rank, beyond, connection.dialect.name)
            end = _far_value(connection, question.orders[0], beyond) if rank == NUMBER else None
            if end is not None:
                query = query.where(end)
            found += rows_of(connection, query.limit(most - len(found)))
            if end is not None and len(found) < most:  # it leads to runs that were not asked for
                since = found[-1][1:] if found else start
                return found + by_sorting(connection, question, None, most - len(found), since)
    if len(found) < most:
        found += _without(connection, question, MISSING, most - len(found), start)
    return found


def _far_value(connection: Connection, order: Order, start: Sequence[Any] | None) -> ColumnElement[bool] | None:
    """Return the condition that a value comes before one as far ahead in the index as it is followed; None: it ends before."""
    value = latest_metrics.c.value
    query = select(value).where(latest_metrics.c.key == order.key, value.is_not(None))
    if start is not None:
        query = query.where(value >= start[0] if order.ascending else value <= start[0])
    query = query.order_by(value if order.ascending else value.desc())
    far = connection.execute(query.limit(1).offset(CHUNK * PATIENCE)).scalar()
    if far is None:
        return None
    sign = operator.lt if order.ascending else operator.gt
    before: ColumnElement[bool] = sign(_FIRST.c.value, far)
    return before


def _with_metric(question: Question, rank: int, start: Sequence[Any] | None, dialect: str) -> Select[Any]:
    first, *rest = question.orders
    metric = _FIRST
    keys, sources = sorting(rest, metric.join(runs, runs.c.id == metric.c.run_id), question.scope.place)
    query = select(runs.c.id, literal(rank), metric.c.value, *(key.column for key in keys)).select_from(sources)
    held = metric.c.value.is_(None) if rank == NAN else metric.c.value.is_not(None)
    query = restricted(query.where(metric.c.key == first.key, held), question, true(), dialect)
    if rank == NUMBER:
        keys = [SortKey(metric.c.value, first.ascending, (float,)), *keys]
    if start is not None:
        query = query.where(after(keys, start if rank == NUMBER else start[1:]))
    return query.order_by(*ordering(keys))


def _without(
    connection: Connection, question: Question, rank: int, most: int, start: Sequence[Any] | None
) -> list[tuple[Any, ...]]:
    """Return runs that have nothing under the first key of the order: a search of its own, by the rest of the order."""
    order, *rest = question.orders
    missing = Comparison(entity=order.entity, key=order.key, comparator="IS NULL", value=None)
    narrowed = Question(question.scope, [*question.filters, missing], rest)
    beyond = start[2:] if start is not None and start[0] == rank else None
    return [(row[0], rank, None, *row[1:]) for row in page(connection, narrowed, most=most, start=beyond)]


def _by_text(
    connection: Connection, question: Question, most: int, start: Sequence[Any] | None
) -> list[tuple[Any, ...]]:
    """Follow the index of a param or a tag, some thousand runs at a time; then come the runs that have none."""
    order = question.orders[0]
    found: list[tuple[Any, ...]] = []
    since, inclusive = (None if start is None else start[1]), True
    looks = 0 if start is not None and start[0] else PATIENCE
    while looks:
        first, ahead = (_value_start(connection, order, since, inclusive, skip) for skip in (0, CHUNK))
        if first is None:
            break
        if first == ahead and len(first) < START:
            found += _of_value(connection, question, first, most - len(found), start)
        else:
            until = None if ahead is None else (ahead, first == ahead)
            found += _between(connection, question, first, until, most - len(found), start)
        if len(found) >= most:
            return found
        if ahead is None:
            break
        since, inclusive = ahead, first != ahead
        looks -= 1
        if not looks:  # it leads to runs that were not asked for
            return found + by_sorting(connection, question, None, most - len(found), found[-1][1:] if found else start)
    return found + _without(connection, question, 1, most - len(found), start)


def _value_start(connection: Connection, order: Order, since: str | None, inclusive: bool, skip: int) -> str | None:
    """Return how the value begins that the index holds ``skip`` runs after the first one from ``since`` on."""
    cursor = _STARTS[order.entity, order.ascending, inclusive, since is None](
        connection, {"key": order.key, "since": since, "skip": skip}
    )
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else str(row[0])


def _of_value(
    connection: Connection, question: Question, value: str, most: int, start: Sequence[Any] | None
) -> list[tuple[Any, ...]]:
    """Return runs of one value that many have: this is a search of its own, by the rest of the order."""
    order, *rest = question.orders
    same = Comparison(entity=order.entity, key=order.key, comparator="=", value=value)
    narrowed = Question(question.scope, [*question.filters, same], rest)
    beyond = start[2:] if start is not None and start[1] == value else None
    return [(row[0], 0, value, *row[1:]) for row in page(connection, narrowed, most=most, start=beyond)]


def _between(
    connection: Connection,
    question: Question,
    since: str,
    until: tuple[str, bool] | None,
    most: int,
    start: Sequence[Any] | None,
) -> list[tuple[Any, ...]]:
    """Return runs whose values begin in a range of the index; ``until`` has its end, and whether that belongs to it."""
    order, *rest = question.orders
    held = TEXTS[order.entity].alias("first")
    begins = start_of(held.c.value)
    keys, sources = sorting(rest, held.join(runs, runs.c.id == held.c.run_id), question.scope.place)
    keys = [SortKey(held.c.value, order.ascending, (str,)), *keys]
    query = select(runs.c.id, literal(0), *(key.column for key in keys)).select_from(sources)
    query = query.where(held.c.key == order.key, begins >= since if order.ascending else begins <= since)
    if until is not None:
        end, closed = until
        inside = begins == end if closed else begins < end if order.ascending else begins > end
        query = query.where(inside)
    query = restricted(query, question, true(), connection.dialect.name)
    if start is not None:
        query = query.where(after(keys, start[1:]))
    return rows_of(connection, query.order_by(*ordering(keys)).limit(most))
