"""Bringing a database to the schema of this version, by Alembic migrations that only go forward."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from mainspring.base.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

HEAD = "0003"
"""The newest migration; a test holds it equal to what Alembic finds."""
SCRIPTS = Path(__file__).parent / "migrations"


def ensure_current(engine: Engine) -> None:
    """Migrate the database if it is older than this version; concurrent callers are serialised.

    The engine's transactions with ``mainspring_write`` have to wait for one another.

    Raises:
        StorageError: the database was written by a newer version.
    """
    if _revision(engine) == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with engine.connect() as connection:
        connection = connection.execution_options(mainspring_write=True)
        with connection.begin():
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StorageError(
                    f"the database is at schema {_revision(engine)}, which this version of mainspring does not know",
                    hint="upgrade mainspring: a newer version wrote this workspace",
                ) from error
            if engine.dialect.name == "postgresql":
                _compare_bytes(connection)


def _compare_bytes(connection: Connection) -> None:
    """Make PostgreSQL sort and compare texts byte by byte, as SQLite does, whatever language the database speaks.

    Pages, beginnings of ids and orders of names then are the same on both, and the indexes serve them.
    """
    from mainspring.store.schema import metadata

    other = text(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation l ON l.oid = a.attcollation"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
        " AND NOT a.attisdropped AND l.collname <> 'C'"
    )
    changes: dict[str, list[str]] = {}
    for table, column, kind in connection.execute(other):
        if table in metadata.tables:
            changes.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE {kind} COLLATE "C"')
    for table, columns in changes.items():
        connection.execute(text(f'ALTER TABLE "{table}" {", ".join(columns)}'))


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
