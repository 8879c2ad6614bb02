"""The SQL of reproducibility: what a run recorded, and the proofs that it was made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import desc, insert, select

from mainspring.store.schema.automation import executions
from mainspring.store.schema.reproducibility import reproductions
from mainspring.store.schema.tracking import artifacts, runs, tags
from mainspring.store.schema.versioning import model_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


def version_of_run(connection: Connection, run_id: str) -> Row[Any] | None:
    """Return the newest model version that a run made, or made once more."""
    made = select(model_versions).filter_by(run_id=run_id)
    found = connection.execute(made.order_by(desc(model_versions.c.created_at)).limit(1)).first()
    if found is not None:
        return found
    told = select(tags.c.value).where(tags.c.run_id == run_id)
    again = select(model_versions).where(
        model_versions.c.model == told.where(tags.c.key == "model").scalar_subquery(),
        model_versions.c.version == told.where(tags.c.key == "model_version").scalar_subquery(),
    )
    return connection.execute(again).first()


def newest_run(connection: Connection, *, executed: bool) -> Row[Any] | None:
    """Return the newest run that is not nested in another; with ``executed``, of the newest execution."""
    nested = select(tags.c.run_id).where(tags.c.key == "mainspring.parent")
    query = select(runs).where(runs.c.id.not_in(nested))
    if executed:
        query = query.where(runs.c.id.in_(select(executions.c.run_id).where(executions.c.run_id.is_not(None))))
    return connection.execute(query.order_by(desc(runs.c.started_at), desc(runs.c.id)).limit(1)).first()


def artifact_rows(connection: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return the artifacts of a run."""
    return connection.execute(select(artifacts).filter_by(run_id=run_id)).all()


def add_reproduction(connection: Connection, row: dict[str, Any]) -> None:
    """Keep what came of making a run again."""
    connection.execute(insert(reproductions), row)


def latest_reproduction(connection: Connection, **columns: str) -> Row[Any] | None:
    """Return the newest attempt with these column values (``run_id``, or ``model`` and ``version``)."""
    held = select(reproductions).filter_by(**columns)
    return connection.execute(held.order_by(desc(reproductions.c.at), desc(reproductions.c.id)).limit(1)).first()
