"""What is remembered under a key: a step's result, and beside it what the step logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.automation import records, replay, results
from mainspring.automation.records import ResultRow
from mainspring.automation.results import StoredResult
from mainspring.base.clock import now
from mainspring.base.errors import MainspringError
from mainspring.base.hashing import digest

if TYPE_CHECKING:
    from mainspring.automation.records import StepRow
    from mainspring.automation.replay import Logged
    from mainspring.store.workspace import Workspace

_LOGGED = "+logged"
"""At the end of a result's format: the step logged something, remembered under a key of its own."""


class Remembered(NamedTuple):
    """A result, how it is stored, and what is to be logged along with it."""

    value: Any
    stored: StoredResult
    logged: Logged | None


def recall(workspace: Workspace, key: str) -> Remembered | None:
    """Return what is remembered under a key, or None.

    Raises:
        Unreadable: it is gone, damaged, or from code that is no longer there.
    """
    with workspace.database.direct() as connection:
        row = records.find_result(connection, key)
        beside = None
        if row is not None and row.format.endswith(_LOGGED):
            beside = records.find_result(connection, _beside(key))
    if row is None:
        return None
    stored = _stored(row)
    value = results.load(workspace.objects, stored, workspace.root)
    if beside is None:
        return Remembered(value, stored, None)
    try:
        return Remembered(value, stored, replay.decode(results.read(workspace.objects, _stored(beside))))
    except MainspringError as error:
        raise results.Unreadable(error.message, hint=error.hint) from error


def rows(workspace: Workspace, step: StepRow, stored: StoredResult, logged: Logged | None) -> list[ResultRow]:
    """Return the rows that remember a result; the bytes that are not in them are durable."""
    row = ResultRow(
        key=step.key,
        name=step.name,
        result=stored.md5,
        format=stored.format,
        size=stored.size,
        seconds=step.seconds,
        execution_id=step.execution_id,
        created_at=now(),
        content=stored.content,
    )
    if not logged:
        return [row]
    told = results.keep(workspace.objects, "logged", replay.encode(logged))
    beside = msgspec.structs.replace(
        row, key=_beside(step.key), result=told.md5, format=told.format, size=told.size, content=told.content
    )
    return [msgspec.structs.replace(row, format=row.format + _LOGGED), beside]


def _stored(row: ResultRow) -> StoredResult:
    kind = row.format.removesuffix(_LOGGED)
    return StoredResult(md5=row.result, format=kind, size=row.size, content=row.content)


def _beside(key: str) -> str:
    return digest([key, "logged"])
