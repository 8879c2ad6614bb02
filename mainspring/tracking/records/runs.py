"""The rows of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, insert, not_, select, update

from mainspring.base.errors import Conflict, NotFound
from mainspring.store.prepared import Prepared, among, bound
from mainspring.store.schema.tracking import experiments, runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

NAME_TAG = "mlflow.runName"
"""The tag that MLflow's clients know the name of a run by; the name is what counts."""

COLUMNS = (
    *(runs.c[name] for name in ("id", "experiment_id", "name", "status", "started_at", "ended_at", "actor")),
    *(runs.c[name] for name in ("execution_id", "snapshot_id", "lifecycle", "error")),
    experiments.c.name.label("experiment"),
    experiments.c.artifact_location,
    experiments.c.lifecycle.label("experiment_lifecycle"),
)
"""What is read of a run, and of the experiment it lies in."""

_described = select(*COLUMNS).select_from(runs.join(experiments))
_by_ids = Prepared(lambda dialect: _described.where(among(runs.c.id, dialect)))
_add = Prepared(lambda _: insert(runs))
_rename = Prepared(lambda _: update(runs).where(runs.c.id == bindparam("run")).values(name=bindparam("new_name")))
_lifecycle = Prepared(lambda _: select(runs.c.lifecycle).where(runs.c.id == bindparam("id")))
_deletion = Prepared(
    lambda _: (
        select(runs.c.lifecycle, experiments.c.lifecycle, experiments.c.name)
        .select_from(runs.join(experiments))
        .where(runs.c.id == bindparam("id"))
    )
)


def count(connection: Connection, experiment_id: str) -> int:
    """Return how many runs an experiment has, deleted ones included."""
    return connection.execute(
        select(func.count()).select_from(runs).filter_by(experiment_id=experiment_id)
    ).scalar_one()


def add(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a run."""
    _add.many(connection, [dict.fromkeys(runs.c.keys()) | {"lifecycle": "active"} | row])


def lifecycle(connection: Connection, run_id: str) -> str | None:
    """Return whether a run is active or deleted; None if there is no such run."""
    cursor = _lifecycle(connection, {"id": run_id})
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else str(row[0])


def check_active(connection: Connection, run_id: str) -> None:
    """Refuse what would change a run that is not there, or that was deleted, alone or with its experiment.

    Raises:
        NotFound, Conflict: it is so.
    """
    cursor = _deletion(connection, {"id": run_id})
    row = cursor.fetchone()
    cursor.close()
    if row is None:
        raise NotFound(f"there is no run '{run_id}'", hint="see `mainspring runs list`", run=run_id)
    own, of_experiment, experiment = row
    if own != "active":
        raise Conflict(f"the run {run_id} was deleted", hint="restore it first", run=run_id)
    if of_experiment != "active":
        raise Conflict(
            f"the experiment '{experiment}' was deleted, and its runs with it", hint="restore it first", run=run_id
        )


def experiment_of(connection: Connection, run_id: str) -> str | None:
    """Return the experiment of a run, deleted or not; None if there is no such run."""
    return connection.execute(select(runs.c.experiment_id).filter_by(id=run_id)).scalar()


def change(connection: Connection, run_id: str, **values: Any) -> None:
    """Change columns of a run."""
    connection.execute(update(runs).filter_by(id=run_id).values(**values))


def rename(connection: Connection, run_id: str, name: str) -> None:
    """Give a run another name."""
    _rename(connection, {"run": run_id, "new_name": name}).close()


def end(connection: Connection, run_id: str, *, status: str, ended_at: int, error: str | None) -> bool:
    """Mark a running run as ended; say whether it was running."""
    ended = update(runs).where(runs.c.id == run_id, runs.c.status == "running")
    return connection.execute(ended.values(status=status, ended_at=ended_at, error=error)).rowcount == 1


def by_id(connection: Connection, run_id: str) -> tuple[Any, ...] | None:
    """Return a run, deleted or not, with ``COLUMNS``."""
    found = by_ids(connection, [run_id])
    return found[0] if found else None


def by_ids(connection: Connection, run_ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return runs, deleted or not, in the order of the ids, with ``COLUMNS``."""
    cursor = _by_ids(connection, bound(connection, run_ids))
    found = {row[0]: row for row in cursor.fetchall()}
    cursor.close()
    return [found[run_id] for run_id in run_ids if run_id in found]


def rows(
    connection: Connection,
    *,
    where: Mapping[str, str] | None = None,
    prefix: str | None = None,
    deleted: bool = False,
    limit: int | None = None,
) -> Sequence[Row[Any]]:
    """Return runs with ``COLUMNS``, newest first: those that were deleted, alone or with their experiment, or the others.

    ``where`` holds columns of runs, ``prefix`` the beginning of the id.
    """
    there = and_(runs.c.lifecycle == "active", experiments.c.lifecycle == "active")
    query = _described.where(not_(there) if deleted else there)
    query = query.where(*(runs.c[name] == value for name, value in (where or {}).items()))
    if prefix is not None:
        query = query.where(runs.c.id >= prefix, runs.c.id < prefix + "g")  # the digit after the last hexadecimal one
    return connection.execute(query.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)).all()
