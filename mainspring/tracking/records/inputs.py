"""The rows of what runs read and what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mainspring.store.prepared import upsert
from mainspring.store.schema.tracking import inputs, run_model_inputs, run_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


def put(connection: Connection, row: dict[str, Any]) -> None:
    """Record that a run read a dataset."""
    statement = upsert(connection.dialect.name)(inputs).values(row)
    changing = {name: statement.excluded[name] for name in row if name not in ("run_id", "dataset", "md5")}
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "dataset", "md5"], set_=changing))


def of(connection: Connection, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return what runs read, by name."""
    query = select(inputs).where(inputs.c.run_id.in_(run_ids))
    return connection.execute(query.order_by(inputs.c.dataset, inputs.c.md5)).all()


def put_model(connection: Connection, run_id: str, model_id: str) -> None:
    """Record that a run read a logged model."""
    statement = upsert(connection.dialect.name)(run_model_inputs).values(run_id=run_id, model_id=model_id)
    connection.execute(statement.on_conflict_do_nothing())


def models_of(connection: Connection, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the logged models that runs read."""
    query = select(run_model_inputs).where(run_model_inputs.c.run_id.in_(run_ids))
    return connection.execute(query.order_by(run_model_inputs.c.model_id)).all()


def put_output(connection: Connection, run_id: str, model_id: str, step: int) -> None:
    """Record that a run made a logged model."""
    statement = upsert(connection.dialect.name)(run_outputs).values(run_id=run_id, model_id=model_id, step=step)
    changing = {"step": statement.excluded.step}
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "model_id"], set_=changing))


def outputs_of(connection: Connection, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the logged models that runs made, in the order of their steps."""
    query = select(run_outputs).where(run_outputs.c.run_id.in_(run_ids))
    return connection.execute(query.order_by(run_outputs.c.step, run_outputs.c.model_id)).all()
