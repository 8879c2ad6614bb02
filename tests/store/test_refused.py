"""Databases that are not there, do not let one in, or do not do it: one error each that says what to do, and no password."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import insert, select, text, update

from mainspring.base.errors import StorageError
from mainspring.store import database as databases
from mainspring.store.database import Database
from mainspring.store.schema.automation import leases
from mainspring.store.schema.versioning import models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Server

SECRET = "s3cret"


@pytest.fixture
def strict(postgres_server: Server) -> Iterator[str]:
    """Give an empty database for whose user ``limited`` the server wants a password; who owns it is another one."""
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    with postgres_server.bare_database() as url:
        rules.write_text(f"local all limited scram-sha-256\n{before}")
        postgres_server.say(f"CREATE ROLE limited LOGIN PASSWORD '{SECRET}'; SELECT pg_reload_conf()")
        yield url.replace("mainspring@", "USER@")
        rules.write_text(before)
    postgres_server.say("DROP ROLE limited; SELECT pg_reload_conf()")


def refused(url: str) -> str:
    """Return what is said of a database that cannot be opened; it never holds the password."""
    with pytest.raises(StorageError) as caught:
        Database(url)
    said = f"{caught.value.message} ({caught.value.hint})"
    assert SECRET not in said + str(caught.value.details)
    return said


def test_who_is_not_let_in(strict: str) -> None:
    login = "check the user and the password in state.database"
    assert login in refused(strict.replace("USER", f"limited:not-{SECRET}"))
    assert login in refused(strict.replace("USER", "limited") + f"&password=not-{SECRET}")
    assert login in refused(strict.replace("USER", "limited"))
    assert login in refused(strict.replace("USER", f"nobody:{SECRET}"))


def test_who_may_not_make_tables(strict: str, postgres_server: Server) -> None:
    mine = strict.replace("USER", f"limited:{SECRET}")
    said = refused(mine)
    assert "permission denied" in said
    assert "GRANT ALL ON SCHEMA public" in said
    with psycopg.connect(strict.replace("postgresql+psycopg", "postgresql").replace("USER", "mainspring")) as owner:
        owner.execute("GRANT ALL ON SCHEMA public TO limited")
    database = Database(mine)
    with database.write() as connection:
        connection.execute(insert(models), {"name": "a", "created_at": 0})
    database.close()


def test_what_is_not_there(strict: str) -> None:
    other = strict.replace("USER", "mainspring")
    assert "createdb" in refused(other.replace("/test_", "/no_test_"))
    assert "what follows the ?" in refused(other + "&nonsense=1")
    assert "what follows the ?" in refused(other + "&sslmode=nonsense")
    assert "the host and the port" in refused(f"postgresql://me:{SECRET}@no-such-host.invalid/x")
    assert "write %40" in refused(f"postgresql://me:half@{SECRET}@127.0.0.1/x")


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["psycopg", "ctypes.util"], ids=["driver", "library"])
def test_a_driver_that_cannot_be_used(project: Path, missing: str) -> None:
    """Without ctypes, psycopg finds no library of PostgreSQL's."""
    (project / "mainspring.yaml").write_text(f"project: x\nstate: {{database: 'postgresql://me:{SECRET}@h/x'}}\n")
    code = (
        f"import os, sys; os.environ['PSYCOPG_IMPL'] = 'python'; sys.modules[{missing!r}] = None\n"
        "from mainspring.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, "runs", "list", "--workspace", str(project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
    assert "pip install 'mainspring[postgres]'" in done.stderr
    assert SECRET not in done.stderr


def test_a_server_that_only_reads(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        name = Database(url).url.database
        postgres_server.say(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        database = Database(url)
        with pytest.raises(StorageError) as caught, database.write() as connection:
            connection.execute(insert(models), {"name": "a", "created_at": 0})
        assert "name one in state.database that may write" in (caught.value.hint or "")
        database.close()
        postgres_server.say(f"ALTER DATABASE {name} RESET default_transaction_read_only")


@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
def test_transactions_of_others_in_the_way(postgres_server: Server, state: str) -> None:
    with postgres_server.database() as url:
        database = Database(url)
        with pytest.raises(StorageError) as caught, database.write() as connection:
            connection.execute(insert(models), {"name": "a", "created_at": 0})
            connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"))
        assert "run the same command again" in (caught.value.hint or "")
        with database.read() as connection:
            assert connection.execute(select(models)).all() == []
        database.close()


def test_writers_see_what_the_one_before_wrote_whatever_the_server_has_for_a_default(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        name = Database(url).url.database
        postgres_server.say(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
        opened = [Database(url) for _ in range(4)]
        with opened[0].write() as connection:
            connection.execute(insert(leases), {"name": "count", "owner": "o", "token": 0, "expires_at": 0})

        def count(database: Database) -> None:
            for _ in range(20):
                with database.write() as connection:
                    seen = connection.execute(select(leases.c.token)).scalar_one()
                    connection.execute(update(leases).values(token=seen + 1))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(count, opened))
        with opened[0].read() as connection:
            assert connection.execute(select(leases.c.token)).scalar_one() == 80
        for database in opened:
            database.close()
        postgres_server.say(f"ALTER DATABASE {name} RESET default_transaction_isolation")


def test_a_writer_that_stands_still_does_not_keep_the_others_out(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortened = databases._BEGIN_WRITING.replace("timeout = '60s'", "timeout = '1s'")
    assert shortened != databases._BEGIN_WRITING
    monkeypatch.setattr(databases, "_BEGIN_WRITING", shortened)
    with postgres_server.database() as url:
        still, other = Database(url), Database(url)
        written = threading.Event()

        def write() -> None:
            with other.write() as connection:
                connection.execute(insert(models), {"name": "kept", "created_at": 0})
            written.set()

        with pytest.raises(StorageError) as caught, still.write() as connection:
            connection.execute(insert(models), {"name": "lost", "created_at": 0})
            writer = threading.Thread(target=write)
            writer.start()
            assert written.wait(20)
            connection.execute(select(models)).all()
        writer.join()
        assert "stood still" in (caught.value.hint or "")
        with still.read() as connection:
            assert list(connection.execute(select(models.c.name)).scalars()) == ["kept"]
        still.close()
        other.close()
