"""MLflow's ``/invocations``: ``dataframe_split``, ``dataframe_records``, ``instances``, ``inputs``, and CSV."""

from __future__ import annotations

import csv
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from mainspring.serving.payload import Payload, decode, from_columns, from_rows
from mainspring.serving.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.versioning.signature import DType

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_HINT = 'send {"dataframe_split": {"columns": [...], "data": [[...]]}}, or one of dataframe_records, instances, inputs'


class Split(msgspec.Struct, frozen=True):
    """A frame in pandas' ``split`` orientation."""

    data: list[list[Any]]
    columns: list[str] | None = None
    index: Any = None


class Invocation(msgspec.Struct, frozen=True):
    """The body of a request; exactly one of the forms is there."""

    dataframe_split: Split | msgspec.UnsetType = UNSET
    dataframe_records: list[dict[str, Any]] | msgspec.UnsetType = UNSET
    instances: list[Any] | msgspec.UnsetType = UNSET
    inputs: Any = UNSET
    params: dict[str, Any] | None = None


def parse(body: bytes) -> Payload:
    """Return the rows of a request.

    Raises:
        Problem: 400, saying what is wrong with it.
    """
    request: Invocation = decode(body, Invocation)
    given = [form for form in FORMS if getattr(request, form) is not UNSET]
    if len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none of them"
        raise Problem(400, f"expected exactly one of {', '.join(FORMS)}; {found}", hint=_HINT)
    columns, positional = _columns(request)
    params = request.params or {}
    return Payload(
        columns=columns,
        rows=len(next(iter(columns.values()), [])),
        positional=positional,
        event_time=params.get("event_time"),
        parameters=params,
    )


def _columns(request: Invocation) -> tuple[dict[str, list[Any]], bool]:
    if isinstance(request.dataframe_split, Split):
        split = request.dataframe_split
        if split.columns is not None and len(set(split.columns)) != len(split.columns):
            raise Problem(400, "a name occurs twice in 'columns'")
        return from_rows(split.data, split.columns)
    if request.dataframe_records is not UNSET:
        return from_rows(list(request.dataframe_records), None)
    if request.instances is not UNSET:
        return from_rows(list(request.instances), None)
    if isinstance(request.inputs, dict):
        return from_columns(request.inputs), False
    if isinstance(request.inputs, list):
        return from_rows(request.inputs, None)
    raise Problem(400, "'inputs' is neither columns by name nor a list of rows", hint=_HINT)


def parse_csv(body: bytes, kinds: Mapping[str, DType]) -> Payload:
    """Return the rows of a table in CSV, the first line of which names the columns. An empty field is null.

    ``kinds`` are the types of the inputs: CSV itself knows only text.

    Raises:
        Problem: 400, saying what is wrong with it.
    """
    try:
        table = list(csv.reader(body.decode("utf-8-sig").splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(400, f"the request is not CSV in UTF-8: {error}") from None
    table = [row for row in table if row]
    if len(table) < 2:
        raise Problem(400, "there are no rows", hint="send a line with the columns' names, and a line for each row")
    names, *rows = table
    if len(set(names)) != len(names):
        raise Problem(400, "a name occurs twice in the first line")
    columns, _ = from_rows(list(rows), names)
    read = {name: [_value(text, kinds.get(name)) for text in values] for name, values in columns.items()}
    return Payload(columns=read, rows=len(rows))


def _value(text: str, kind: DType | None) -> Any:
    """Return what a field means; what does not fit its type stays text, for whoever checks the types to name it."""
    if text == "":
        return None
    if kind == "boolean":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    if kind in ("int64", "float64"):
        with suppress(ValueError):
            return int(text)
        with suppress(ValueError):
            number = float(text)
            return None if number != number else number
    return text
