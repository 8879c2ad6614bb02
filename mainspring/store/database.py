"""The one database of a workspace: SQLite (WAL) by default, PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from mainspring.base.errors import StorageError
from mainspring.store.groups import Groups
from mainspring.store.migrate import ensure_current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Dialect, Engine
    from sqlalchemy.pool import PoolProxiedConnection

_BUSY_SECONDS = 30


class Direct(NamedTuple):
    """The driver's own connection, within a transaction."""

    dialect: Dialect
    connection: PoolProxiedConnection


class Database:
    """Transactions on the records of a workspace.

    A transaction that ended without an error is durable: it survives kill -9 and loss of power.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self._groups = Groups(self.engine.connect) if self.engine.dialect.name == "sqlite" else None
        with _translated(url):
            ensure_current(self.engine)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes; all of it happens, or none. Writers wait for one another.

        On SQLite, threads that write at the same time share a commit.
        """
        if self._groups is not None:
            with _translated(self.url), self._groups.member() as connection:
                yield connection
            return
        with _translated(self.url), self.engine.connect() as connection:
            connection = connection.execution_options(mainspring_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the records, and never waits for a writer. Read-only."""
        with _translated(self.url), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def direct(self, *, write: bool = False) -> Iterator[Direct]:
        """Open a transaction as ``read`` and ``write`` do, for statements that are compiled already, at a third of the price."""
        driver = self.engine.dialect.loaded_dbapi
        with _translated(self.url):
            connection = self.engine.raw_connection()
            try:
                if self.engine.dialect.name == "sqlite":
                    _begin(connection.dbapi_connection, writes=write)
                yield Direct(self.engine.dialect, connection)
                connection.commit()
            except driver.DatabaseError as error:
                if isinstance(error, driver.OperationalError) or _is_damage(error):
                    raise _explain(str(error), self.url) from error
                raise
            finally:
                connection.close()  # what was not committed is rolled back

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    arguments: dict[str, Any] = {"json_serializer": _to_json, "json_deserializer": msgspec.json.decode}
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, **arguments)
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}, **arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("mainspring_write", False)
        _begin(connection.connection.dbapi_connection, writes=writes)

    return engine


def _begin(connection: Any, *, writes: bool) -> None:
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        raise _explain(str(getattr(error, "orig", None) or error), url) from error
    except DBAPIError as error:
        if _is_damage(error):
            raise _explain(str(error.orig), url) from error
        raise


def _is_damage(error: Exception) -> bool:
    return "malformed" in str(error) or "not a database" in str(error)


def _explain(said: str, url: str) -> StorageError:
    shown = make_url(url).render_as_string(hide_password=True)
    hint = "check that the database can be reached and written"
    if "full" in said:
        hint = "free some space on the disk, then run the same command again: nothing was lost"
    elif "locked" in said:
        hint = f"another process kept writing for {_BUSY_SECONDS} s; run the same command again"
    elif "malformed" in said or "not a database" in said:
        hint = "the file is damaged: restore it from a backup; the objects beside it are untouched"
    return StorageError(f"the database {shown} did not do it: {said}", hint=hint, url=shown)
