"""Values as text, in the type of the column they are compared with: nothing is cut, rounded or parsed into another kind."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from mainspring.base.errors import InvalidData

_SIZES: dict[pl.DataType, int] = {pl.Int8(): 8, pl.Int16(): 16, pl.Int32(): 32, pl.Int64(): 64}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")


class WrongValue(InvalidData):
    """A text is no value of a type."""


def value_of(text: str, kind: pl.DataType) -> Any:
    """Return a value of the type ``kind`` that is written as a number, a word, or a text in single quotes.

    Raises:
        WrongValue: it is none.

    >>> value_of("7.0", pl.Int64()), value_of("'it''s'", pl.String()), value_of("'2026-03-01'", pl.Date())
    (7, "it's", datetime.date(2026, 3, 1))
    """
    inner = text[1:-1].replace("''", "'") if text.startswith("'") else None
    if kind == pl.String:
        if inner is None:
            raise WrongValue("it stands in no quotes", hint=f"write '{text}' in single quotes")
        return inner
    if kind == pl.Boolean:
        if text.upper() not in {"TRUE", "FALSE"}:
            raise WrongValue("it is neither TRUE nor FALSE", hint="write TRUE or FALSE")
        return text.upper() == "TRUE"
    if kind == pl.Date:
        return _moment(inner, _DAY, "write '2026-03-01'")
    if isinstance(kind, pl.Datetime):
        return _zoned(_moment(inner, _MOMENT, "write '2026-03-01' or '2026-03-01 12:30:00'"), kind)
    if kind.is_numeric():
        return _number(text, kind)
    raise WrongValue("columns of this type can only be asked for IS NULL", hint="compare another column")


def _number(text: str, kind: pl.DataType) -> int | float | Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise WrongValue("it is no number", hint="write a number, without quotes") from None
    if kind in _SIZES:
        most = 2 ** (_SIZES[kind] - 1)
        if value != value.to_integral_value() or not -most <= value < most:
            raise WrongValue("no row can have it", hint=f"write a whole number from {-most} to {most - 1}")
        return int(value)
    if isinstance(kind, pl.Decimal):
        digits, places = kind.precision or 38, kind.scale or 0
        shifted = value.scaleb(places)
        if shifted != shifted.to_integral_value() or abs(shifted) >= Decimal(10) ** digits:
            hint = f"write at most {digits - places} digits before the point and {places} after it"
            raise WrongValue("no row can have it", hint=hint)
        return value
    nearest = pl.Series([float(value)]).cast(kind)
    if not nearest.is_finite()[0]:
        raise WrongValue("it is too large", hint="compare with a smaller number")
    return float(nearest[0])


def _moment(inner: str | None, form: re.Pattern[str], hint: str) -> Any:
    if inner is None or not form.fullmatch(inner):
        raise WrongValue("it is no moment in single quotes", hint=hint)
    try:
        return date.fromisoformat(inner) if form is _DAY else datetime.fromisoformat(inner)
    except ValueError:
        raise WrongValue("the calendar does not have it", hint=hint) from None


def _zoned(found: datetime, kind: pl.Datetime) -> datetime:
    if kind.time_zone is None:
        if found.tzinfo is not None:
            raise WrongValue("the column has no time zone", hint="leave the zone out")
        return found
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)


def text_pattern(pattern: str) -> str:
    r"""Return the regular expression of a LIKE pattern: ``%`` is any text, ``_`` any character, ``\`` takes the next as it is.

    >>> text_pattern("50\\%_a%")
    '(?s)^50%.a.*$'
    """
    parts: list[str] = []
    signs = iter(pattern)
    for sign in signs:
        if sign == "\\":
            parts.append(_plain(next(signs, sign)))
        else:
            parts.append({"%": ".*", "_": "."}.get(sign) or _plain(sign))
    return f"(?s)^{''.join(parts)}$"


def _plain(sign: str) -> str:
    return f"\\{sign}" if sign in r"\.+*?()|[]{}^$#&-~" else sign
