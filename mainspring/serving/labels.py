"""Labels: the truth about predictions, acknowledged only when it is durable."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from mainspring.base.clock import now
from mainspring.base.errors import InvalidData, MainspringError
from mainspring.base.files import disk_error
from mainspring.serving import segments
from mainspring.serving.payload import decode, event_times
from mainspring.serving.problem import Problem

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.signature import Signature

_ID = re.compile(r"[0-9a-f]{32}")
SCHEMA: dict[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "at": pl.Int64(),
    "truth": pl.Float64(),
    "received_at": pl.Int64(),
}


class Label(msgspec.Struct, frozen=True):
    """What turned out to be true of a prediction; ``at`` is when it became known."""

    prediction_id: str
    label: Any
    at: int | str | None = None


class LabelRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /labels``."""

    labels: list[Label]
    endpoint: str | None = None


class Truth(NamedTuple):
    """A label, checked and encoded as the signature says."""

    prediction_id: str
    at: int
    truth: float
    received_at: int


def parse(body: bytes) -> LabelRequest:
    """Return the labels of a request, not yet checked against a signature.

    Raises:
        Problem: 400, it has another structure.
    """
    request: LabelRequest = decode(body, LabelRequest)
    if not request.labels:
        raise Problem(400, "there are no labels", hint='send {"labels": [{"prediction_id": "…", "label": …}]}')
    return request


def check(labels: list[Label], signature: Signature) -> list[Truth]:
    """Return labels encoded as ``Signature.encode`` does.

    Raises:
        Problem: 400, naming the first label that is wrong and what was expected.
    """
    received = now()
    truths = []
    for index, label in enumerate(labels):
        if not _ID.fullmatch(label.prediction_id):
            raise Problem(400, f"label {index} has no prediction's id: '{label.prediction_id[:40]}'", row=index)
        at = received if label.at is None else event_times([label.at], "at")[0]
        truths.append(Truth(label.prediction_id, at, _encode(label.label, index, signature), received))
    return truths


def _encode(value: Any, index: int, signature: Signature) -> float:
    if signature.target.classes is None:
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308:
            return float(value)
    elif isinstance(value, str | int | float | bool):
        try:
            return float(signature.encode([value])[0])
        except InvalidData:
            pass
    expected = signature.target.classes or "a number"
    raise Problem(
        400,
        f"label {index} is {msgspec.json.encode(value).decode()[:40]}, and '{signature.target.name}' is "
        f"{'a number' if signature.target.classes is None else 'one of ' + msgspec.json.encode(expected).decode()[:200]}",
        row=index,
        column=signature.target.name,
        expected=expected,
    )


class LabelWriter:
    """Writes labels durably; posts that arrive together share one segment and one disk barrier."""

    def __init__(self, workspace: Workspace, writer: str) -> None:
        self._workspace = workspace
        self._writer = writer
        self._waiting: list[tuple[str, list[Truth], asyncio.Future[None]]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="labels")
        self._task: asyncio.Task[None] | None = None

    async def write(self, endpoint: str, truths: list[Truth]) -> None:
        """Return when the labels are on the disk.

        Raises:
            StorageError: they are not.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((endpoint, truths, done))
        if self._task is None:
            self._task = loop.create_task(self._run())
        await done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                outcomes = await loop.run_in_executor(self._thread, self._commit, taken)
                for endpoint, _, done in taken:
                    error = outcomes.get(endpoint)
                    if done.cancelled():
                        continue
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(error)
        finally:
            self._task = None

    def _commit(self, taken: list[tuple[str, list[Truth], asyncio.Future[None]]]) -> dict[str, Exception]:
        together: dict[str, list[Truth]] = {}
        for endpoint, truths, _ in taken:
            together.setdefault(endpoint, []).extend(truths)
        failed: dict[str, Exception] = {}
        for endpoint, truths in together.items():
            root = segments.folder(self._workspace, segments.LABELS, endpoint)
            try:
                frame = pl.DataFrame(truths, schema=SCHEMA, orient="row")
                segments.write(root, frame, at=now(), writer=self._writer)
            except OSError as error:
                failed[endpoint] = disk_error(error, root)
            except (MainspringError, pl.exceptions.PolarsError) as error:
                failed[endpoint] = error
        return failed

    async def close(self) -> None:
        """Finish what was begun."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()
