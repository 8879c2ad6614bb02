"""Which versions of Delta tables the rows of dataset versions and snapshots name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import String, cast, select

from mainspring.store.schema.versioning import dataset_versions, snapshots

if TYPE_CHECKING:
    from mainspring.store.database import Database


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
