"""The rows of dataset versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import String, cast, insert, select
from sqlalchemy.exc import IntegrityError

from mainspring.store.schema.versioning import dataset_versions, snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from mainspring.store.database import Database

_BATCH = 400


def select_dataset_versions(database: Database, dataset: str | None = None) -> Sequence[Row[Any]]:
    """Return the versions of a dataset, or those of all, oldest first."""
    query = select(dataset_versions).order_by(dataset_versions.c.dataset, dataset_versions.c.number)
    if dataset is not None:
        query = query.where(dataset_versions.c.dataset == dataset)
    with database.read() as connection:
        return connection.execute(query).all()


def insert_dataset_version(database: Database, row: dict[str, Any]) -> Row[Any]:
    """Record content as a dataset's next version, unless it is the newest's content already; return the version."""
    mine = select(dataset_versions).where(dataset_versions.c.dataset == row["dataset"])
    while True:
        try:
            with database.write() as connection:
                newest = connection.execute(mine.order_by(dataset_versions.c.number.desc()).limit(1)).first()
                if newest is not None and newest.md5 == row["md5"] and newest.path == row["path"]:
                    return newest
                number = 1 if newest is None else newest.number + 1
                connection.execute(insert(dataset_versions).values(**row, number=number))
                return connection.execute(select(dataset_versions).where(dataset_versions.c.id == row["id"])).one()
        except IntegrityError:
            continue  # another process took the number; the next round sees its row


def select_table_ids(database: Database, dataset: str) -> set[str]:
    """Return the ids of the Delta tables that a dataset ever was."""
    query = select(dataset_versions.c.table_id).where(dataset_versions.c.dataset == dataset)
    with database.read() as connection:
        return {found for found in connection.execute(query.distinct()).scalars() if found}


def select_table_versions(database: Database, table_id: str) -> set[int]:
    """Return the versions of a Delta table that a dataset version or a snapshot names."""
    rows = select(dataset_versions.c.table_version).where(dataset_versions.c.table_id == table_id)
    documents = select(snapshots.c.data).where(cast(snapshots.c.data, String).contains(table_id, autoescape=True))
    with database.read() as connection:
        found = set(connection.execute(rows).scalars())
        for data in connection.execute(documents).scalars():
            found.update(item["table"]["version"] for item in data if (item.get("table") or {}).get("id") == table_id)
    return found
