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
    """A result, and what is to be logged along with it."""

    value: Any
    logged: Logged | None


def recall(workspace: Workspace, key: str) -> Remembered | None:
    """Return what is remembered under a key, or None.

    Raises:
        Unreadable: it is gone, damaged, or from code that is no longer there.
    """
    with workspace.database.read() as connection:
        row = records.find_result(connection, key)
        beside = None
        if row is not None and row.format.endswith(_LOGGED):
            beside = records.find_result(connection, _beside(key))
    if row is None:
        return None
    stored = StoredResult(md5=row.result, format=row.format.removesuffix(_LOGGED), size=row.size)
    value = results.load(workspace.objects, stored, workspace.root)
    if beside is None:
        return Remembered(value, None)
    try:
        return Remembered(value, replay.decode(workspace.objects.read_bytes(beside.result)))
    except MainspringError as error:
        raise results.Unreadable(error.message, hint=error.hint) from error


def rows(workspace: Workspace, step: StepRow, stored: StoredResult, logged: Logged | None) -> list[ResultRow]:
    """Return the rows that remember a result; the objects they name are durable."""
    row = ResultRow(
        key=step.key,
        name=step.name,
        result=stored.md5,
        format=stored.format,
        size=stored.size,
        seconds=step.seconds,
        execution_id=step.execution_id,
        created_at=now(),
    )
    if not logged:
        return [row]
    data = replay.encode(logged)
    md5 = workspace.objects.put_bytes(data)
    change = msgspec.structs.replace
    return [
        change(row, format=row.format + _LOGGED),
        change(row, key=_beside(step.key), result=md5, format="logged", size=len(data)),
    ]


def _beside(key: str) -> str:
    return digest([key, "logged"])
