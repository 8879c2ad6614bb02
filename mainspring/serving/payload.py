"""The rows of a request, whatever protocol they came by, and how their values become columns of the signature."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.base.errors import did_you_mean
from mainspring.serving.problem import Problem
from mainspring.versioning.signature import POLARS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mainspring.versioning.signature import ColumnType, DType, Signature

Columns = dict[str, list[Any]]

_INT64 = 1 << 63
_EXACT = 1 << 53
_POSITIONS = "columns by position"


@dataclass(slots=True, kw_only=True)
class Payload:
    """Rows as columns of plain values; ``positional`` when the client gave no names."""

    columns: Columns
    rows: int
    positional: bool = False
    request_id: str | None = None
    event_time: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def named(self, names: Sequence[str]) -> Columns:
        """Return the columns under the names of the inputs, in their order when the client gave none.

        Raises:
            Problem: 400, the number of columns is another.
        """
        if not self.positional:
            return self.columns
        if len(self.columns) != len(names):
            raise Problem(
                400,
                f"each row has {len(self.columns)} values, and the model takes {len(names)}",
                expected=list(names),
                found=len(self.columns),
            )
        return dict(zip(names, self.columns.values(), strict=True))


def positions(width: int) -> list[str]:
    """Return placeholders for names that the client did not give."""
    return [f"{_POSITIONS} {index}" for index in range(width)]


def decode(body: bytes, kind: type) -> Any:
    """Decode JSON. A bare ``NaN``, which many clients write for a missing number, is null.

    Raises:
        Problem: 400, it is not JSON, not of that structure, or nested too deep.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(400, f"the request has another structure than expected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" in body or b"Infinity" in body:
            return _with_constants(body, kind)
        raise Problem(400, f"the request is not JSON: {error}") from None
    except (RecursionError, ValueError) as error:
        raise Problem(400, f"the request cannot be read: {error}") from None


def _with_constants(body: bytes, kind: type) -> Any:
    def constant(name: str) -> None:
        if name != "NaN":
            raise Problem(400, f"the request is not JSON: {name} is no number there", hint="send a number, or null")

    try:
        return msgspec.convert(json.loads(body, parse_constant=constant), kind)
    except msgspec.ValidationError as error:
        raise Problem(400, f"the request has another structure than expected: {error}") from None
    except (RecursionError, ValueError) as error:
        raise Problem(400, f"the request is not JSON: {error}") from None


def from_rows(rows: list[Any], names: Sequence[str] | None) -> tuple[Columns, bool]:
    """Turn rows (mappings, lists, or single values) into columns; also say whether they came without names.

    Raises:
        Problem: 400, rows differ in kind, keys or length.
    """
    if not rows:
        raise Problem(400, "there are no rows", hint="send at least one row")
    kinds = set(map(type, rows))
    if kinds == {dict}:
        return _from_records(rows), False
    if kinds == {list}:
        width = len(names) if names is not None else len(rows[0])
        if not width:
            raise Problem(400, "the rows have no columns")
        for index, row in enumerate(rows):
            if len(row) != width:
                raise Problem(400, f"row {index} has {len(row)} values instead of {width}", row=index)
        return dict(zip(names or positions(width), map(list, zip(*rows, strict=True)), strict=True)), names is None
    if kinds & {dict, list}:
        raise Problem(400, "rows are of different kinds", hint="send all rows as objects, or all as lists")
    if names is not None and len(names) != 1:
        raise Problem(400, f"a row is a single value, and there are {len(names)} columns")
    return {(names or positions(1))[0]: rows}, names is None


def _from_records(rows: list[dict[str, Any]]) -> Columns:
    names = rows[0].keys()
    if not names:
        raise Problem(400, "the rows have no columns")
    for index, row in enumerate(rows):
        if row.keys() != names:
            odd = sorted(names ^ row.keys())[0]
            raise Problem(
                400,
                f"row {index} {'has' if odd in row else 'lacks'} the column '{odd}', unlike the first row",
                column=odd,
                row=index,
            )
    return {name: [row[name] for row in rows] for name in names}


def from_columns(columns: dict[str, Any]) -> Columns:
    """Turn named columns (lists, lists of one-element lists, or single values) into columns of equal length."""
    turned = {name: _flat(value) if isinstance(value, list) else [value] for name, value in columns.items()}
    if not turned:
        raise Problem(400, "there are no columns")
    lengths = {name: len(values) for name, values in turned.items()}
    longest = max(lengths.values())
    for name, length in lengths.items():
        if length != longest:
            raise Problem(400, f"column '{name}' has {length} values, another has {longest}", column=name)
    if not longest:
        raise Problem(400, "there are no rows", hint="send at least one row")
    return turned


def _flat(values: list[Any]) -> list[Any]:
    if values and set(map(type, values)) == {list} and all(len(value) == 1 for value in values):
        return [value[0] for value in values]
    return values


class Reader:
    """A signature made ready to take values: checks them column by column and makes a frame of exact types.

    The frame is what ``Signature.conform`` would return, so a model can take it as it is.
    """

    def __init__(self, signature: Signature) -> None:
        self.names = [column.name for column in signature.inputs]
        self._known = frozenset(self.names)
        self._checks = [(column, _READERS[column.dtype]) for column in signature.inputs]
        self.schema: dict[str, pl.DataType] = {column.name: POLARS[column.dtype] for column in signature.inputs}
        self.kinds: dict[str, DType] = {column.name: column.dtype for column in signature.inputs}

    def read(self, columns: Columns) -> Columns:
        """Return the inputs in order, as values of their types.

        Raises:
            Problem: 400, naming the column, what was expected and what was found.
        """
        if columns.keys() != self._known:
            self._name_the_odd_one(columns)
        return {column.name: take(column, columns[column.name]) for column, take in self._checks}

    def frame(self, columns: Columns) -> pl.DataFrame:
        """Return what ``read`` returned as a frame."""
        return pl.DataFrame(list(zip(*columns.values(), strict=True)), schema=self.schema, orient="row")

    def _name_the_odd_one(self, columns: Columns) -> None:
        missing = [name for name in self.names if name not in columns]
        unknown = [name for name in columns if name not in self._known]
        if missing:
            close = did_you_mean(missing[0], unknown) if unknown else None
            raise Problem(
                400,
                f"the column '{missing[0]}' is missing",
                hint=close and close.replace("did you mean", "should it have been called that instead of"),
                column=missing[0],
                missing=missing,
                unknown=unknown,
            )
        raise Problem(
            400,
            f"the column '{unknown[0]}' is unknown",
            hint=did_you_mean(unknown[0], self.names) or f"the model takes: {', '.join(self.names[:20])}",
            column=unknown[0],
            unknown=unknown,
        )


def _wrong(column: ColumnType, expected: str, values: Iterable[Any], wrong: Callable[[Any], bool]) -> Problem:
    row, value = next((row, value) for row, value in enumerate(values) if wrong(value))
    found = "null" if value is None else f"{_kind(value)} {_short(value)}"
    return Problem(
        400,
        f"the column '{column.name}' expects {expected}{' or null' if column.nullable else ''}, found {found} in row {row}",
        column=column.name,
        expected=column.dtype,
        found=found,
        row=row,
    )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "the boolean"
    return {int: "the number", float: "the number", str: "the text", list: "the list", dict: "the object"}.get(
        type(value), "the value"
    )


def _short(value: Any) -> str:
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 40 else text[:37] + "…"


def _allowed(column: ColumnType, values: list[Any], expected: str, kinds: frozenset[type]) -> set[type]:
    found = set(map(type, values))
    accepted = kinds | {type(None)} if column.nullable else kinds
    if not found <= accepted:
        raise _wrong(column, expected, values, lambda value: type(value) not in accepted)
    return found


_NUMBERS = frozenset({int, float})
_TEXT = frozenset({str})
_MOMENTS = frozenset({str})


def _floats(column: ColumnType, values: list[Any]) -> list[Any]:
    found = _allowed(column, values, "a number", _NUMBERS)
    if int not in found:
        return values
    try:
        return [None if value is None else float(value) for value in values]
    except OverflowError:
        raise _wrong(column, "a number of double precision", values, _overflows) from None


def _overflows(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > 1 << 1023


def _integers(column: ColumnType, values: list[Any]) -> list[Any]:
    found = _allowed(column, values, "a whole number", _NUMBERS)
    if float in found:
        if not all(value.is_integer() and abs(value) <= _EXACT for value in values if type(value) is float):
            raise _wrong(column, "a whole number", values, _not_whole)
        values = [int(value) if type(value) is float else value for value in values]
    if not all(value is None or -_INT64 <= value < _INT64 for value in values):
        raise _wrong(
            column,
            "a whole number of 64 bits",
            values,
            lambda value: value is not None and not -_INT64 <= value < _INT64,
        )
    return values


def _not_whole(value: Any) -> bool:
    return type(value) is float and not (value.is_integer() and abs(value) <= _EXACT)


def _strings(column: ColumnType, values: list[Any]) -> list[Any]:
    _allowed(column, values, "text", _TEXT)
    return values


def _booleans(column: ColumnType, values: list[Any]) -> list[Any]:
    _allowed(column, values, "true or false", frozenset({bool}))
    return values


def _moments(column: ColumnType, values: list[Any]) -> list[Any]:
    _allowed(column, values, "a moment in ISO 8601", _MOMENTS)
    read = [None if value is None else moment(value) for value in values]
    if any(value is None and given is not None for value, given in zip(read, values, strict=True)):
        raise _wrong(column, "a moment in ISO 8601", values, lambda value: value is not None and moment(value) is None)
    return read


def _dates(column: ColumnType, values: list[Any]) -> list[Any]:
    _allowed(column, values, "a date in ISO 8601", _MOMENTS)
    read = [None if value is None else _date(value) for value in values]
    if any(value is None and given is not None for value, given in zip(read, values, strict=True)):
        raise _wrong(column, "a date in ISO 8601", values, lambda value: value is not None and _date(value) is None)
    return read


def moment(text: str) -> datetime | None:
    """Return the moment that ISO 8601 text names, as UTC without a zone, or None if it names none.

    >>> moment("2026-01-31T12:00:00+01:00")
    datetime.datetime(2026, 1, 31, 11, 0)
    """
    try:
        value = datetime.fromisoformat(text)
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def event_times(values: list[Any], name: str) -> list[int]:
    """Return moments (ISO 8601 text, or milliseconds since 1970) as milliseconds.

    Raises:
        Problem: 400, naming where it came from.
    """
    return [_event_time(value, name) for value in values]


def _event_time(value: Any, name: str) -> int:
    if type(value) is int and 0 <= value < 1 << 53:
        return value
    found = moment(value) if isinstance(value, str) else None
    if found is None:
        raise Problem(
            400,
            f"'{name}' expects a moment in ISO 8601 or milliseconds since 1970, found {_short(value)}",
            column=name,
        )
    return round(found.replace(tzinfo=UTC).timestamp() * 1000)


_READERS: dict[str, Callable[[ColumnType, list[Any]], list[Any]]] = {
    "int64": _integers,
    "float64": _floats,
    "string": _strings,
    "boolean": _booleans,
    "datetime": _moments,
    "date": _dates,
}
