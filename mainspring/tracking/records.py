"""The SQL of tracking. Every function works inside its caller's transaction."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.dialects import sqlite

from mainspring.store.schema.tracking import (
    artifacts,
    experiments,
    inputs,
    latest_metrics,
    metric_points,
    params,
    runs,
    tags,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row, Table
    from sqlalchemy.sql.elements import ColumnElement

_TOGETHER = 500
"""Values in one IN list, and rows in one statement."""


def _upsert(connection: Connection, table: Table) -> Any:
    """Return an INSERT of the dialect at hand, which knows ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # 35 ms that only its users pay

        return postgresql.insert(table)
    return sqlite.insert(table)


# Experiments


def add_experiment(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert an experiment unless its name is taken; say whether it was inserted."""
    statement = _upsert(connection, experiments).values(row).on_conflict_do_nothing(index_elements=["name"])
    return connection.execute(statement).rowcount == 1


def experiment_by(connection: Connection, **columns: str) -> Row[Any] | None:
    """Return the experiment with these column values (``id`` or ``name``)."""
    return connection.execute(select(experiments).filter_by(**columns)).one_or_none()


def experiment_rows(connection: Connection, *, deleted: bool = False) -> Sequence[Row[Any]]:
    """Return the experiments, oldest first; with ``deleted`` the deleted ones too."""
    query = select(experiments) if deleted else select(experiments).filter_by(lifecycle="active")
    return connection.execute(query.order_by(experiments.c.id)).all()


def set_lifecycle(connection: Connection, experiment_id: str, lifecycle: str) -> None:
    """Mark an experiment active or deleted."""
    connection.execute(update(experiments).filter_by(id=experiment_id).values(lifecycle=lifecycle))


# Runs


def count_runs(connection: Connection, experiment_id: str) -> int:
    """Return how many runs an experiment has, deleted ones included."""
    return connection.execute(
        select(func.count()).select_from(runs).filter_by(experiment_id=experiment_id)
    ).scalar_one()


def add_run(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a run."""
    connection.execute(insert(runs), row)


def run_exists(connection: Connection, run_id: str) -> bool:
    """Say whether there is such a run."""
    return connection.execute(select(runs.c.id).filter_by(id=run_id)).first() is not None


def end_run(connection: Connection, run_id: str, *, status: str, ended_at: int, error: str | None) -> bool:
    """Mark a running run as ended; say whether it was running."""
    ended = update(runs).where(runs.c.id == run_id, runs.c.status == "running")
    return connection.execute(ended.values(status=status, ended_at=ended_at, error=error)).rowcount == 1


def run_rows(
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
    query = select(runs, experiments.c.name.label("experiment")).select_from(sources)
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


# What runs log


def add_params(connection: Connection, run_id: str, values: Mapping[str, str]) -> dict[str, str]:
    """Insert params that are not there yet; return what is held for these keys now."""
    rows = [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()]
    connection.execute(_upsert(connection, params).on_conflict_do_nothing(), rows)
    held: dict[str, str] = {}
    for keys in _parts(list(values)):
        query = select(params.c.key, params.c.value).where(params.c.run_id == run_id, params.c.key.in_(keys))
        held.update({row.key: row.value for row in connection.execute(query)})
    return held


def put_tags(connection: Connection, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags, replacing those that are there."""
    statement = _upsert(connection, tags)
    statement = statement.on_conflict_do_update(
        index_elements=["run_id", "key"], set_={"value": statement.excluded.value}
    )
    connection.execute(statement, [{"run_id": run_id, "key": key, "value": value} for key, value in values.items()])


def add_points(connection: Connection, run_id: str, points: Sequence[tuple[str, int, int, float]]) -> None:
    """Append ``(key, step, at, value)`` points to the history.

    SQLite gets many rows a statement: a background thread gives up the interpreter once a statement, and a busy main
    thread takes 5 ms to hand it back.
    """
    if connection.dialect.name != "sqlite":
        rows = [
            {"run_id": run_id, "key": key, "step": step, "at": at, "value": _null(value)}
            for key, step, at, value in points
        ]
        connection.execute(insert(metric_points), rows)
        return
    for part in _parts(points):
        flat = tuple(cell for point in part for cell in (run_id, *point))
        connection.exec_driver_sql(_points_statement(len(part)), flat)  # the driver turns NaN into NULL


@lru_cache(maxsize=64)
def _points_statement(count: int) -> str:
    rows = ",".join(["(?,?,?,?,?)"] * count)
    return f"INSERT INTO metric_points (run_id, key, step, at, value) VALUES {rows}"  # noqa: S608 - only a row count


def put_latest(connection: Connection, run_id: str, points: Sequence[tuple[Any, ...]]) -> None:
    """Replace the newest points of metrics where these are as new or newer.

    A point is ``(key, step, at, value, low, high, n)``; each key comes once.
    """
    table = latest_metrics
    statement = _upsert(connection, table)
    new = statement.excluded
    newer = or_(new.step > table.c.step, and_(new.step == table.c.step, new.at >= table.c.at))
    names = ("step", "at", "value", "low", "high", "n")
    statement = statement.on_conflict_do_update(
        index_elements=["run_id", "key"], set_={name: new[name] for name in names}, where=newer
    )
    rows = [{"run_id": run_id, "key": point[0], **dict(zip(names, point[1:], strict=True))} for point in points]
    for row in rows:
        row.update({name: _null(row[name]) for name in ("value", "low", "high")})
    connection.execute(statement, rows)


def put_input(connection: Connection, row: dict[str, str]) -> None:
    """Record that a run read a dataset version."""
    statement = _upsert(connection, inputs).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=["run_id", "dataset", "md5"], set_={"context": statement.excluded.context}
    )
    connection.execute(statement)


def put_artifacts(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record artifacts, replacing those under the same paths."""
    statement = _upsert(connection, artifacts)
    changing = {name: statement.excluded[name] for name in ("md5", "size", "created_at", "about")}
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "path"], set_=changing), rows)


# What was logged


def logged(connection: Connection, table: Table, run_ids: Sequence[str]) -> Iterator[Row[Any]]:
    """Give the rows of ``params``, ``tags`` or ``latest_metrics`` of runs, by key."""
    for part in _parts(run_ids):
        yield from connection.execute(select(table).where(table.c.run_id.in_(part)).order_by(table.c.key))


def history_rows(connection: Connection, run_id: str, key: str) -> list[tuple[int, int, float | None]]:
    """Return ``(step, at, value)`` of a metric in the order of its steps."""
    table = metric_points
    query = select(table.c.step, table.c.at, table.c.value).where(table.c.run_id == run_id, table.c.key == key)
    rows = connection.execute(query.order_by(table.c.step, table.c.at, table.c.id))
    return [(step, at, value) for step, at, value in rows]


def input_rows(connection: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return what a run read."""
    return connection.execute(select(inputs).filter_by(run_id=run_id).order_by(inputs.c.dataset, inputs.c.md5)).all()


def artifact_rows(connection: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return what a run stored."""
    return connection.execute(select(artifacts).filter_by(run_id=run_id).order_by(artifacts.c.path)).all()


def _null(value: float | None) -> float | None:
    return None if value is not None and value != value else value


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _TOGETHER] for start in range(0, len(values), _TOGETHER))
