"""The rows of dataset versions, which commands for data ask for all the time: in plain SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.store.plain import transacted

if TYPE_CHECKING:
    from mainspring.store.plain import Ask
    from mainspring.store.workspace import Workspace

    Row = dict[str, Any]

_ALL = "SELECT * FROM dataset_versions ORDER BY dataset, number"
_OF_ONE = "SELECT * FROM dataset_versions WHERE dataset = :dataset ORDER BY number"
_NEWEST = "SELECT * FROM dataset_versions WHERE dataset = :dataset ORDER BY number DESC LIMIT 1"
_ADD = (
    "INSERT INTO dataset_versions"
    " (id, dataset, number, path, md5, size, files, created_at, actor, table_id, table_version)"
    " VALUES (:id, :dataset, :number, :path, :md5, :size, :files, :created_at, :actor, :table_id, :table_version)"
)


def select_dataset_versions(workspace: Workspace, dataset: str | None = None) -> list[Row]:
    """Return the versions of a dataset, or those of all, oldest first."""
    query, values = (_ALL, {}) if dataset is None else (_OF_ONE, {"dataset": dataset})
    return transacted(workspace, lambda ask: ask(query, values))


def insert_dataset_version(workspace: Workspace, row: Row) -> Row:
    """Record content as a dataset's next version, unless it is the newest's content already; return the version."""

    def record(ask: Ask) -> Row:
        number = 1
        for newest in ask(_NEWEST, {"dataset": row["dataset"]}):
            if (newest["md5"], newest["path"]) == (row["md5"], row["path"]):
                return newest
            number = newest["number"] + 1
        made = {"table_id": None, "table_version": None} | row | {"number": number}
        ask(_ADD, made)
        return made

    return transacted(workspace, record, write=True)
