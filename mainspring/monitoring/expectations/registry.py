"""Every expectation by its type."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.monitoring.expectations import aggregates, pairs, rows, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.monitoring.expectations.plan import Arguments, Definition

EXPECTATIONS: Mapping[str, Definition] = MappingProxyType(
    tables.DEFINITIONS | rows.DEFINITIONS | aggregates.DEFINITIONS | pairs.DEFINITIONS
)
"""What a suite may hold."""

PASSED_OVER = frozenset(
    {
        "batch_id",
        "result_format",
        "catch_exceptions",
        "include_config",
        "notes",
        "id",
        "rendered_content",
        "description",
    }
)
"""Arguments of Great Expectations that say how to run or show, and change no judgement."""


def definition(type_: str) -> Definition:
    """Return what an expectation of this type is.

    Raises:
        InvalidData: no such type; the hint names the nearest.
    """
    if type_ not in EXPECTATIONS:
        hint = did_you_mean(type_, EXPECTATIONS) or f"known types: {', '.join(sorted(EXPECTATIONS))}"
        raise InvalidData(f"there is no expectation '{type_}'", hint=hint, type=type_)
    return EXPECTATIONS[type_]


def check(type_: str, arguments: Arguments) -> None:
    """Refuse an expectation that cannot be judged: an unknown type or argument, a lacking one, a wrong one.

    Raises:
        InvalidData: saying which.
    """
    defined = definition(type_)
    known = {*defined.required, *defined.optional, *PASSED_OVER}
    for name in arguments:
        if name not in known:
            hint = did_you_mean(name, known) or f"its arguments: {', '.join([*defined.required, *defined.optional])}"
            raise InvalidData(f"{type_} has no argument '{name}'", hint=hint, type=type_, argument=name)
    for name in defined.required:
        if arguments.get(name) is None:
            raise InvalidData(f"{type_} needs the argument '{name}'", hint=f"add '{name}' to its kwargs", type=type_)
    mostly = arguments.get("mostly")
    if mostly is not None and (not isinstance(mostly, int | float) or not 0 <= mostly <= 1):
        raise InvalidData(f"{type_}: mostly must lie between 0 and 1, not {mostly!r}", type=type_)
    if defined.check is not None:
        try:
            defined.check(arguments)
        except InvalidData as error:
            raise InvalidData(f"{type_}: {error.message}", hint=error.hint, type=type_) from None
