"""From filters and orders to SQL: comparisons as clauses, and pages that begin after the row where the last one ended."""

from __future__ import annotations

import base64
import binascii
import hashlib
import operator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, case, false, or_
from sqlalchemy.sql.elements import BindParameter, UnaryExpression
from sqlalchemy.sql.operators import custom_op

from mainspring.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.elements import ColumnElement

_SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_LONGEST_PATTERN = 10_000
_FORM = 1
_values = msgspec.msgpack.Decoder(tuple[int, bytes, list[str | int | float | None]])


class SortKey(NamedTuple):
    """One expression of an ORDER BY that a page token can hold; ``kinds`` are the types its values have in Python."""

    column: ColumnElement[Any]
    ascending: bool
    kinds: tuple[type, ...]

    def clause(self) -> ColumnElement[Any]:
        """Return it as a part of ORDER BY."""
        return self.column.asc() if self.ascending else self.column.desc()


def ordering(keys: Sequence[SortKey]) -> list[ColumnElement[Any]]:
    """Return the parts of an ORDER BY; what is the same for all rows sorts nothing."""
    return [key.clause() for key in keys if not isinstance(key.column, BindParameter)]


def compare(column: ColumnElement[Any], comparator: str, value: Any, dialect: str) -> ColumnElement[bool]:
    """Return a comparison of a filter as a clause.

    LIKE tells capitals apart and ILIKE does not (of ASCII, on SQLite); nothing escapes ``%`` and ``_``.

    Raises:
        UsageError: the pattern is too long.
    """
    if comparator in ("LIKE", "ILIKE"):
        if len(value) > _LONGEST_PATTERN:
            raise UsageError(f"a pattern can have at most {_LONGEST_PATTERN} characters, this one has {len(value)}")
        return _matches(column, comparator, value, dialect)
    if comparator in ("IN", "NOT IN"):
        return column.in_(value) if comparator == "IN" else column.not_in(value)
    clause: ColumnElement[bool] = _SIGNS[comparator](column, value)
    return clause


def nulls_last(column: ColumnElement[Any], ascending: bool, kinds: tuple[type, ...]) -> list[SortKey]:
    """Return how to sort by what can be missing: rows that have it first, in either direction."""
    return [SortKey(case((column.is_(None), 1), else_=0), True, (int,)), SortKey(column, ascending, kinds)]


def after(keys: Sequence[SortKey], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a row comes after the one with these values, in the order of the keys.

    A value that is missing has nothing before or after it: the key before it says on which side of the others it is.
    """
    condition: ColumnElement[bool] = false()
    for key, value in reversed(list(zip(keys, values, strict=True))):
        if value is None:
            continue
        beyond = key.column > value if key.ascending else key.column < value
        condition = or_(beyond, and_(key.column == value, condition))
    first, value = keys[0], values[0]
    if value is None:
        return condition
    return and_(first.column >= value if first.ascending else first.column <= value, condition)  # an index can use it


def fingerprint(*parts: object) -> bytes:
    """Return what tells one question from another."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=12).digest()


def page_token(question: bytes, values: Sequence[Any]) -> str:
    """Return the token of the page after the row with these values."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((_FORM, question, list(values)))).decode()


def read_page_token(token: str, question: bytes, keys: Sequence[SortKey]) -> list[Any]:
    """Return the values of the row that a page ended with.

    Raises:
        UsageError: it is no token, or the token of another question.
    """
    try:
        form, asked, values = _values.decode(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        form, asked, values = 0, b"", []
    if form != _FORM:
        raise UsageError(f"'{token[:80]}' is no page token", hint="give the one that the last page came with")
    fits = len(values) == len(keys) and all(
        value is None or type(value) in key.kinds for key, value in zip(keys, values, strict=True)
    )
    if asked != question or not fits:
        raise UsageError(
            "the page token belongs to another search",
            hint="ask for the next page with the same filter, order and experiments",
        )
    return values


def unindexed(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """Return a column in a form that SQLite looks up in no index; other databases count their rows themselves."""
    if dialect != "sqlite":
        return column
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _matches(column: ColumnElement[Any], comparator: str, pattern: str, dialect: str) -> ColumnElement[bool]:
    if dialect != "sqlite":
        return column.like(pattern, escape="") if comparator == "LIKE" else column.ilike(pattern, escape="")
    if comparator == "ILIKE":
        return column.like(pattern)
    signs = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}  # SQLite's LIKE knows no capitals, its GLOB does
    return column.op("GLOB", is_comparison=True)("".join(signs.get(sign, sign) for sign in pattern))
