"""The pieces that many requests and answers of MLflow's protocol share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Pair(msgspec.Struct, gc=False):
    """A param or a tag."""

    key: str
    value: str = ""


class Nothing(msgspec.Struct):
    """A request without fields."""


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return params or tags as the protocol lists them."""
    return [{"key": key, "value": value} for key, value in values.items()]


def mapping(items: Iterable[Pair], what: str, *, last: bool = False) -> dict[str, str]:
    """Return listed params or tags by key; with ``last``, the last value of a key counts.

    Raises:
        InvalidData: a key comes twice with different values.
    """
    if last:
        return {item.key: item.value for item in items}
    found: dict[str, str] = {}
    for item in items:
        if found.setdefault(item.key, item.value) != item.value:
            raise InvalidData(f"the {what} '{item.key}' comes twice, with different values", key=item.key)
    return found


def number_out(value: float) -> float | str:
    """Return a number as JSON can hold it.

    >>> number_out(0.5), number_out(float("nan")), number_out(float("-inf"))
    (0.5, 'NaN', '-Infinity')
    """
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number_in(value: float | str) -> float:
    """Return the number that a client sent; NaN and infinity come as text.

    Raises:
        InvalidData: it is no number.
    """
    try:
        return float(value)
    except ValueError:
        raise InvalidData(f"{value!r} is no number", value=value) from None


def told(value: Any) -> bool:
    """Say whether a client gave a field a value: MLflow's clients send empty texts for what they leave out."""
    return value not in (None, "")
