"""The one database of a workspace: SQLite (WAL) by default, PostgreSQL by URL."""

from __future__ import annotations

import os
import sqlite3
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from mainspring.base.errors import StorageError
from mainspring.store.explain import BUSY_SECONDS, explained, shown
from mainspring.store.groups import Groups
from mainspring.store.looking import address_to_look
from mainspring.store.migrate import ensure_current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Dialect, Engine
    from sqlalchemy.pool import PoolProxiedConnection

_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""So that a server whose machine is gone is an error, and no wait for hours; what the URL says counts more."""
_WRITERS = 7204
"""The advisory lock that makes the writers of a PostgreSQL database wait for one another, as those of SQLite do."""
_BEGIN_WRITING = (
    f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; SET LOCAL idle_in_transaction_session_timeout = '{2 * BUSY_SECONDS}s';"
    f" SELECT pg_advisory_xact_lock({_WRITERS})"
)
"""A writer that stands still, or whose machine is gone, does not keep the others out for ever."""

_DRIVERS = dict.fromkeys(("sqlite", "sqlite+pysqlite"), "sqlite") | dict.fromkeys(
    ("postgres", "postgresql", "postgresql+psycopg"), "postgresql+psycopg"
)
_FORM = "it is like postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME; without it, SQLite is used"


class Direct(NamedTuple):
    """The driver's own connection, within a transaction."""

    dialect: Dialect
    connection: PoolProxiedConnection


class Database:
    """Transactions on the records of a workspace.

    A transaction that ended without an error is durable: it survives kill -9 and loss of power.

    Raises:
        StorageError: the URL is none, its driver is not installed, or the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = _read(url)
        self.engine = _engine(self.url)
        self._groups = Groups(self.engine.connect)
        if self.engine.dialect.name == "sqlite":
            self._reader = self.engine
        else:
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        weakref.finalize(self, _close, self.engine, os.getpid()).atexit = False
        with self._translated():
            ensure_current(self.engine)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes; all of it happens, or none. Writers wait for one another.

        Threads that write at the same time share a commit.

        Raises:
            UsageError: the database cannot hold a value.
            StorageError: the database did not do it.
        """
        with self._translated(), self._groups.member() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the records, and never waits for a writer. Read-only."""
        with self._translated(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def direct(self, *, write: bool = False) -> Iterator[Direct]:
        """Open a transaction as ``read`` and ``write`` do, for statements that are compiled already.

        On SQLite it has a third of their price.
        """
        if self.engine.dialect.name != "sqlite":
            with self.write() if write else self.read() as opened:
                yield Direct(opened.dialect, opened.connection)
            return
        with self._translated():
            connection = self.engine.raw_connection()
            try:
                _begin(connection.dbapi_connection, writes=write)
                yield Direct(self.engine.dialect, connection)
                connection.commit()
            finally:
                connection.close()  # what was not committed is rolled back

    def close(self) -> None:
        """Give the connections back; it happens by itself when nobody holds the database any more."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Say what the driver says, be it by way of SQLAlchemy or not, in words that the user can act on."""
        driver = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (DBAPIError, driver.Error) as error:
            if told := explained(error, self.url, driver):
                raise told from error
            raise


def _read(text: str) -> URL:
    """Return a URL; PostgreSQL is spoken to through psycopg."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StorageError("state.database is no URL", hint=_FORM) from error
    if "@" in (url.host or ""):  # what is taken for a host is half of the password
        raise StorageError(
            "state.database is no URL: it has two @", hint="write %40 for an @ in the user or the password"
        )
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise StorageError(f"the database {shown(url)} is of a kind that is not known: {url.drivername}", hint=_FORM)
    return url.set(drivername=driver)


def _engine(url: URL) -> Engine:
    arguments: dict[str, Any] = {"json_serializer": _to_json, "json_deserializer": msgspec.json.decode}
    arguments["hide_parameters"] = True  # values, secrets of webhooks among them, do not belong into tracebacks
    if url.get_backend_name() != "sqlite":
        return _server(url, arguments)
    _make_private(url.database)
    place = address_to_look(Path(url.database).absolute()) if url.database and not url.query else None
    how: dict[str, Any] = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    if place is not None:
        arguments["creator"] = lambda: sqlite3.connect(place, uri=True, **how)
    engine = create_engine(url, connect_args=how, **arguments)
    pragmas = (
        ("synchronous=FULL", "foreign_keys=ON")
        if place
        else ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("mainspring_write", False)
        _begin(connection.connection.dbapi_connection, writes=writes)

    return engine


def _make_private(file: str | None) -> None:
    """Make the file of a new database so that only its owner reads it; SQLite gives its journals the same rights."""
    if file and file != ":memory:" and not file.startswith("file:"):
        with suppress(OSError):  # it is there, or SQLite will say what is wrong
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _server(url: URL, arguments: dict[str, Any]) -> Engine:
    ours = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    try:
        # Writers look after they had to wait: what the server has for a default may be a picture from before.
        engine = create_engine(
            url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=ours, **arguments
        )
    except ImportError as error:  # it is not there, or it finds no library of PostgreSQL's
        raise StorageError(
            f"the database {shown(url)} needs the driver psycopg, which cannot be used: {' '.join(str(error).split())}",
            hint="pip install 'mainspring[postgres]'",
        ) from error

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("mainspring_write", False):
            cursor = connection.connection.cursor()
            cursor.execute(_BEGIN_WRITING)
            cursor.close()

    return engine


def _close(engine: Engine, opener: int) -> None:
    engine.dispose(close=opener == os.getpid())  # after a fork, the connections are still the parent's


def _begin(connection: Any, *, writes: bool) -> None:
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
