"""Sorting runs: the way to a page where no index has its order, or where an index would lead to runs that do not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, literal_column, not_, select, union_all

from mainspring.store.schema.tracking import runs
from mainspring.store.search import SortKey, after, ordering
from mainspring.tracking.records.run_clauses import Question, condition, in_scope, restricted, sorting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CompoundSelect, Connection, Select
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.tracking.records.run_clauses import Scope

SORTED = 2500
"""So many runs are sorted without an index."""
SAMPLE = 1000
"""So many runs are looked at to say how many pass."""
RARE = 50
"""Where fewer than one in so many runs pass, those that do are sorted: an index would be followed in vain for long."""
ENDS = 2000
"""A page of so many of the newest and the oldest runs says which of the others are worth sorting."""


def by_sorting(
    connection: Connection,
    question: Question,
    driver: ColumnElement[bool] | None,
    most: int,
    start: Sequence[Any] | None,
) -> list[tuple[Any, ...]]:
    """Return id and sort values of up to ``most`` runs after ``start``, of those that the ``driver`` finds (None: of all)."""
    planned = driver is None and connection.dialect.name == "postgresql"  # which judges by what it takes for likely
    many = driver is None and (planned or bool(question.orders)) and _count(connection, question.scope) > SORTED
    keys, sources = sorting(question.orders, place=question.scope.place, one_by_one=planned and not many)
    all_ = select(runs.c.id, *(key.column for key in keys)).select_from(sources)
    if start is not None:
        all_ = all_.where(after(keys, start))
    query = restricted(all_, question, driver, connection.dialect.name)
    if many and _of_one_experiment(question.scope) and sources is runs and keys[0].column is not runs.c.started_at:
        some = restricted(all_, question, runs.c.id.in_(_some(question.scope, ENDS)), connection.dialect.name)
        page = rows_of(connection, some.order_by(*ordering(keys)).limit(most))
        if len(page) == most:  # what comes after it is not worth sorting, least of all where the last is read first
            query = query.where(not_(after(keys, page[-1][1:])))
    logged = any(item.entity != "attribute" for item in question.filters)
    if many and planned and logged and _few_pass(connection, question):
        query, keys = _fenced(query, keys)
    return rows_of(connection, query.order_by(*ordering(keys)).limit(most))


def many_pass(connection: Connection, question: Question) -> bool:
    """Say whether there are more runs than are sorted without an index, and not so few of them pass that it is quicker."""
    return _count(connection, question.scope) > SORTED and not _few_pass(connection, question)


def rows_of(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query as plain tuples."""
    return [tuple(row) for row in connection.execute(query)]


def _fenced(query: Select[Any], keys: Sequence[SortKey]) -> tuple[Select[Any], list[SortKey]]:
    """Hide the limit from PostgreSQL, which would look at run after run until it has a page, where few runs make one."""
    found = query.offset(literal_column("0")).subquery()
    columns = list(found.c)
    return select(found), [key._replace(column=column) for key, column in zip(keys, columns[1:], strict=True)]


def _few_pass(connection: Connection, question: Question) -> bool:
    """Say whether fewer than one in ``RARE`` runs pass, judged by some."""
    passes = and_(
        in_scope(question.scope, ""),
        *(condition(item, question.scope, connection.dialect.name) for item in question.filters),
    )
    some = _some(question.scope, SAMPLE).subquery()
    # asked one by one: PostgreSQL would otherwise prepare for all the runs there are
    passed = select(case((passes, 1), else_=0)).where(runs.c.id == some.c.id).scalar_subquery()
    asked = select(func.count(), func.sum(passed)).select_from(some)
    count, passing = connection.execute(asked).one()
    return bool((passing or 0) * RARE < count)


def _some(scope: Scope, count: int) -> Select[Any] | CompoundSelect[Any]:
    """Return so many runs: of one experiment the newest and the oldest, which differ where anything changed in time."""
    if not _of_one_experiment(scope):
        return _there(scope).limit(count)
    ends = (
        _there(scope).order_by(begun).limit(count // 2).subquery()
        for begun in (runs.c.started_at.desc(), runs.c.started_at.asc())
    )
    return union_all(*(select(end.c.id) for end in ends))


def _count(connection: Connection, scope: Scope) -> int:
    """Return how many runs there are, which is one above ``SORTED`` where there are more."""
    there = _there(scope).limit(SORTED + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(there)).scalar_one())


def _there(scope: Scope) -> Select[Any]:
    return select(runs.c.id).where(runs.c.experiment_id.in_([*scope.active, *scope.deleted]))


def _of_one_experiment(scope: Scope) -> bool:
    return len(scope.active) + len(scope.deleted) == 1
