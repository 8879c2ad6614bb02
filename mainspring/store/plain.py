"""Transactions of plain SQL. On SQLite they do without SQLAlchemy, whose loading takes longer than most commands for data.

What SQLite alone does not do, be it that there is no database yet, that it has an older schema, or that something is wrong, is
done again by way of ``Database``, which knows how, or says what to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring.store.looking import address_to_look
from mainspring.store.revision import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace

T = TypeVar("T")
Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
"""Runs a statement, with ``:name`` where a value stands, and returns its rows."""

_PATIENCE_SECONDS = 1


def transacted(workspace: Workspace, work: Callable[[Ask], T], *, write: bool = False) -> T:
    """Do work in a transaction as ``Database.read`` and ``write`` open them; it may be undone and done a second time.

    Raises:
        StorageError: the database did not do it.
    """
    file = _file(workspace)
    if file is not None and "database" not in workspace.__dict__:
        with suppress(sqlite3.Error):  # see above
            for done in _on_sqlite(file, work, write=write):
                return done
    from sqlalchemy import text

    with workspace.database.write() if write else workspace.database.read() as connection:

        def ask(statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
            found = connection.execute(text(statement), values)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

        return work(ask)


@contextmanager
def unwritten(workspace: Workspace) -> Iterator[bool]:
    """Keep writers of SQLite's records waiting; False, at once, where one is at work, nobody may, or there are none.

    So it is where the schema is older, or was never made to its end: who reads will have to write first.
    """
    file = _file(workspace)
    if file is None or not file.is_file():
        yield False
        return
    with ExitStack() as held:
        try:
            connection = held.enter_context(closing(sqlite3.connect(file, timeout=0, isolation_level=None)))
            connection.execute("BEGIN IMMEDIATE")
            is_current = connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
        except sqlite3.Error:
            is_current = False
        if not is_current:
            held.close()
        yield is_current


def _file(workspace: Workspace) -> Path | None:
    return workspace.state / "mainspring.db" if workspace.settings.state.database is None else None


def _on_sqlite(file: Path, work: Callable[[Ask], T], *, write: bool) -> list[T]:
    """Return what was done; nothing where the database has another schema."""
    place = (
        None if write else address_to_look(file)
    ) or f"{file.as_uri()}?mode=rw"  # one that is not there is not made
    with closing(sqlite3.connect(place, uri=True, timeout=_PATIENCE_SECONDS, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

        def ask(statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(statement, values)]

        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        if ask("SELECT version_num FROM alembic_version", {}) != [{"version_num": HEAD}]:
            return []
        done = work(ask)
        connection.execute("COMMIT")  # without it, closing undoes all
        return [done]
