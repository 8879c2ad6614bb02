"""Bringing a database to the schema of this version, by Alembic migrations that only go forward."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from mainspring.base.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD = "0002"
"""The newest migration; a test holds it equal to what Alembic finds."""
SCRIPTS = Path(__file__).parent / "migrations"


def ensure_current(engine: Engine) -> None:
    """Migrate the database if it is older than this version; concurrent callers are serialised.

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
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(7203)"))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StorageError(
                    f"the database is at schema {_revision(engine)}, which this version of mainspring does not know",
                    hint="upgrade mainspring: a newer version wrote this workspace",
                ) from error


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
