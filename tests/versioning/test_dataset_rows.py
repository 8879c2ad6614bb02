"""The rows of dataset versions are the same on both databases, by plain SQL and by SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mainspring.store.schema.versioning import dataset_versions
from mainspring.versioning.records.datasets import insert_dataset_version, select_dataset_versions

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

ROW = {"dataset": "é", "path": "a 'b'", "size": 2**40, "files": 1, "created_at": 5, "actor": ":x"}


def row(number: int, **said: Any) -> dict[str, Any]:
    return {**ROW, "id": f"{number:032x}", "md5": f"{number:032x}", **said}


def test_versions_are_numbered_and_the_newest_content_is_not_recorded_twice(workspace: Workspace) -> None:
    workspace.close()  # so that SQLite is asked alone
    first, again, second = (insert_dataset_version(workspace, row(number)) for number in (1, 1, 2))
    other = insert_dataset_version(workspace, row(3, dataset="z", table_id="t", table_version=7))
    assert [found["number"] for found in (first, again, second, other)] == [1, 1, 2, 1]
    assert select_dataset_versions(workspace) == [other, first, second] == [other, again, second]
    assert select_dataset_versions(workspace, "z") == [other]
    assert select_dataset_versions(workspace, "nobody") == []
    table = select(dataset_versions).order_by(dataset_versions.c.dataset, dataset_versions.c.number)
    with workspace.database.read() as connection:
        rows = [dict(found) for found in connection.execute(table).mappings()]
    assert rows == select_dataset_versions(workspace) == [other, first, second]
