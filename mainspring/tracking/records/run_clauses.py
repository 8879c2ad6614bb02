"""What searches of runs are made of: conditions, scopes and keys to sort by, as clauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, case, func, literal, literal_column, or_, select, true

from mainspring.store.schema.tracking import experiments, inputs, latest_metrics, params, runs, tags
from mainspring.store.search import SortKey, compare, nulls_last, unindexed
from mainspring.tracking.records.runs import NAME_TAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select, Table
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Comparison, Order

ONE: ColumnElement[int] = literal_column("1")
NUMBER, NAN, MISSING = 0, 1, 2
TEXTS = {"param": params, "tag": tags}
TABLES = {"metric": latest_metrics, **TEXTS}
PLACE = func.coalesce(experiments.c.artifact_location, literal("mlflow-artifacts:/") + experiments.c.id) + "/"
"""Where the artifacts of an experiment's runs lie."""
_ATTRIBUTES: dict[str, tuple[ColumnElement[Any], tuple[type, ...]]] = {
    "run_id": (runs.c.id, (str,)),
    "run_name": (runs.c.name, (str,)),
    "status": (func.upper(runs.c.status), (str,)),
    "user_id": (runs.c.actor, (str,)),
    "start_time": (runs.c.started_at, (int,)),
    "end_time": (runs.c.ended_at, (int,)),
    "artifact_uri": (
        select(PLACE + runs.c.id + "/artifacts")
        .where(experiments.c.id == runs.c.experiment_id)
        .correlate(runs)
        .scalar_subquery(),
        (str,),
    ),
}


class Scope(NamedTuple):
    """Whose runs are searched. ``active`` and ``deleted`` are experiments; ``lifecycle`` is of the runs, None for any.

    ``place`` is where the artifacts of a single experiment lie; None says to look it up for each run.
    """

    active: Sequence[str]
    deleted: Sequence[str]
    lifecycle: str | None
    place: str | None = None


class Question(NamedTuple):
    """What is asked about runs."""

    scope: Scope
    filters: Sequence[Comparison]
    orders: Sequence[Order]


def restricted(query: Select[Any], question: Question, driver: ColumnElement[bool] | None, dialect: str) -> Select[Any]:
    """Add the conditions of a question to a query; with a ``driver`` no index of the experiments is used."""
    if driver is not None:
        query = query.where(driver)
    query = query.where(in_scope(question.scope, dialect if driver is not None else ""))
    return query.where(*(condition(item, question.scope, dialect) for item in question.filters))


def in_scope(scope: Scope, dialect: str) -> ColumnElement[bool]:
    """Return the condition that a run is one of those searched; without a ``dialect`` an index may find them."""
    column = unindexed(runs.c.experiment_id, dialect)
    wanted = [*scope.active, *scope.deleted]
    inside = column == wanted[0] if len(wanted) == 1 else column.in_(wanted)
    if scope.lifecycle is None:
        return inside
    marked = runs.c.lifecycle == scope.lifecycle
    if scope.deleted:  # what lies in a deleted experiment is deleted with it
        marked = or_(marked, unindexed(runs.c.experiment_id, dialect).in_(scope.deleted))
    return and_(inside, marked)


def condition(item: Comparison, scope: Scope, dialect: str) -> ColumnElement[bool]:
    """Return the condition that a run passes one part of a filter."""
    if item.entity == "attribute" or (item.entity == "tag" and item.key == NAME_TAG):
        column, _ = _ATTRIBUTES["run_name" if item.entity == "tag" else item.key]
        if item.key == "artifact_uri" and scope.place is not None:
            column = literal(scope.place) + runs.c.id + "/artifacts"
        if item.comparator in ("IS NULL", "IS NOT NULL"):
            return column.is_(None) if item.comparator == "IS NULL" else column.is_not(None)
        return compare(column, item.comparator, item.value, dialect)
    if item.entity == "dataset":
        return _read(item, dialect)
    held = logged(TABLES[item.entity], item.key)
    if item.comparator == "IS NULL":
        return ~held.exists()
    if item.comparator == "IS NOT NULL":
        return held.exists()
    if item.entity == "metric":
        assert isinstance(item.value, int | float)
        value = compare(latest_metrics.c.value, item.comparator, float(item.value), dialect)
        if item.comparator == "!=":  # NaN, which lies there as NULL, differs from every number
            value = or_(value, latest_metrics.c.value.is_(None))
        return held.where(value).exists()
    return held.where(compare(TEXTS[item.entity].c.value, item.comparator, item.value, dialect)).exists()


def _read(item: Comparison, dialect: str) -> ColumnElement[bool]:
    """Return the condition that one of the datasets that a run read is as asked; one without context has none."""
    column = {"name": inputs.c.dataset, "digest": inputs.c.md5, "context": inputs.c.context}[item.key]
    held = select(ONE).where(inputs.c.run_id == runs.c.id, compare(column, item.comparator, item.value, dialect))
    return (held.where(column != "") if item.key == "context" else held).correlate(runs).exists()


def logged(table: Table, key: str) -> Select[Any]:
    """Return the question for what a run logged under a key."""
    return select(ONE).where(table.c.run_id == runs.c.id, table.c.key == key).correlate(runs)


def sorting(
    orders: Sequence[Order], sources: Any = runs, place: str | None = None, one_by_one: bool = False
) -> tuple[list[SortKey], Any]:
    """Return the keys to sort by, and the tables they lie in; newer runs come first among equals.

    With ``one_by_one`` PostgreSQL is made to look up what each run logged, and does not read what all runs logged.
    """
    keys: list[SortKey] = []
    for number, order in enumerate(orders):
        if order.entity == "attribute" or (order.entity == "tag" and order.key == NAME_TAG):
            name = "run_name" if order.entity == "tag" else order.key
            column, kinds = _ATTRIBUTES[name]
            if name == "status":  # all lie there in small letters, which sort as the capitals do
                column = runs.c.status
            if name == "artifact_uri":  # read once for an experiment, and not for each of its runs
                if place is None:
                    sources = sources.join(experiments, experiments.c.id == runs.c.experiment_id)
                keys.append(SortKey(PLACE if place is None else literal(place), order.ascending, kinds))
                column = runs.c.id
            sort = nulls_last(column, order.ascending, kinds) if name == "end_time" else None
            keys += sort or [SortKey(column, order.ascending, kinds)]
            continue
        table: Any = TABLES[order.entity].alias(f"sort_{number}")
        same = and_(table.c.run_id == runs.c.id, table.c.key == order.key)
        if one_by_one:
            table = select(table.c.run_id, table.c.value).where(same).offset(literal_column("0")).lateral()
            same = true()
        sources = sources.outerjoin(table, same)
        if order.entity == "metric":
            rank = case((table.c.run_id.is_(None), MISSING), (table.c.value.is_(None), NAN), else_=NUMBER)
            keys += [SortKey(rank, True, (int,)), SortKey(table.c.value, order.ascending, (float,))]
        else:
            keys += nulls_last(table.c.value, order.ascending, (str,))
    if any(key.column is runs.c.id for key in keys):
        return keys, sources  # no two runs are equal in it
    if not any(order.entity == "attribute" and order.key == "start_time" for order in orders):
        keys.append(SortKey(runs.c.started_at, False, (int,)))
    return [*keys, SortKey(runs.c.id, True, (str,))], sources
