"""Time as the records keep it: whole milliseconds since 1970, UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from mainspring.base.errors import UsageError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - every moment here is in UTC
_400_YEARS = 146_097 * 86_400_000
"""Milliseconds after which the calendar repeats itself."""
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def now() -> int:
    """Return the present in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def iso(at: int) -> str:
    """Return a moment as ISO 8601 with milliseconds; years that have not four digits have a sign.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    >>> iso(1_700_000_000_000_000_000)  # somebody's nanoseconds
    '+53872825-06-17T22:13:20.000Z'
    """
    try:
        return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds") + "Z"
    except OverflowError:
        cycles, rest = divmod(at, _400_YEARS)
        text = iso(rest)
        return f"{int(text[:4]) + 400 * cycles:+05}{text[4:]}"


def parse_iso(text: str) -> int:
    """Return the moment that ISO 8601 text names; without a zone it is UTC.

    >>> parse_iso("1970-01-01T00:00:01Z"), parse_iso("1970-01-02")
    (1000, 86400000)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a moment in ISO 8601", hint="write it like 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def milliseconds(duration: str) -> int:
    """Return the length of a duration such as ``500ms``, ``30s``, ``5m``, ``2h``, ``30d`` or ``1w``.

    >>> milliseconds("2h"), milliseconds("1.5s")
    (7200000, 1500)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", duration.strip())
    if match is None:
        raise UsageError(f"'{duration}' is not a duration", hint="write it like 30s, 5m, 2h, 30d or 1w")
    return round(float(match[1]) * _UNITS[match[2]])
