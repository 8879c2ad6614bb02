"""MLflow's ``/invocations``: ``dataframe_split``, ``dataframe_records``, ``instances`` and ``inputs``."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from mainspring.serving.payload import Payload, decode, from_columns, from_rows
from mainspring.serving.problem import Problem

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
