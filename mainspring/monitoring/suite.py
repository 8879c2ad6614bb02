"""Suites of expectations, in Great Expectations' JSON (both the 0.x and the 1.x spelling)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import InvalidData, NotFound
from mainspring.monitoring.expectations.registry import check

if TYPE_CHECKING:
    from pathlib import Path

Severity = Literal["critical", "warning", "info"]


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation. Only a critical one makes a validation fail; warnings are shown."""

    type: str
    kwargs: dict[str, Any] = {}
    severity: Severity = "critical"
    meta: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """The type without its ``expect_``, with the column.

        >>> Expectation(type="expect_column_to_exist", kwargs={"column": "a"}).title
        'column_to_exist(a)'
        """
        named = [self.kwargs[key] for key in ("column", "column_A", "column_B") if key in self.kwargs]
        return f"{self.type.removeprefix('expect_')}({', '.join(map(str, named))})"


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """Named expectations of a table."""

    name: str
    expectations: list[Expectation]
    meta: dict[str, Any] = {}

    def to_json(self) -> bytes:
        """Return the suite as Great Expectations 1.x writes it, indented."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class _Written(msgspec.Struct):
    expectation_type: str | None = None
    type: str | None = None
    kwargs: dict[str, Any] = {}
    severity: Severity | None = None
    meta: dict[str, Any] | None = None


class _WrittenSuite(msgspec.Struct):
    expectations: list[_Written]
    name: str | None = None
    expectation_suite_name: str | None = None
    meta: dict[str, Any] | None = None


def load_suite(path: Path) -> Suite:
    """Read and check a suite; nothing it says is passed over silently.

    Raises:
        NotFound: no such file.
        InvalidData: not a suite, an unknown type or argument; names the file and the place of the expectation.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        hint = "write one, or propose one with `mainspring profile FILE --suite-out SUITE`"
        raise NotFound(f"there is no suite at {path}", hint=hint, path=str(path)) from None
    except OSError as error:
        raise InvalidData(f"cannot read the suite {path}: {error.strerror}", path=str(path)) from None
    return parse_suite(data, source=str(path), name=path.stem)


def parse_suite(data: bytes, *, source: str = "suite", name: str = "suite") -> Suite:
    """Read a suite from JSON; ``source`` is how errors call it, ``name`` the suite's name when it has none of its own.

    >>> parse_suite(b'{"expectations": [{"expectation_type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}').name
    'suite'
    """
    try:
        written = msgspec.json.decode(data, type=_WrittenSuite)
    except msgspec.DecodeError as error:
        hint = 'it is JSON like {"name": …, "expectations": [{"type": …, "kwargs": {…}}]}'
        raise InvalidData(f"{source} is not a suite of expectations: {error}", hint=hint, source=source) from None
    expectations = [_expectation(item, place, source) for place, item in enumerate(written.expectations)]
    named = written.name or written.expectation_suite_name or name
    return Suite(name=named, expectations=expectations, meta=written.meta or {})


def _expectation(written: _Written, place: int, source: str) -> Expectation:
    type_ = written.type or written.expectation_type
    if type_ is None:
        raise InvalidData(f"{source}: expectation {place} has no type", hint='add "type": "expect_…"', source=source)
    try:
        check(type_, written.kwargs)
    except InvalidData as error:
        raise InvalidData(
            f"{source}: expectation {place}: {error.message}", hint=error.hint, source=source, place=place
        ) from None
    meta = written.meta or {}
    severity = written.severity or meta.get("severity") or "critical"
    return Expectation(type=type_, kwargs=written.kwargs, severity=severity, meta=meta)
