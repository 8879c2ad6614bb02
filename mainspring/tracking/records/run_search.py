"""Searching runs: from conditions and orders to the ids of one page.

What reads an index and what sorts is decided here and not left to SQLite, which keeps no statistics: a condition on a
metric (or a run's id) that few runs pass is looked up first, and the order by a metric follows the index of its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, case, func, literal, literal_column, or_, select, true

from mainspring.store.prepared import Prepared
from mainspring.store.schema.tracking import experiments, inputs, latest_metrics, params, runs, tags
from mainspring.store.search import SortKey, after, compare, nulls_last, unindexed
from mainspring.tracking.records.runs import NAME_TAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select, Table
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Comparison, Order

FEW = 1000
"""A condition that so many runs pass is looked up first, and the rest asked of these runs."""
SORTED = 500
"""So many runs are sorted by a metric without an index."""
RARE = 50
"""Where fewer than one in so many runs pass, those that do are sorted: an index would be followed in vain for long."""

_ONE: ColumnElement[int] = literal_column("1")
_NUMBER, _NAN, _MISSING = 0, 1, 2
_TEXTS = {"param": params, "tag": tags}
_PLACE = func.coalesce(experiments.c.artifact_location, literal("mlflow-artifacts:/") + experiments.c.id) + "/"
_ATTRIBUTES: dict[str, tuple[ColumnElement[Any], tuple[type, ...]]] = {
    "run_id": (runs.c.id, (str,)),
    "run_name": (runs.c.name, (str,)),
    "status": (func.upper(runs.c.status), (str,)),
    "user_id": (runs.c.actor, (str,)),
    "start_time": (runs.c.started_at, (int,)),
    "end_time": (runs.c.ended_at, (int,)),
    "artifact_uri": (
        select(_PLACE + runs.c.id + "/artifacts")
        .where(experiments.c.id == runs.c.experiment_id)
        .correlate(runs)
        .scalar_subquery(),
        (str,),
    ),
}
_PASSING = {
    sign: Prepared(
        lambda dialect, sign=sign: (  # type: ignore[misc]  # mypy knows no defaults of lambdas
            select(latest_metrics.c.run_id)
            .where(
                latest_metrics.c.key == bindparam("key"),
                compare(latest_metrics.c.value, sign, bindparam("value"), dialect),
            )
            .limit(bindparam("most"))
            .offset(literal_column("0"))
        )
    )
    for sign in ("=", "<", "<=", ">", ">=")
}


class Scope(NamedTuple):
    """Whose runs are searched. ``active`` and ``deleted`` are experiments; ``lifecycle`` is of the runs, None for any."""

    active: Sequence[str]
    deleted: Sequence[str]
    lifecycle: str | None


class Question(NamedTuple):
    """What is asked about runs."""

    scope: Scope
    filters: Sequence[Comparison]
    orders: Sequence[Order]


def scope(connection: Connection, experiment_ids: Sequence[str] | None, view: str) -> Scope:
    """Return where to search: in these experiments (None: in all), for runs of a view."""
    query = select(experiments.c.id, experiments.c.lifecycle)
    if experiment_ids is not None:
        query = query.where(experiments.c.id.in_(experiment_ids))
    rows = connection.execute(query).all()
    active = [row.id for row in rows if row.lifecycle == "active"]
    deleted = [row.id for row in rows if row.lifecycle != "active"] if view != "active" else []
    return Scope(active, deleted, None if view == "all" else view)


def datasets(connection: Connection, experiment_ids: Sequence[str], *, most: int) -> list[tuple[Any, ...]]:
    """Return experiment, name, digest and context of the datasets that runs of experiments read, each once."""
    columns = (runs.c.experiment_id, inputs.c.dataset, inputs.c.md5, inputs.c.context)
    query = select(*columns).join_from(inputs, runs).where(runs.c.experiment_id.in_(experiment_ids))
    return _rows(connection, query.distinct().order_by(*columns).limit(most))


def sort_keys(orders: Sequence[Order]) -> list[SortKey]:
    """Return what a page token of an order holds."""
    return _sorting(orders)[0]


def page(
    connection: Connection, question: Question, *, most: int, start: Sequence[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Return id and sort values of up to ``most`` runs, after the one with the sort values ``start``."""
    if not (question.scope.active or question.scope.deleted):
        return []
    dialect = connection.dialect.name
    driver = _driver(connection, question.filters)
    orders = question.orders
    by_metric = bool(orders) and orders[0].entity == "metric" and driver is None and _many_pass(connection, question)
    keys, sources = _sorting(orders)
    if not by_metric:
        query = select(runs.c.id, *(key.column for key in keys)).select_from(sources)
        query = _restricted(query, question, driver, dialect)
        if start is not None:
            query = query.where(after(keys, start))
        return _rows(connection, query.order_by(*(key.clause() for key in keys)).limit(most))
    found: list[tuple[Any, ...]] = []
    for rank in range(_NUMBER if start is None else start[0], _MISSING + 1):
        if len(found) < most:
            beyond = start if start is not None and start[0] == rank else None
            query = _segment(question, rank, beyond, dialect)
            found += _rows(connection, query.limit(most - len(found)))
    return found


def _segment(question: Question, rank: int, start: Sequence[Any] | None, dialect: str) -> Select[Any]:
    """Return the runs whose first metric of the order is a number, NaN or missing, in order."""
    first, *rest = question.orders
    if rank == _MISSING:
        keys, sources = _sorting(rest)
        value: ColumnElement[Any] = literal(None)
        held = _logged(latest_metrics, first.key).exists()
        query = select(runs.c.id, literal(rank), value, *(key.column for key in keys)).select_from(sources).where(~held)
        query = _restricted(query, question, None, dialect)
    else:
        metric = latest_metrics.alias("first")
        keys, sources = _sorting(rest, metric.join(runs, runs.c.id == metric.c.run_id))
        query = select(runs.c.id, literal(rank), metric.c.value, *(key.column for key in keys)).select_from(sources)
        number = rank == _NUMBER
        query = query.where(
            metric.c.key == first.key, metric.c.value.is_not(None) if number else metric.c.value.is_(None)
        )
        query = _restricted(query, question, true(), dialect)
        if number:
            keys = [SortKey(metric.c.value, first.ascending, (float,)), *keys]
    if start is not None:
        query = query.where(after(keys, start[1:] if rank == _NUMBER else start[2:]))
    return query.order_by(*(key.clause() for key in keys))


def _restricted(
    query: Select[Any], question: Question, driver: ColumnElement[bool] | None, dialect: str
) -> Select[Any]:
    """Add the conditions to a query; with a ``driver`` no index of the experiments is used."""
    if driver is not None:
        query = query.where(driver)
    query = query.where(_in_scope(question.scope, dialect if driver is not None else ""))
    return query.where(*(_condition(item, dialect) for item in question.filters))


def _in_scope(scope: Scope, dialect: str) -> ColumnElement[bool]:
    column = unindexed(runs.c.experiment_id, dialect)
    wanted = [*scope.active, *scope.deleted]
    inside = column == wanted[0] if len(wanted) == 1 else column.in_(wanted)
    if scope.lifecycle is None:
        return inside
    marked = runs.c.lifecycle == scope.lifecycle
    if scope.deleted:  # what lies in a deleted experiment is deleted with it
        marked = or_(marked, unindexed(runs.c.experiment_id, dialect).in_(scope.deleted))
    return and_(inside, marked)


def _driver(connection: Connection, filters: Sequence[Comparison]) -> ColumnElement[bool] | None:
    """Return a condition on ids that few runs pass, or None."""
    for item in filters:
        if item.entity == "attribute" and item.key == "run_id" and item.comparator in ("=", "IN"):
            return compare(runs.c.id, item.comparator, item.value, connection.dialect.name)
    fewest: list[str] | None = None
    for item in filters:
        if item.entity == "metric" and item.comparator in _PASSING:
            cursor = _PASSING[item.comparator](connection, {"key": item.key, "value": item.value, "most": FEW + 1})
            passing = [row[0] for row in cursor]
            cursor.close()
            if len(passing) < (FEW + 1 if fewest is None else len(fewest)):
                fewest = passing
    return None if fewest is None else runs.c.id.in_(fewest)


def _many_pass(connection: Connection, question: Question) -> bool:
    """Say whether there are more runs than are sorted without an index, and not so few of them pass that it is quicker."""
    passes = and_(
        _in_scope(question.scope, ""), *(_condition(item, connection.dialect.name) for item in question.filters)
    )
    inside = runs.c.experiment_id.in_([*question.scope.active, *question.scope.deleted])
    some = select(case((passes, 1), else_=0).label("passes")).where(inside).limit(SORTED + 1).subquery()
    count, passing = connection.execute(select(func.count(), func.sum(some.c.passes)).select_from(some)).one()
    return bool(count > SORTED and passing * RARE >= count)


def _condition(item: Comparison, dialect: str) -> ColumnElement[bool]:
    if item.entity == "attribute" or (item.entity == "tag" and item.key == NAME_TAG):
        column, _ = _ATTRIBUTES["run_name" if item.entity == "tag" else item.key]
        if item.comparator in ("IS NULL", "IS NOT NULL"):
            return column.is_(None) if item.comparator == "IS NULL" else column.is_not(None)
        return compare(column, item.comparator, item.value, dialect)
    if item.entity == "dataset":
        return _read(item, dialect)
    if item.entity == "metric":
        assert isinstance(item.value, int | float)
        value = compare(latest_metrics.c.value, item.comparator, float(item.value), dialect)
        if item.comparator == "!=":  # NaN, which lies there as NULL, differs from every number
            value = or_(value, latest_metrics.c.value.is_(None))
        return _logged(latest_metrics, item.key).where(value).exists()
    table = _TEXTS[item.entity]
    held = _logged(table, item.key)
    if item.comparator == "IS NULL":
        return ~held.exists()
    if item.comparator == "IS NOT NULL":
        return held.exists()
    return held.where(compare(table.c.value, item.comparator, item.value, dialect)).exists()


def _read(item: Comparison, dialect: str) -> ColumnElement[bool]:
    """Return the condition that one of the datasets that a run read is as asked; one without context has none."""
    column = {"name": inputs.c.dataset, "digest": inputs.c.md5, "context": inputs.c.context}[item.key]
    held = select(_ONE).where(inputs.c.run_id == runs.c.id, compare(column, item.comparator, item.value, dialect))
    return (held.where(column != "") if item.key == "context" else held).correlate(runs).exists()


def _logged(table: Table, key: str) -> Select[Any]:
    return select(_ONE).where(table.c.run_id == runs.c.id, table.c.key == key).correlate(runs)


def _sorting(orders: Sequence[Order], sources: Any = runs) -> tuple[list[SortKey], Any]:
    """Return the keys to sort by, and the tables they lie in; newer runs come first among equals."""
    keys: list[SortKey] = []
    for number, order in enumerate(orders):
        if order.entity == "attribute" or (order.entity == "tag" and order.key == NAME_TAG):
            name = "run_name" if order.entity == "tag" else order.key
            column, kinds = _ATTRIBUTES[name]
            if name == "artifact_uri":  # read once for an experiment, and not for each of its runs
                sources = sources.join(experiments, experiments.c.id == runs.c.experiment_id)
                keys.append(SortKey(_PLACE, order.ascending, kinds))
                column = runs.c.id
            sort = nulls_last(column, order.ascending, kinds) if name == "end_time" else None
            keys += sort or [SortKey(column, order.ascending, kinds)]
            continue
        table = (latest_metrics if order.entity == "metric" else _TEXTS[order.entity]).alias(f"sort_{number}")
        sources = sources.outerjoin(table, and_(table.c.run_id == runs.c.id, table.c.key == order.key))
        if order.entity == "metric":
            rank = case((table.c.run_id.is_(None), _MISSING), (table.c.value.is_(None), _NAN), else_=_NUMBER)
            keys += [SortKey(rank, True, (int,)), SortKey(table.c.value, order.ascending, (float,))]
        else:
            keys += nulls_last(table.c.value, order.ascending, (str,))
    if any(key.column is runs.c.id for key in keys):
        return keys, sources  # no two runs are equal in it
    if not any(order.entity == "attribute" and order.key == "start_time" for order in orders):
        keys.append(SortKey(runs.c.started_at, False, (int,)))
    return [*keys, SortKey(runs.c.id, True, (str,))], sources


def _rows(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(query)]
