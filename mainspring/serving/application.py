"""The server as an ASGI application: routes of HTTP, limits, and answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version as installed
from typing import Any, NamedTuple

import msgspec

from mainspring.base.errors import MainspringError, StorageError
from mainspring.base.ids import new_id
from mainspring.serving import invocations, metrics, protocol, tensors
from mainspring.serving import labels as truth
from mainspring.serving.admission import Admission
from mainspring.serving.endpoints import Endpoints, Live
from mainspring.serving.inference import Inference, Served
from mainspring.serving.labels import LabelWriter
from mainspring.serving.problem import CLOSE, Problem

log = logging.getLogger(__name__)
VERSION = installed("mainspring")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_SECONDS = 30.0
"""How long a client may take to send a body."""
_JSON = b"application/json"
_CSV = b"text/csv"
_BYTES = b"application/octet-stream"
_TEXT = b"text/plain; charset=utf-8"
_RETRY = ((b"retry-after", b"1"),)


class Response(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request(NamedTuple):
    """A request whose head was let in."""

    headers: dict[bytes, bytes]
    receive: Receive


class Routed(NamedTuple):
    """What answers on a path, by method."""

    get: Callable[..., Response] | None = None
    post: Callable[..., Awaitable[Response]] | None = None


class Application:
    """Answers HTTP requests out of what a worker holds in memory; no request touches the database."""

    def __init__(
        self,
        endpoints: Endpoints,
        inference: Inference,
        labels: LabelWriter,
        admission: Admission,
        *,
        max_body: int,
        max_rows: int,
    ) -> None:
        self._endpoints = endpoints
        self._inference = inference
        self._labels = labels
        self._admission = admission
        self._max_body = max_body
        self._max_rows = max_rows
        self.leaving = False
        """Set when the server is about to end: callers are told to come on another connection."""
        self._fixed = {
            "/v2": Routed(get=self._server),
            "/v2/health/live": Routed(get=self._alive),
            "/v2/health/ready": Routed(get=self._ready),
            "/ping": Routed(get=self._alive),
            "/health": Routed(get=self._alive),
            "/version": Routed(get=self._version),
            "/metrics": Routed(get=self._metrics),
            "/invocations": Routed(post=self._invocations),
            "/labels": Routed(post=self._post_labels),
        }
        self._of_model = {
            (): Routed(get=self._model),
            ("ready",): Routed(get=self._model_ready),
            ("infer",): Routed(post=self._infer),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, it gets an answer."""
        if scope["type"] != "http":
            return
        start = time.perf_counter()
        method, route = scope["method"], "unknown"
        try:
            headers = dict(scope["headers"])
            path = scope["path"]
            self._admission.check(path, headers)
            route, routed, arguments = self._find(path)
            if method in ("GET", "HEAD") and routed.get is not None:
                response = routed.get(*arguments)
            elif method == "POST" and routed.post is not None:
                response = await routed.post(Request(headers, receive), *arguments)
            else:
                raise _not_allowed(method, routed)
        except Problem as problem:
            response = _refusal(problem)
        except MainspringError as error:
            log.error("a request to %s failed: %s", route, error.message)
            response = _refusal(_server_problem(error))
        except Exception:  # the client gets an id to ask about, the log gets the traceback
            identity = new_id()
            log.exception("request %s to %s failed", identity, route)
            response = _refusal(
                Problem(500, "something broke inside the server", hint="its log tells why", id=identity)
            )
        if self.leaving:
            response = response._replace(headers=(*(pair for pair in response.headers if pair not in CLOSE), *CLOSE))
        await _send(send, response, head=method == "HEAD")
        shown = method if method in ("GET", "POST", "HEAD") else "_OTHER"
        metrics.request(shown, route, response.status, time.perf_counter() - start)

    def _find(self, path: str) -> tuple[str, Routed, tuple[str, ...]]:
        """Return the route's pattern, what answers there, and what the path names."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return path, fixed, ()
        parts = path.split("/")[1:]
        if parts[:2] == ["v2", "models"] and len(parts) >= 3:
            name, rest = parts[2], parts[3:]
            pattern = "/v2/models/{model}"
            arguments: tuple[str, ...] = (name,)
            if rest[:1] == ["versions"] and len(rest) >= 2:
                pattern, arguments, rest = pattern + "/versions/{version}", (name, rest[1]), rest[2:]
            routed = self._of_model.get(tuple(rest))
            if routed is not None:
                return "/".join([pattern, *rest]), routed, arguments
        raise Problem(404, "there is nothing here", hint="GET /v2 tells what this server is", headers=CLOSE)

    async def _body(self, request: Request, also: bytes = _JSON) -> bytes:
        """Return the body of a request.

        Raises:
            Problem: 413 it is too large; 415 it is not JSON, nor of the kind ``also``; 408 it takes too long; 400 the client
                went away.
        """
        kind = _kind(request)
        if kind not in (_JSON, also) and not kind.endswith(b"+json"):
            read = " and ".join(sorted({_JSON.decode(), also.decode()}))
            said = f"the content type is {kind.decode('latin-1')[:60]}, only {read} is read"
            raise Problem(415, said, headers=CLOSE)
        if request.headers.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
            raise Problem(415, "the body is compressed, and only plain ones are read", headers=CLOSE)
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:19]) > self._max_body:
            raise self._too_large()
        message = await request.receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            return self._limited(message.get("body", b""))
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._rest(request, message)
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {BODY_SECONDS:g} s", headers=CLOSE) from None

    async def _rest(self, request: Request, message: dict[str, Any]) -> bytes:
        body = bytearray()
        while message["type"] == "http.request":
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise self._too_large()
            if not message.get("more_body"):
                return bytes(body)
            message = await request.receive()
        raise Problem(400, "the client went away before the body was complete", headers=CLOSE)

    def _limited(self, body: bytes) -> bytes:
        if len(body) > self._max_body:
            raise self._too_large()
        return body

    def _too_large(self) -> Problem:
        limit = self._max_body
        return Problem(413, f"the body is larger than {limit} bytes", limit=limit, headers=CLOSE)

    def _live(self, name: str) -> Live:
        live = self._endpoints.live.get(name)
        if live is not None:
            return live
        if name in self._endpoints.problems:
            raise Problem(503, f"the routes of '{name}' cannot be used yet", headers=_RETRY)
        models = sorted(self._endpoints.live)
        if name in self._endpoints.generations:
            hint = "deploy a version of it again: `mainspring deploy NAME@VERSION`"
            raise Problem(404, f"'{name}' was undeployed: nothing answers for it", hint=hint, models=models)
        raise Problem(404, f"there is no model '{name[:100]}' here", models=models)

    def _endpoint(self, request: Request, named: str | None = None) -> Live:
        name = named or request.headers.get(b"x-mainspring-endpoint", b"").decode("latin-1")
        if name:
            return self._live(name)
        live = self._endpoints.live
        if len(live) == 1:
            return next(iter(live.values()))
        if not live:
            raise Problem(503, "no model is served", hint="release one with `mainspring deploy`", headers=_RETRY)
        hint = "name one in the header X-Mainspring-Endpoint"
        raise Problem(400, "several models are served here", hint=hint, models=sorted(live))

    def _server(self) -> Response:
        return _json(
            {
                "name": "mainspring",
                "version": VERSION,
                "extensions": ["binary_tensor_data"],
                "models": sorted(self._endpoints.live),
            }
        )

    def _alive(self) -> Response:
        return Response(200, b'{"live":true}')

    def _ready(self) -> Response:
        broken = sorted(self._endpoints.problems.keys() - self._endpoints.live.keys())
        return _json({"ready": not broken, "broken": broken}, status=503 if broken else 200)

    def _version(self) -> Response:
        return Response(200, VERSION.encode(), _TEXT)

    def _metrics(self) -> Response:
        return Response(200, metrics.exposition(), metrics.CONTENT_TYPE)

    def _model(self, name: str, version: str | None = None) -> Response:
        live = self._live(name)
        predictor = live.predictors["champion"] if version is None else live.by_version(version)
        if predictor is None:
            raise Problem(404, f"'{name}' has no version {version} in its routes")
        versions = [route.version for route in live.table.routes]
        described = protocol.describe(name, versions, predictor.signature)
        routes = [{"version": route.version, "role": route.role, "weight": route.weight} for route in live.table.routes]
        return _json(described | {"parameters": {"generation": live.table.generation, "routes": routes}})

    def _model_ready(self, name: str, version: str | None = None) -> Response:
        live = self._live(name)
        if version is not None and live.by_version(version) is None:
            raise Problem(404, f"'{name}' has no version {version} in its routes")
        return _json({"name": name, "ready": True})

    async def _infer(self, request: Request, name: str, version: str | None = None) -> Response:
        live = self._live(name)
        said = request.headers.get(tensors.HEADER)
        payload, asked = protocol.parse(await self._body(request, _JSON if said is None else _BYTES), said)
        protocol.check_outputs(asked.outputs)
        served = await self._inference.answer(live, payload, key=_key(request), version=version)
        classes = live.predictors["champion"].classes
        answer = {
            "model_name": name,
            "model_version": served.version,
            "id": asked.id or served.ids[0],
            "parameters": {"prediction_ids": served.ids},
            "outputs": protocol.outputs(
                served.labels,
                served.scores,
                protocol.label_datatype(classes),
                asked.outputs,
            ),
        }
        if binary := protocol.binary_outputs(asked):
            body, length = tensors.pack(answer, binary)
            return Response(200, body, _BYTES, ((tensors.HEADER, str(length).encode()), *_who(served)))
        return _json(answer, headers=_who(served))

    async def _invocations(self, request: Request) -> Response:
        live = self._endpoint(request)
        body = await self._body(request, _CSV)
        if _kind(request) == _CSV:
            payload = invocations.parse_csv(body, live.predictors["champion"].reader.kinds)
        else:
            payload = invocations.parse(body)
        served = await self._inference.answer(live, payload, key=_key(request))
        answer = {
            "predictions": served.labels,
            "prediction_ids": served.ids,
            "scores": served.scores,
        }
        return _json(answer, headers=_who(served))

    async def _post_labels(self, request: Request) -> Response:
        posted = truth.parse(await self._body(request))
        live = self._endpoint(request, posted.endpoint)
        if len(posted.labels) > self._max_rows:
            raise Problem(413, f"there are {len(posted.labels)} labels, at most {self._max_rows} are taken at once")
        truths = truth.check(posted.labels, live.predictors["champion"].signature)
        await self._labels.write(live.table.endpoint, truths)
        metrics.labels(live.table.endpoint, len(truths))
        return _json({"accepted": len(truths)})


def _not_allowed(method: str, routed: Routed) -> Problem:
    allowed = b"GET, HEAD" if routed.get is not None else b"POST"
    said = f"{method[:20]} is not allowed here, {allowed.decode()} is"
    return Problem(405, said, headers=((b"allow", allowed), *CLOSE))


def _kind(request: Request) -> bytes:
    return request.headers.get(b"content-type", _JSON).partition(b";")[0].strip().lower()


def _key(request: Request) -> str | None:
    given = request.headers.get(b"x-mainspring-key")
    return given.decode("latin-1") if given else None


def _who(served: Served) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-mainspring-version", served.version.encode()),
        (b"x-mainspring-role", served.role.encode()),
    )


def _json(value: Any, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return Response(status, msgspec.json.encode(value), _JSON, headers)


def _refusal(problem: Problem) -> Response:
    return Response(problem.status, problem.body(), b"application/problem+json", problem.headers)


def _server_problem(error: MainspringError) -> Problem:
    if isinstance(error, StorageError):
        return Problem(503, error.message, hint=error.hint, headers=_RETRY)
    return Problem(500, error.message, hint=error.hint, id=new_id())


async def _send(send: Send, response: Response, *, head: bool) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})
