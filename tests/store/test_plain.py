"""Plain SQL gives what SQLAlchemy gives, whichever of the two is asked, and both keep one another's promises."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import StorageError
from mainspring.store.plain import transacted, unwritten
from mainspring.store.workspace import Workspace
from mainspring.versioning.records.datasets import insert_dataset_version, select_dataset_versions

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.plain import Ask

ROW = {"dataset": "é", "path": "a 'b'", "size": 2**40, "files": 1, "created_at": 5, "actor": ":x"}


def row(number: int, **said: Any) -> dict[str, Any]:
    return {**ROW, "id": f"{number:032x}", "md5": f"{number:032x}", **said}


@pytest.fixture
def alone(tmp_path: Path) -> Workspace:
    """A workspace on SQLite that nobody has opened."""
    (tmp_path / "mainspring.yaml").write_text("project: a\n")
    return Workspace(tmp_path)


def is_open(workspace: Workspace) -> bool:
    return "database" in workspace.__dict__


def test_without_a_database_one_is_made_and_then_asked_without_sqlalchemy(alone: Workspace) -> None:
    made = insert_dataset_version(alone, row(1))
    assert is_open(alone)
    later = Workspace(alone.root)
    assert select_dataset_versions(later) == [made]
    assert insert_dataset_version(later, row(2))["number"] == 2
    assert not is_open(later)
    assert len(select_dataset_versions(alone)) == 2


def test_another_schema_is_left_to_the_database(alone: Workspace) -> None:
    insert_dataset_version(alone, row(1))
    alone.close()
    with closing(sqlite3.connect(alone.state / "mainspring.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="9999"):
        select_dataset_versions(Workspace(alone.root))


@pytest.mark.slow
def test_a_writer_waits_for_another_one_longer_than_sqlite_alone_would(alone: Workspace) -> None:
    insert_dataset_version(alone, row(1))
    alone.close()
    with closing(
        sqlite3.connect(alone.state / "mainspring.db", isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE dataset_versions SET actor = 'other'")
        done: list[int] = []
        later = Workspace(alone.root)
        writer = threading.Thread(target=lambda: done.append(insert_dataset_version(later, row(2))["number"]))
        writer.start()
        time.sleep(1.5)
        assert not done
        other.execute("COMMIT")
        writer.join()
        later.close()
    assert done == [2]


def test_what_fails_leaves_nothing(alone: Workspace) -> None:
    insert_dataset_version(alone, row(1))
    alone.close()

    def half(ask: Ask) -> None:
        ask("UPDATE dataset_versions SET actor = :actor", {"actor": "half"})
        raise KeyError("in the midst")

    with pytest.raises(KeyError):
        transacted(Workspace(alone.root), half, write=True)
    with pytest.raises(StorageError):
        transacted(Workspace(alone.root), lambda ask: ask("SELECT * FROM no_such_table", {}))
    assert [held["actor"] for held in select_dataset_versions(Workspace(alone.root))] == [":x"]


def test_a_damaged_file_is_said_to_be_one(alone: Workspace) -> None:
    insert_dataset_version(alone, row(1))
    alone.close()
    (alone.state / "mainspring.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(StorageError, match="not a database") as caught:
        select_dataset_versions(Workspace(alone.root))
    assert "backup" in str(caught.value.hint)


def test_writers_wait_while_it_is_looked_whether_one_writes(alone: Workspace) -> None:
    with unwritten(alone) as is_still:
        assert not is_still  # there is nothing yet
    insert_dataset_version(alone, row(1))
    with unwritten(alone) as is_still, closing(sqlite3.connect(alone.state / "mainspring.db", timeout=0)) as other:
        assert is_still
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("UPDATE dataset_versions SET actor = 'x'")
        with unwritten(alone) as is_still_too:
            assert not is_still_too


def test_a_database_that_may_not_be_opened_is_left_alone(alone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_dataset_version(alone, row(1))

    def refused(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("mainspring.store.plain.sqlite3.connect", refused)
    with unwritten(alone) as is_still:
        assert not is_still
    monkeypatch.undo()
    with pytest.raises(ValueError, match="of whoever asks"), unwritten(alone):
        raise ValueError("of whoever asks")
