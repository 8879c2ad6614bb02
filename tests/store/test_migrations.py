"""A database of an older version: brought up to date with its rows, on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, create_engine, delete, insert, inspect, select, text

from mainspring.base.errors import StorageError
from mainspring.store import migrate
from mainspring.store.database import Database
from mainspring.store.schema import metadata
from mainspring.store.schema.automation import step_results

if TYPE_CHECKING:
    from collections.abc import Mapping

OLD = {
    "key": "k" * 64,
    "name": "fit",
    "result": "d" * 32,
    "format": "json",
    "size": 9,
    "seconds": 1.5,
    "execution_id": None,
    "created_at": 1,
}


def _at(url: str, revision: str, rows: Mapping[str, Mapping[str, object]]) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for name, row in rows.items():
            connection.execute(insert(Table(name, MetaData(), autoload_with=connection)), row)
    engine.dispose()


def test_a_database_at_the_first_schema_keeps_its_rows(url: str) -> None:
    _at(url, "0001", {"step_results": OLD})
    database = Database(url)
    with database.write() as connection:
        connection.execute(insert(step_results), OLD | {"key": "new", "content": b"\x00\xff"})
    with database.read() as connection:
        rows = {row["key"]: dict(row) for row in connection.execute(select(step_results)).mappings()}
    database.close()
    assert rows == {OLD["key"]: OLD | {"content": None}, "new": OLD | {"key": "new", "content": b"\x00\xff"}}
    Database(url).close()


def test_what_runs_logged_stays_when_its_tables_are_written_again(url: str) -> None:
    rows = {
        "experiments": {"id": "e", "name": "wine", "created_at": 1},
        "runs": {"id": "r", "experiment_id": "e", "name": "a", "status": "finished", "started_at": 1, "actor": "x"},
        "params": {"run_id": "r", "key": "depth", "value": "3"},
        "tags": {"run_id": "r", "key": "team", "value": "é" * 5000},
        "latest_metrics": {"run_id": "r", "key": "auc", "step": 1, "at": 2, "value": 0.5},
    }
    _at(url, "0003", rows)
    database = Database(url)
    with database.read() as connection:
        for name, row in rows.items():
            [held] = connection.execute(select(metadata.tables[name])).mappings()
            assert held.items() >= row.items()
        if connection.dialect.name == "sqlite":
            without_rowid = {row.name for row in connection.exec_driver_sql("PRAGMA table_list") if row.wr}
            for name in ("params", "tags", "latest_metrics"):
                assert name in without_rowid
                assert metadata.tables[name].dialect_kwargs["sqlite_with_rowid"] is False
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    database.close()


def test_versions_of_datasets_from_before_there_were_tables(url: str) -> None:
    old = {"id": "v", "dataset": "trips", "number": 1, "path": "data/trips", "md5": "d" * 32, "size": 5_000_000_000}
    _at(url, "0004", {"dataset_versions": old | {"files": 2, "created_at": 1, "actor": "x"}})
    database = Database(url)
    with database.write() as connection:
        table = metadata.tables["dataset_versions"]
        [held] = connection.execute(select(table)).mappings()
        assert held.items() >= (old | {"table_id": None, "table_version": None}).items()
        connection.execute(
            insert(table), dict(held) | {"id": "w", "number": 2, "table_id": "t", "table_version": 2**40}
        )
    database.close()


@pytest.mark.parametrize("without", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_tables_of_an_unknown_version_are_left_alone(url: str, without: str) -> None:
    database = Database(url)
    with database.write() as connection:
        connection.execute(insert(step_results), OLD)
        connection.execute(text(without))
    database.close()
    with pytest.raises(StorageError, match="does not say of which version they are") as refused:
        Database(url)
    engine = create_engine(url)
    if "DELETE" in without:
        with engine.begin() as connection:  # as the hint says
            [said] = re.findall("INSERT [^;]*", str(refused.value.hint))
            connection.execute(text(said))
        database = Database(url)
        with database.read() as connection:
            assert connection.execute(select(step_results.c.key)).scalars().all() == [OLD["key"]]
        database.close()
    else:
        with engine.connect() as connection:
            assert connection.execute(select(step_results.c.key)).scalars().all() == [OLD["key"]]
    engine.dispose()


def test_an_empty_database_with_a_table_of_versions_is_a_new_one(url: str) -> None:
    _at(url, "0001", {})
    engine = create_engine(url)
    with engine.begin() as connection:
        held = MetaData()
        held.reflect(connection)
        held.remove(held.tables["alembic_version"])
        held.drop_all(connection)
        connection.execute(delete(migrate._VERSION))
        assert inspect(connection).get_table_names() == ["alembic_version"]
    Database(url).close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [migrate.HEAD]
        assert set(inspect(connection).get_table_names()) > {"runs", "step_results"}
    engine.dispose()
