"""The rows of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, insert, select, update

from mainspring.store.prepared import Prepared
from mainspring.store.schema.tracking import experiments, latest_metrics, params, runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row
    from sqlalchemy.sql.elements import ColumnElement

_lifecycle = Prepared(lambda _: select(runs.c.lifecycle).where(runs.c.id == bindparam("id")))


def count(connection: Connection, experiment_id: str) -> int:
    """Return how many runs an experiment has, deleted ones included."""
    return connection.execute(
        select(func.count()).select_from(runs).filter_by(experiment_id=experiment_id)
    ).scalar_one()


def add(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a run."""
    connection.execute(insert(runs), row)


def lifecycle(connection: Connection, run_id: str) -> str | None:
    """Return whether a run is active or deleted; None if there is no such run."""
    cursor = _lifecycle(connection, {"id": run_id})
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else str(row[0])


def change(connection: Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run."""
    connection.execute(update(runs).filter_by(id=run_id).values(**values))


def end(connection: Connection, run_id: str, *, status: str, ended_at: int, error: str | None) -> bool:
    """Mark a running run as ended; say whether it was running."""
    ended = update(runs).where(runs.c.id == run_id, runs.c.status == "running")
    return connection.execute(ended.values(status=status, ended_at=ended_at, error=error)).rowcount == 1


def by_id(connection: Connection, run_id: str) -> Row[Any] | None:
    """Return a run, deleted or not, with the name of its experiment."""
    query = select(runs, experiments.c.name.label("experiment"), experiments.c.artifact_location).join(experiments)
    return connection.execute(query.where(runs.c.id == run_id)).one_or_none()


def rows(
    connection: Connection,
    *,
    where: Mapping[str, str] | None = None,
    prefix: str | None = None,
    order: Sequence[tuple[str, bool]] = (("started_at", True),),
    limit: int | None = None,
    offset: int = 0,
) -> Sequence[Row[Any]]:
    """Return runs with the name of their experiment; deleted runs and experiments are left out.

    ``where`` holds columns of runs, or ``experiment``. ``order`` holds columns of runs, ``metrics.KEY`` or
    ``params.KEY``, each with whether it descends; what has no value comes last, and newer runs come first among equals.
    """
    sources: Any = runs.join(experiments)
    ordering: list[ColumnElement[Any]] = []
    for number, (name, descending) in enumerate(order):
        column, sources = _sort_column(sources, name, f"order_{number}")
        ordering += [column.is_(None), column.desc() if descending else column.asc()]
    query = select(runs, experiments.c.name.label("experiment"), experiments.c.artifact_location).select_from(sources)
    query = query.where(runs.c.lifecycle == "active", experiments.c.lifecycle == "active")
    for name, value in (where or {}).items():
        query = query.where((experiments.c.name if name == "experiment" else runs.c[name]) == value)
    if prefix is not None:
        query = query.where(runs.c.id >= prefix, runs.c.id < prefix + "g")  # the digit after the last hexadecimal one
    return connection.execute(query.order_by(*ordering, runs.c.id.desc()).limit(limit).offset(offset)).all()


def _sort_column(sources: Any, name: str, alias: str) -> tuple[ColumnElement[Any], Any]:
    family, _, key = name.partition(".")
    if not key:
        return (experiments.c.name if name == "experiment" else runs.c[name]), sources
    table = {"metrics": latest_metrics, "params": params}[family].alias(alias)
    return table.c.value, sources.outerjoin(table, and_(table.c.run_id == runs.c.id, table.c.key == key))
