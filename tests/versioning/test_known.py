"""What is kept of the versions of datasets is what the records say."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from mainspring.store import migrate
from mainspring.store.workspace import Workspace
from mainspring.versioning import data
from mainspring.versioning.known import known, log

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kept(workspace: Workspace) -> Path:
    """The file of the cache, written when the records had not changed for a while."""
    for number in (1, 2):
        (workspace.root / "rows.csv").write_text(f"a\n{number}\n")
        data.add(workspace, "rows.csv")
    settle(workspace)
    known(workspace)
    file = workspace.state / "index" / "datasets"
    assert file.is_file()
    return file


def settle(workspace: Workspace) -> None:
    before = time.time() - 10
    for ending in ("", "-wal"):
        with suppress(FileNotFoundError):  # the log goes with the last connection
            os.utime(f"{workspace.state}/mainspring.db{ending}", (before, before))


def numbers(workspace: Workspace) -> list[int]:
    return [version.number for version in log(workspace, "rows")]


def test_it_is_read_as_long_as_the_records_stand_still(
    workspace: Workspace, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainspring.versioning.records.datasets.select_dataset_versions", None)
    assert numbers(workspace) == [1, 2]
    monkeypatch.undo()
    (workspace.root / "rows.csv").write_text("a\n3\n")
    assert data.add(workspace, "rows.csv").number == 3
    assert numbers(workspace) == [1, 2, 3]


def test_a_damaged_file_costs_time_and_nothing_else(workspace: Workspace, kept: Path) -> None:
    whole = kept.read_bytes()
    for place in range(0, len(whole), 7):
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert numbers(workspace) == [1, 2]
    kept.write_bytes(whole[: len(whole) // 2])
    assert numbers(workspace) == [1, 2]


def test_nothing_is_kept_while_somebody_writes(workspace: Workspace, kept: Path) -> None:
    """Of a commit under way the log is written, and old enough, before readers see what it holds."""
    kept.unlink()
    with closing(sqlite3.connect(workspace.state / "mainspring.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert numbers(workspace) == [1, 2]
        assert not kept.exists()
    assert numbers(workspace) == [1, 2]
    assert kept.exists()


def test_earlier_content_is_a_new_version(workspace: Workspace, kept: Path) -> None:
    (workspace.root / "rows.csv").write_text("a\n1\n")
    assert data.add(workspace, "rows.csv").number == 3
    assert numbers(workspace) == [1, 2, 3]


@pytest.mark.parametrize("revision", [None, "0001", "0007"])
def test_records_of_an_older_schema_or_never_made_to_the_end_are_brought_up_to_date_first(
    tmp_path: Path, revision: str | None
) -> None:
    (tmp_path / "mainspring.yaml").write_text("project: x\n")
    workspace = Workspace(tmp_path)
    workspace.state.mkdir()
    with closing(sqlite3.connect(workspace.state / "mainspring.db")) as made:
        made.execute("PRAGMA journal_mode=WAL")
    if revision is not None:
        engine = create_engine(f"sqlite:///{workspace.state / 'mainspring.db'}")
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(migrate.SCRIPTS))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        engine.dispose()
    settle(workspace)
    assert known(workspace) == {}
    (tmp_path / "rows.csv").write_text("a\n1\n")
    assert data.add(workspace, "rows.csv").number == 1
    settle(workspace)
    assert numbers(workspace) == [1]
    assert (workspace.state / "index" / "datasets").is_file()
    workspace.close()
