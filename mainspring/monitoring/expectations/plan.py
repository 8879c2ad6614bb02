"""What an expectation becomes: aggregates to compute, a judgement of them, and the rows to show when it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

Arguments = dict[str, Any]


class Unfit(InvalidData):
    """The expectation cannot hold on a table of this schema: a missing column, or one of the wrong type."""

    code = "unfit"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether it holds, the numbers in Great Expectations' words, and in a sentence why not."""

    success: bool
    result: dict[str, Any]
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Aggregates by name, and ``judge(values, rows)``; ``unexpected`` masks the offending rows, ``shown`` their columns."""

    aggregates: Mapping[str, pl.Expr] = field(default_factory=dict)
    judge: Callable[[Mapping[str, Any], int], Outcome]
    unexpected: pl.Expr | None = None
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A type of expectation: its arguments, and how it becomes a plan.

    ``check`` refuses arguments that can hold on no table at all, when the suite is read.
    """

    build: Callable[[Arguments, pl.Schema], Plan]
    required: tuple[str, ...] = ("column",)
    optional: tuple[str, ...] = ()
    check: Callable[[Arguments], None] | None = None


def by_rows(found: Mapping[str, Any], rows: int, mostly: float) -> Outcome:
    """Judge ``missing`` and ``unexpected`` counts: enough of the rows that have a value must be as expected.

    With no value at all it holds, as in Great Expectations.
    """
    missing, unexpected = int(found["missing"] or 0), int(found["unexpected"] or 0)
    present = rows - missing
    share = unexpected / present if present else 0.0
    success = present == 0 or (present - unexpected) / present >= mostly
    result = {
        "element_count": rows,
        "missing_count": missing,
        "missing_percent": 100 * missing / rows if rows else None,
        "unexpected_count": unexpected,
        "unexpected_percent": 100 * share if present else None,
        "unexpected_percent_total": 100 * unexpected / rows if rows else None,
        "unexpected_percent_nonmissing": 100 * share if present else None,
    }
    allowed = f", at least {100 * mostly:g}% must be as expected" if mostly < 1 else ""
    reason = None if success else f"{unexpected} of {present} values ({100 * share:.3g}%) are unexpected{allowed}"
    return Outcome(success=success, result=result, reason=reason)


def mostly_of(arguments: Arguments) -> float:
    """Return the share that must be as expected, 1 when nothing is said."""
    mostly = arguments.get("mostly")
    return 1.0 if mostly is None else float(mostly)


def has_bound(arguments: Arguments) -> None:
    """Refuse an expectation of a range that names neither end."""
    if arguments.get("min_value") is None and arguments.get("max_value") is None:
        raise InvalidData("it needs a min_value or a max_value", hint="add one of them to its kwargs")


def has_set(arguments: Arguments) -> None:
    """Refuse an expectation of a set that names no values."""
    if not isinstance(arguments.get("value_set"), list) or not arguments["value_set"]:
        raise InvalidData("its value_set must be a list with at least one value", hint="write it like [1, 2, 3]")


def within(observed: Any, low: Any, high: Any, arguments: Arguments) -> bool:
    """Tell whether an observed value lies between two bounds, each of which may be None, or strict."""
    above = low is None or (observed > low if arguments.get("strict_min") else observed >= low)
    below = high is None or (observed < high if arguments.get("strict_max") else observed <= high)
    return bool(above and below)


def between_words(arguments: Arguments) -> str:
    """Return a range in words.

    >>> between_words({"min_value": 1, "max_value": 5, "strict_max": True})
    'at least 1 and below 5'
    """
    parts = []
    if (low := arguments.get("min_value")) is not None:
        parts.append(f"above {low}" if arguments.get("strict_min") else f"at least {low}")
    if (high := arguments.get("max_value")) is not None:
        parts.append(f"below {high}" if arguments.get("strict_max") else f"at most {high}")
    return " and ".join(parts)
