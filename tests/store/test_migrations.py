"""A database of an older version: brought up to date with its rows, on SQLite and PostgreSQL."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, create_engine, insert, select

from mainspring.store import migrate
from mainspring.store.database import Database
from mainspring.store.schema.automation import step_results

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


def _at(url: str, revision: str) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(insert(Table("step_results", MetaData(), autoload_with=connection)), OLD)
    engine.dispose()


def test_a_database_at_the_first_schema_keeps_its_rows(url: str) -> None:
    _at(url, "0001")
    database = Database(url)
    with database.write() as connection:
        connection.execute(insert(step_results), OLD | {"key": "new", "content": b"\x00\xff"})
    with database.read() as connection:
        rows = {row["key"]: dict(row) for row in connection.execute(select(step_results)).mappings()}
    database.close()
    assert rows == {OLD["key"]: OLD | {"content": None}, "new": OLD | {"key": "new", "content": b"\x00\xff"}}
    Database(url).close()
