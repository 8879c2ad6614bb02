"""Records: migrated, durable, all or nothing, and never locked for long."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from mainspring.base.errors import StorageError
from mainspring.store import migrate
from mainspring.store.database import Database
from mainspring.store.schema import metadata
from mainspring.store.schema.automation import leases

if TYPE_CHECKING:
    from pathlib import Path


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'records.db'}"


def row(name: str) -> dict[str, object]:
    return {"name": name, "owner": "o", "token": 1, "expires_at": 0}


def test_migrations_lead_to_the_schema_of_the_code(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    database = Database(url(tmp_path))
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_a_transaction_happens_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(insert(leases), row("a"))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(select(leases)).all() == []


def test_a_direct_transaction_happens_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    insertion = "INSERT INTO leases VALUES (?, 'o', 1, 0)"
    with database.direct(write=True) as connection:
        connection.connection.cursor().execute(insertion, ("kept",))
    with pytest.raises(RuntimeError), database.direct(write=True) as connection:
        connection.connection.cursor().execute(insertion, ("lost",))
        raise RuntimeError
    with database.read() as read:
        assert [name for (name,) in read.execute(select(leases.c.name))] == ["kept"]
    with pytest.raises(StorageError, match="no such table"), database.direct() as connection:
        connection.connection.cursor().execute("SELECT * FROM nowhere")
    with pytest.raises(sqlite3.IntegrityError), database.direct(write=True) as connection:
        connection.connection.cursor().execute(insertion, ("kept",))


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="does not know"):
        Database(url(tmp_path))


def test_a_damaged_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"this is no database, and it is long enough to be looked at " * 100)
    with pytest.raises(StorageError, match="not a database"):
        Database(url(tmp_path))


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
def test_many_processes_open_and_write_one_database(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, url(tmp_path)]
    writers = [subprocess.Popen([*command, str(number), "40"], stdout=subprocess.PIPE) for number in range(6)]
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 6
    acknowledged = {name for output in outputs for name in output.decode().split()}
    with Database(url(tmp_path)).read() as connection:
        assert {name for (name,) in connection.execute(select(leases.c.name))} == acknowledged
    assert len(acknowledged) == 240


@pytest.mark.parametrize("after", [1, 7, 23])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, after: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url(tmp_path), "w", "100000"], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().decode().strip() for _ in range(after)]
    writer.kill()
    writer.communicate()
    database = Database(url(tmp_path))
    with database.read() as connection:
        held = {name for (name,) in connection.execute(select(leases.c.name))}
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert set(acknowledged) <= held
    with database.write() as connection:
        connection.execute(insert(leases), row("next"))
