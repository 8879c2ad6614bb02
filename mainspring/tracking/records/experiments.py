"""The rows of experiments and their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import bindparam, delete, select, update

from mainspring.store.prepared import Prepared, upsert
from mainspring.store.schema.tracking import experiment_tags, experiments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, Row

DEFAULT = "0"
"""The id of the experiment that MLflow's clients use when they name none."""


def add(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert an experiment unless its name or id is taken; say whether it was inserted."""
    insert = upsert(connection.dialect.name)(experiments).values(row).on_conflict_do_nothing()
    return connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount == 1


class ExperimentRow(NamedTuple):
    """A row of an experiment."""

    id: str
    name: str
    lifecycle: str
    created_at: int
    updated_at: int | None
    artifact_location: str | None


_by = {
    column: Prepared(
        lambda _, column=column: (  # type: ignore[misc]  # mypy knows no defaults of lambdas
            select(*(experiments.c[name] for name in ExperimentRow._fields)).where(
                experiments.c[column] == bindparam("value")
            )
        )
    )
    for column in ("id", "name")
}


def by(connection: Connection, column: Literal["id", "name"], value: str) -> ExperimentRow | None:
    """Return the experiment with that id or name."""
    cursor = _by[column](connection, {"value": value})
    row = cursor.fetchone()
    cursor.close()
    return None if row is None else ExperimentRow(*row)


def tagged(connection: Connection, key: str, value: str) -> ExperimentRow | None:
    """Return the experiment with a value of a tag; of several, that of the first id."""
    query = select(*(experiments.c[name] for name in ExperimentRow._fields)).join(experiment_tags)
    wanted = query.where(experiment_tags.c.key == key, experiment_tags.c.value == value).order_by(experiments.c.id)
    row = connection.execute(wanted).first()
    return None if row is None else ExperimentRow(*row)


def rows(connection: Connection, *, deleted: bool = False) -> Sequence[Row[Any]]:
    """Return the experiments, oldest first; with ``deleted`` the deleted ones too."""
    query = select(experiments) if deleted else select(experiments).filter_by(lifecycle="active")
    return connection.execute(query.order_by(experiments.c.id)).all()


def change(connection: Connection, experiment_id: str, **values: Any) -> None:
    """Change columns of an experiment."""
    connection.execute(update(experiments).filter_by(id=experiment_id).values(**values))


@Prepared
def _put_tag(dialect: str) -> Any:
    insert = upsert(dialect)(experiment_tags)
    return insert.on_conflict_do_update(index_elements=["experiment_id", "key"], set_={"value": insert.excluded.value})


def put_tags(connection: Connection, experiment_id: str, values: Mapping[str, str]) -> None:
    """Set tags, replacing those that are there."""
    _put_tag.many(
        connection, [{"experiment_id": experiment_id, "key": key, "value": value} for key, value in values.items()]
    )


def drop_tag(connection: Connection, experiment_id: str, key: str) -> bool:
    """Remove a tag; say whether it was there."""
    return connection.execute(delete(experiment_tags).filter_by(experiment_id=experiment_id, key=key)).rowcount == 1


def tags_of(connection: Connection, experiment_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of experiments, by experiment."""
    found: dict[str, dict[str, str]] = {experiment_id: {} for experiment_id in experiment_ids}
    query = select(experiment_tags).where(experiment_tags.c.experiment_id.in_(experiment_ids))
    for row in connection.execute(query.order_by(experiment_tags.c.key)):
        found[row.experiment_id][row.key] = row.value
    return found


def places(connection: Connection, experiment_ids: Collection[str]) -> dict[str, str | None]:
    """Return where the clients of experiments put artifacts; None where the store keeps them."""
    query = select(experiments.c.id, experiments.c.artifact_location).where(experiments.c.id.in_(experiment_ids))
    return {row.id: row.artifact_location for row in connection.execute(query)}
