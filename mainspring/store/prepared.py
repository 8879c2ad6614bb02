"""Statements that go straight to the driver, for what is counted in tenths of a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import ARRAY, String, any_, bindparam, func, select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ClauseElement, ColumnElement, Connection


class Prepared:
    """A statement that is compiled once for each kind of database.

    SQLAlchemy's way from a statement to the driver takes most of a tenth of a millisecond. Only for columns whose values
    need no conversion. ``make`` is given the name of the dialect; ``binary`` is for bytes,
    which PostgreSQL otherwise sends as hexadecimal text.
    """

    def __init__(self, make: Callable[[str], ClauseElement], *, binary: bool = False) -> None:
        self.make = make
        self.binary = binary
        self.compiled: dict[str, tuple[str, Sequence[str] | None]] = {}

    def __call__(self, connection: Connection, row: dict[str, Any]) -> Any:
        """Execute it once; return the driver's cursor."""
        text, order = self._text(connection)
        binary = {"binary": True} if self.binary and connection.dialect.name == "postgresql" else {}
        cursor = connection.connection.cursor(**binary)
        cursor.execute(text, row if order is None else [row[name] for name in order])
        return cursor

    def many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
        """Execute it for each row; return how many rows it changed."""
        text, order = self._text(connection)
        cursor = connection.connection.cursor()
        cursor.executemany(text, rows if order is None else [[row[name] for name in order] for row in rows])
        return int(cursor.rowcount)

    def _text(self, connection: Connection) -> tuple[str, Sequence[str] | None]:
        dialect = connection.dialect
        if dialect.name not in self.compiled:
            made = self.make(dialect.name).compile(dialect=dialect)
            self.compiled[dialect.name] = (str(made), getattr(made, "positiontup", None))
        return self.compiled[dialect.name]


def upsert(dialect: str) -> Any:
    """Return the INSERT of a dialect that knows ON CONFLICT."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # 35 ms that only its users pay

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert


def among(column: ColumnElement[Any], dialect: str) -> ColumnElement[bool]:
    """Return the condition that a column holds one of the texts bound as ``ids``, however many they are; see ``bound``."""
    if dialect == "postgresql":
        return column == any_(bindparam("ids", type_=ARRAY(String)))
    return column.in_(select(func.json_each(bindparam("ids")).table_valued("value").c.value))


def bound(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Return texts as a statement with ``among`` takes them."""
    return {"ids": list(ids) if connection.dialect.name == "postgresql" else msgspec.json.encode(ids).decode()}
