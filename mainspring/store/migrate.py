"""Bringing a database to the schema of this version: a new one at once, an older one by Alembic migrations, only forward."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, inspect, select, text

from mainspring.base.errors import StorageError
from mainspring.store.revision import HEAD

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SCRIPTS = Path(__file__).parent / "migrations"
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table."""


def ensure_current(engine: Engine) -> None:
    """Make the tables of a new database, or migrate one that is older than this version; concurrent callers are serialised.

    The engine's transactions with ``mainspring_write`` have to wait for one another.

    Raises:
        StorageError: the database was written by a newer version, or holds tables of ours and does not say of which version.
    """
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with engine.connect() as connection:
        connection = connection.execution_options(mainspring_write=True)
        with connection.begin():
            found = _revision(connection)
            if found == HEAD:  # somebody was first
                return
            if found is None:
                create(connection)
            else:
                upgrade(connection, found)
            if engine.dialect.name == "postgresql":
                compare_bytes(connection)


def create(connection: Connection) -> None:
    """Make the newest schema at once; a test holds it equal to what the migrations lead to.

    Alembic and the migrations one after the other would add half to a start.

    Raises:
        StorageError: there are tables already that are called as ours.
    """
    from mainspring.store.schema import metadata

    held = set(inspect(connection).get_table_names())
    if known := sorted(held & set(metadata.tables)):
        stamp = _VERSION.insert().values(version_num=HEAD).compile(compile_kwargs={"literal_binds": True})
        raise StorageError(
            f"the database holds tables called as mainspring's ({', '.join(known[:3])}, {len(known)} in all),"
            f" but the table {_VERSION.name} does not say of which version they are; nothing was changed",
            hint="restore a copy of the database from before that was lost; if another program wrote it, give mainspring"
            " a database of its own"
            + (f"; if mainspring of this very version did, say so: {stamp};" if _VERSION.name in held else ""),
            tables=known,
        )
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection, checkfirst=True)
    connection.execute(_VERSION.insert(), {"version_num": HEAD})


def upgrade(connection: Connection, found: str | None) -> None:
    """Apply the migrations after ``found``.

    Raises:
        StorageError: the database was written by a newer version.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"the database is at schema {found}, which this version of mainspring does not know",
            hint="upgrade mainspring: a newer version wrote this workspace",
        ) from error


def compare_bytes(connection: Connection) -> None:
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


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar()
