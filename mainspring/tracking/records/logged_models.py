"""The rows of the models that runs log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, or_, select, update

from mainspring.store.prepared import Prepared, upsert
from mainspring.store.schema.tracking import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row


@Prepared
def _put_tag(dialect: str) -> Any:
    put = upsert(dialect)(logged_model_tags)
    return put.on_conflict_do_update(index_elements=["model_id", "key"], set_={"value": put.excluded.value})


@Prepared
def _put_metric(dialect: str) -> Any:
    table = logged_model_metrics
    put = upsert(dialect)(table)
    new = put.excluded
    newer = or_(new.step > table.c.step, and_(new.step == table.c.step, new.at >= table.c.at))
    keys = ["model_id", "run_id", "key", "dataset", "digest"]
    changed = {name: new[name] for name in ("step", "at", "value")}
    return put.on_conflict_do_update(index_elements=keys, set_=changed, where=newer)


_add_param = Prepared(lambda dialect: upsert(dialect)(logged_model_params).on_conflict_do_nothing())


def add(connection: Connection, row: dict[str, Any]) -> None:
    """Insert a logged model."""
    connection.execute(insert(logged_models), row)


def by_ids(connection: Connection, model_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return logged models, deleted or not."""
    return connection.execute(select(logged_models).where(logged_models.c.id.in_(model_ids))).all()


def named(connection: Connection, run_id: str, name: str) -> str | None:
    """Return the id of the newest model of a name that a run logged."""
    mine = select(logged_models.c.id).filter_by(run_id=run_id, name=name, deleted_at=None)
    return connection.execute(mine.order_by(logged_models.c.created_at.desc(), logged_models.c.id.desc())).scalar()


def change(connection: Connection, model_id: str, **values: Any) -> None:
    """Change columns of a logged model."""
    connection.execute(update(logged_models).filter_by(id=model_id).values(**values))


def add_params(connection: Connection, model_id: str, values: Mapping[str, str]) -> dict[str, str]:
    """Insert params that are not there yet; return those that are there with another value."""
    if _add_param.many(connection, _rows(model_id, values)) == len(values):
        return {}
    held = params_of(connection, [model_id])[model_id]
    return {key: held[key] for key, value in values.items() if held[key] != value}


def put_tags(connection: Connection, model_id: str, values: Mapping[str, str]) -> None:
    """Set tags, replacing those that are there."""
    _put_tag.many(connection, _rows(model_id, values))


def drop_tag(connection: Connection, model_id: str, key: str) -> bool:
    """Remove a tag; say whether it was there."""
    return connection.execute(delete(logged_model_tags).filter_by(model_id=model_id, key=key)).rowcount == 1


def put_metrics(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Record what a run measured of a model, where it is newer."""
    _put_metric.many(connection, rows)


def params_of(connection: Connection, model_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the params of logged models, by model."""
    return _texts(connection, logged_model_params, model_ids)


def tags_of(connection: Connection, model_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of logged models, by model."""
    return _texts(connection, logged_model_tags, model_ids)


def metrics_of(connection: Connection, model_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the metrics of logged models, by key."""
    query = select(logged_model_metrics).where(logged_model_metrics.c.model_id.in_(model_ids))
    return connection.execute(query.order_by(logged_model_metrics.c.key)).all()


def _texts(connection: Connection, table: Any, model_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {model_id: {} for model_id in model_ids}
    for row in connection.execute(select(table).where(table.c.model_id.in_(model_ids)).order_by(table.c.key)):
        found[row.model_id][row.key] = row.value
    return found


def _rows(model_id: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"model_id": model_id, "key": key, "value": value} for key, value in values.items()]
