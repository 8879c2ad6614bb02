"""Records: migrated, durable, all or nothing, and never locked for long."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from mainspring.base.errors import StorageError, UsageError
from mainspring.store import migrate
from mainspring.store.database import Database
from mainspring.store.schema import metadata
from mainspring.store.schema.automation import leases
from mainspring.store.schema.versioning import models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.postgres import Server


def row(name: str) -> dict[str, object]:
    return {"name": name, "owner": "o", "token": 1, "expires_at": 0}


def shape(connection: Connection) -> dict[str, object]:
    """Return all that is known of each table, whatever the order in which it came about."""
    found = inspect(connection)
    rowid = {}
    if connection.dialect.name == "sqlite":
        rowid = {row.name: not row.wr for row in connection.exec_driver_sql("PRAGMA table_list")}
    expressions: dict[str, set[str]] = {}  # indexes of them are not among those that SQLAlchemy finds on SQLite
    if connection.dialect.name == "sqlite":
        made = "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%substr(%'"
        for row in connection.exec_driver_sql(made):
            expressions.setdefault(row.tbl_name, set()).add(row.sql)
    return {
        table: {
            "rowid": rowid.get(table),
            "expressions": expressions.get(table),
            "columns": {
                column["name"]: {**column, "type": repr(column["type"])} for column in found.get_columns(table)
            },
            "key": found.get_pk_constraint(table),
            "foreign keys": by_name(found.get_foreign_keys(table)),
            "unique": by_name(found.get_unique_constraints(table)),
            "checks": by_name(found.get_check_constraints(table)),
            "indexes": {
                name: {**index, "dialect_options": {key: str(value) for key, value in index["dialect_options"].items()}}
                for name, index in by_name(found.get_indexes(table)).items()
            },
        }
        for table in found.get_table_names()
    }


def by_name(things: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(thing["name"]): thing for thing in things}


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # shape() has them
def test_migrations_lead_to_the_schema_of_the_code(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    database = Database(url)
    with database.write() as connection:
        made = shape(connection)
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        migrate.upgrade(connection, None)
        if connection.dialect.name == "postgresql":
            migrate.compare_bytes(connection)
        migrated = shape(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert set(made) == {*metadata.tables, "alembic_version"}
    assert made == migrated
    Database(url).close()
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_a_transaction_happens_as_a_whole_or_not_at_all(url: str) -> None:
    database = Database(url)
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(leases), row("a"))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(select(leases)).all() == []


def test_a_direct_transaction_happens_as_a_whole_or_not_at_all(url: str) -> None:
    database = Database(url)
    insertion = f"INSERT INTO leases VALUES ({'?' if url.startswith('sqlite') else '%s'}, 'o', 1, 0)"
    with database.direct(write=True) as connection:
        connection.connection.cursor().execute(insertion, ("kept",))
    with pytest.raises(RuntimeError), database.direct(write=True) as connection:
        connection.connection.cursor().execute(insertion, ("lost",))
        raise RuntimeError
    with database.read() as read:
        assert [name for (name,) in read.execute(select(leases.c.name))] == ["kept"]
    with pytest.raises(database.engine.dialect.loaded_dbapi.IntegrityError), database.direct(write=True) as connection:
        connection.connection.cursor().execute(insertion, ("kept",))


def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    database = Database(url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="does not know"):
        Database(url)


def test_only_its_owner_reads_a_new_database(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database(f"sqlite:///{tmp_path / 'records.db'}")
        with database.write() as connection:
            connection.execute(insert(leases).values(row("a")))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        assert modes == dict.fromkeys(("records.db", "records.db-wal", "records.db-shm"), 0o600)
        database.close()
        (tmp_path / "records.db").chmod(0o660)  # who shares a database says so
        Database(f"sqlite:///{tmp_path / 'records.db'}").close()
        assert (tmp_path / "records.db").stat().st_mode & 0o777 == 0o660
    finally:
        os.umask(before)


def test_errors_do_not_show_the_values(url: str) -> None:
    database, held = Database(url), row("a") | {"owner": "x" * 40}
    with pytest.raises(IntegrityError) as refused, database.write() as connection:
        for _ in range(2):
            connection.execute(insert(leases).values(held))
    assert "x" * 40 not in "".join(traceback.format_exception(refused.value))
    database.close()


def test_a_damaged_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"this is no database, and it is long enough to be looked at " * 100)
    with pytest.raises(StorageError, match="not a database"):
        Database(f"sqlite:///{tmp_path / 'records.db'}")


WRITER = textwrap.dedent("""
    import sys
    from sqlalchemy import insert
    from mainspring.store.database import Database
    from mainspring.store.schema.automation import leases
    database = Database(sys.argv[1])
    for number in range(int(sys.argv[3])):
        with database.write() as connection:
            connection.execute(insert(leases), {"name": f"{sys.argv[2]}-{number}", "owner": "o", "token": 1, "expires_at": 0})
        print(f"{sys.argv[2]}-{number}", flush=True)
""")


@pytest.mark.slow
def test_many_processes_open_and_write_one_database(url: str) -> None:
    command = [sys.executable, "-c", WRITER, url]
    writers = [subprocess.Popen([*command, str(number), "40"], stdout=subprocess.PIPE) for number in range(6)]
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 6
    acknowledged = {name for output in outputs for name in output.decode().split()}
    with Database(url).read() as connection:
        assert {name for (name,) in connection.execute(select(leases.c.name))} == acknowledged
    assert len(acknowledged) == 240


@pytest.mark.parametrize("after", [1, 7, 23])
def test_what_was_acknowledged_survives_kill_9(url: str, after: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url, "w", "100000"], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().decode().strip() for _ in range(after)]
    writer.kill()
    writer.communicate()
    database = Database(url)
    with database.read() as connection:
        held = {name for (name,) in connection.execute(select(leases.c.name))}
        if url.startswith("sqlite"):
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert set(acknowledged) <= held
    with database.write() as connection:
        connection.execute(insert(leases), row("next"))


def test_a_server_that_is_away_is_said_so_without_the_password() -> None:
    with pytest.raises(StorageError, match=r"postgresql\+psycopg://me:\*\*\*@127\.0\.0\.1:9/x .*refused") as caught:
        Database("postgresql://me:secret@127.0.0.1:9/x")
    assert "secret" not in f"{caught.value.message} {caught.value.hint} {caught.value.details}"


@pytest.mark.parametrize("url", ["nonsense", "mysql://me:secret@host/x", "postgresql://me:secret@host:port/x"])
def test_urls_that_are_none_of_ours(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        Database(url)
    assert "secret" not in caught.value.message
    assert "postgresql+psycopg://" in (caught.value.hint or "")


def test_a_value_that_does_not_fit_is_the_callers_mistake(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        database = Database(url)
        for name in ("x" * 300, "a\0b"):
            with pytest.raises(UsageError, match="cannot hold a value"), database.write() as connection:
                connection.execute(insert(models), {"name": name, "created_at": 0})
        database.close()


def test_going_on_after_an_error_is_refused(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        database = Database(url)
        with pytest.raises(RuntimeError, match="nothing of it was written"), database.write() as connection:
            connection.execute(insert(models), {"name": "a", "created_at": 0})
            with pytest.raises(ProgrammingError):
                connection.execute(text("SELECT * FROM nowhere"))
        with database.read() as connection:
            assert connection.execute(select(models)).all() == []
        database.close()


def test_a_reader_sees_one_state_and_writes_nothing(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        database = Database(url)
        with database.read() as reading:
            assert reading.execute(select(models)).all() == []
            with database.write() as connection:
                connection.execute(insert(models), {"name": "a", "created_at": 0})
            assert reading.execute(select(models)).all() == []
        with pytest.raises(StorageError, match="read-only"), database.read() as reading:
            reading.execute(insert(models), {"name": "b", "created_at": 0})
        database.close()


def test_connections_that_the_server_closed_are_replaced(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        database = Database(url)
        name = str(database.engine.url.database)
        with pytest.raises(StorageError, match="did not do it"), database.write() as connection:
            connection.execute(insert(models), {"name": "lost", "created_at": 0})
            postgres_server.disconnect(name)
        with database.write() as connection:
            connection.execute(insert(models), {"name": "kept", "created_at": 0})
        postgres_server.disconnect(name)
        with database.read() as connection:
            assert list(connection.execute(select(models.c.name)).scalars()) == ["kept"]
        database.close()


def test_texts_compare_byte_by_byte_on_both(url: str) -> None:
    """The server's own language says a < B < c."""
    database = Database(url)
    with database.write() as connection:
        connection.execute(insert(models), [{"name": name, "created_at": 0} for name in ("a", "B", "c", "_", "é")])
    with database.read() as connection:
        names = list(connection.execute(select(models.c.name).order_by(models.c.name)).scalars())
        assert names == sorted(names)
        if connection.dialect.name == "postgresql":
            ours = text(
                "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = current_schema() "
                "AND table_name <> 'alembic_version' AND data_type IN ('text', 'character varying')"
            )
            assert set(connection.execute(ours).scalars()) == {"C"}
    database.close()
