"""From rows to an answer: route, check, predict, record, copy to the shadow."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mainspring.base.clock import milliseconds, now
from mainspring.base.ids import new_id
from mainspring.serving import metrics
from mainspring.serving.answered import Record
from mainspring.serving.calls import Calls, Hung
from mainspring.serving.payload import event_times
from mainspring.serving.problem import Problem
from mainspring.serving.routing import choose, shadowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.base.settings.schema import ServingSettings
    from mainspring.serving.answered import Status
    from mainspring.serving.endpoints import Live
    from mainspring.serving.payload import Columns, Payload
    from mainspring.serving.predictor import Answer, Predictor
    from mainspring.serving.recorder import Recorder

log = logging.getLogger(__name__)

INLINE_SECONDS = 0.002
"""A call expected to take longer leaves the event loop."""
SHADOW_QUEUE = 256
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The answers to a request's rows, and who gave them.

    Attributes:
        labels: a value of the target for each row.
        scores: one for each row, or in multiclass one a class.
        version: who answered; of rows that went to several, each once, separated by ", ". ``role`` likewise.
    """

    labels: list[Any]
    scores: list[Any]
    version: str
    role: str
    ids: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is known of a request before anyone answers it."""

    endpoint: str
    ids: list[str]
    at: int
    event_times: list[int] | None
    key: str
    start: float
    keys: list[str] | None = None
    """Of a request with rows of several callers, the key of each row."""


class Inference:
    """Answers the rows of requests; ``hung`` is called whenever a model did not come back in time."""

    def __init__(
        self, settings: ServingSettings, recorder: Recorder, *, hung: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        seconds = milliseconds(settings.timeout) / 1000
        self._slow = Calls("model", seconds, hung)
        self._beside = Calls("shadow", seconds, hung)
        self._shadow: asyncio.Queue[tuple[_Request, Predictor, Columns]] = asyncio.Queue(SHADOW_QUEUE)
        self._shadow_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer for shadows."""
        self._shadow_task = asyncio.get_running_loop().create_task(self._run_shadow())

    async def close(self) -> None:
        """Finish what waits for the shadow, and stop."""
        if self._shadow_task is not None:
            await self._shadow.join()
            self._shadow_task.cancel()
            await asyncio.gather(self._shadow_task, return_exceptions=True)
        self._beside.close()
        self._slow.close()

    @property
    def stuck(self) -> bool:
        """Whether a call that was given up may still keep its thread."""
        return bool(self._slow.hung or self._beside.hung)

    async def answer(self, live: Live, payload: Payload, *, key: str | None, version: str | None = None) -> Served:
        """Answer the rows of a request and record it; where a canary cannot, the champion does, in the role ``fallback``.

        With ``serving.routing_key`` each row goes where its own caller goes, unless the request as a whole has a key.

        Raises:
            Problem: 400 the rows are not what the model takes; 404 there is no such version; 413 too many rows;
                500 the model raised; 503 too many wait for it; 504 it did not answer in time.
        """
        if payload.rows > self._settings.max_rows:
            limit = self._settings.max_rows
            raise Problem(413, f"the request has {payload.rows} rows, at most {limit} are taken", limit=limit)
        columns = payload.named(live.predictors["champion"].reader.names)
        ids = _ids(payload.rows)
        request = _Request(
            endpoint=live.table.endpoint,
            ids=ids,
            at=now(),
            event_times=self._event_times(columns, payload),
            key=key or self._key(columns) or payload.request_id or ids[0],
            start=time.perf_counter(),
        )
        callers = (
            columns.get(self._settings.routing_key or "", ()) if key is None and len(live.table.routes) > 1 else ()
        )
        if version is None and len(callers) == len(ids) > 1:
            return await self._answer_each(live, request, columns, callers)
        return await self._answer(live, request, columns, version)

    async def _answer_each(self, live: Live, request: _Request, columns: Columns, callers: Sequence[Any]) -> Served:
        """Answer rows that belong to different callers, those of one caller together, in the order they came."""
        places: dict[str, list[int]] = {}
        for place, caller in enumerate(callers):
            role = choose(live.table, request.key if caller is None else str(caller))
            places.setdefault(role, []).append(place)
        parts = []
        for chosen in places.values():
            keys = [str(callers[place]) if callers[place] is not None else request.key for place in chosen]
            part = replace(
                request,
                ids=[request.ids[place] for place in chosen],
                event_times=None if request.event_times is None else [request.event_times[place] for place in chosen],
                key=keys[0],
                keys=keys,
                start=time.perf_counter(),
            )
            rows = {name: [values[place] for place in chosen] for name, values in columns.items()}
            parts.append(await self._answer(live, part, rows, None))
        return _merged(request.ids, list(places.values()), parts)

    async def _answer(self, live: Live, request: _Request, columns: Columns, version: str | None) -> Served:
        role, predictor = self._route(live, request, version)
        try:
            values = self._read(request, predictor, role, columns)
            answer = await self._call(request, predictor, role, values)
        except Problem:
            if role != "canary":
                raise
            role, predictor = "fallback", live.predictors["champion"]
            values = self._read(request, predictor, role, columns)
            answer = await self._call(request, predictor, role, values)
        if role != "pinned" and "shadow" in live.predictors and shadowed(live.table, request.key):
            self._copy(request, live.predictors["shadow"], columns)
        return Served(
            labels=predictor.decode(answer.label),
            scores=answer.score.tolist(),
            version=predictor.version,
            role=role,
            ids=request.ids,
        )

    def _route(self, live: Live, request: _Request, version: str | None) -> tuple[str, Predictor]:
        if version is None:
            role = choose(live.table, request.key)
            return role, live.predictors[role]
        predictor = live.by_version(version)
        if predictor is None:
            raise Problem(404, f"'{request.endpoint}' has no version {version} in its routes")
        return "pinned", predictor

    def _event_times(self, columns: Columns, payload: Payload) -> list[int] | None:
        name = self._settings.event_time
        if payload.event_time is not None:
            return event_times([payload.event_time], "event_time") * payload.rows
        if name is None or name not in columns:
            return None
        return event_times(columns[name], name)

    def _key(self, columns: Columns) -> str | None:
        values = columns.get(self._settings.routing_key or "")
        return None if not values or values[0] is None else str(values[0])

    def _read(self, request: _Request, predictor: Predictor, role: str, columns: Columns) -> Columns:
        for name in (self._settings.event_time, self._settings.routing_key):
            if name in columns and name not in predictor.reader.schema:
                columns = {other: values for other, values in columns.items() if other != name}
        try:
            return predictor.reader.read(columns)
        except Problem as problem:
            self._record(request, predictor, role, "invalid", error=problem.message)
            raise

    async def _call(self, request: _Request, predictor: Predictor, role: str, values: Columns) -> Answer:
        try:
            if predictor.seconds * len(request.ids) ** 0.5 < INLINE_SECONDS:
                answer = predictor.predict(values)
            else:
                answer = await self._slow.call(predictor, values)
        except Hung as hung:
            self._record(request, predictor, role, "error", values=values, error=hung.message)
            hung.details |= {"id": request.ids[0], "version": predictor.version}
            raise
        except Problem:
            raise
        except (Exception, SystemExit) as error:
            log.exception("%s %s failed on request %s", request.endpoint, predictor.version, request.ids[0])
            said = f"{type(error).__name__}: {error}"[:500]
            self._record(request, predictor, role, "error", values=values, error=said)
            raise Problem(
                500,
                f"version {predictor.version} of '{request.endpoint}' failed on this request",
                hint="the server's log tells why, under this id",
                id=request.ids[0],
                version=predictor.version,
            ) from error
        self._record(request, predictor, role, "ok", values=values, answer=answer)
        return answer

    def _record(
        self,
        request: _Request,
        predictor: Predictor,
        role: str,
        status: Status,
        *,
        values: Columns | None = None,
        answer: Answer | None = None,
        error: str | None = None,
        start: float | None = None,
    ) -> None:
        taken = time.perf_counter() - (request.start if start is None else start)
        rows = 1 if status == "invalid" else len(request.ids)
        metrics.prediction(request.endpoint, predictor.version, role, status, rows, taken)
        keep = self._settings.record_inputs and values is not None
        self._recorder.add(
            Record(
                endpoint=request.endpoint,
                version=predictor.version,
                role=role,
                status=status,
                ids=request.ids[:rows],
                at=request.at,
                event_times=request.event_times[:rows] if request.event_times else None,
                key=request.keys[:rows] if request.keys else request.key,
                latency_ms=taken * 1000,
                answer=answer,
                reader=predictor.reader if keep else None,
                columns=values if keep else None,
                error=error,
            )
        )

    def _copy(self, request: _Request, predictor: Predictor, columns: Columns) -> None:
        try:
            self._shadow.put_nowait((request, predictor, columns))
        except asyncio.QueueFull:
            metrics.shadow_dropped(request.endpoint)

    async def _run_shadow(self) -> None:
        while True:
            request, predictor, columns = await self._shadow.get()
            start = time.perf_counter()
            values: Columns | None = None
            try:
                values = self._shadow_values(predictor, columns)
                answer = await self._beside.call(predictor, values)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a shadow may fail in any way; it is counted
                said = f"{type(error).__name__}: {error}"[:500]
                self._record(request, predictor, "shadow", "error", values=values, error=said, start=start)
            else:
                self._record(request, predictor, "shadow", "ok", values=values, answer=answer, start=start)
            finally:
                self._shadow.task_done()

    def _shadow_values(self, predictor: Predictor, columns: Columns) -> Columns:
        extra = {self._settings.event_time, self._settings.routing_key} - predictor.reader.schema.keys()
        return predictor.reader.read({name: values for name, values in columns.items() if name not in extra})


def _ids(rows: int) -> list[str]:
    if rows == 1:
        return [new_id()]
    first = int(new_id(), 16) // _BLOCK * _BLOCK
    return [f"{first + index:032x}" for index in range(rows)]


def _merged(ids: list[str], places: list[list[int]], parts: list[Served]) -> Served:
    labels: list[Any] = [None] * len(ids)
    scores: list[Any] = [None] * len(ids)
    for chosen, part in zip(places, parts, strict=True):
        for place, label, score in zip(chosen, part.labels, part.scores, strict=True):
            labels[place], scores[place] = label, score
    version = ", ".join(dict.fromkeys(part.version for part in parts))
    return Served(
        labels=labels,
        scores=scores,
        version=version,
        role=", ".join(dict.fromkeys(part.role for part in parts)),
        ids=ids,
    )
