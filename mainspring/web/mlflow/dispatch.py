"""From a path to a verb and back: the one way that every endpoint of the MLflow face goes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin
from urllib.parse import parse_qs, unquote

import msgspec

from mainspring.base.errors import NotFound, UsageError
from mainspring.web.mlflow.problem import NotImplementedHere, Problem, explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from litestar.types import Receive, Scope, Send

    from mainspring.store.workspace import Workspace

MOST = 20_000_000
"""Bytes that a request may have, where its endpoint names no other limit."""
_THREADS = 16
_MOST_FIELDS = 2000
_EMPTY = b"{}"
_encoder = msgspec.json.Encoder()


class Endpoint(NamedTuple):
    """An endpoint: ``handle`` is given the workspace and the decoded request, and returns what becomes the JSON answer.

    ``path`` is relative to the prefix of the face; parts in braces become fields of the request.
    """

    method: str
    path: str
    request: type[msgspec.Struct]
    handle: Callable[[Workspace, Any], Any]
    most: int = MOST


class Stream(NamedTuple):
    """An endpoint whose bodies are files: ``handle`` speaks ASGI itself and is given the rest of the path, undecoded."""

    method: str
    path: str
    handle: Callable[[Workspace, str, Scope, Receive, Send], Awaitable[None]]


class TooLarge(UsageError):
    """A request with more bytes than its endpoint takes."""

    code = "too_large"


class Face:
    """The ASGI application of a set of endpoints below a prefix. Handlers run in threads.

    ``missing`` holds, by the beginning of their paths, the families that MLflow has and this server does not.
    """

    def __init__(
        self,
        workspace: Workspace,
        endpoints: Sequence[Endpoint],
        streams: Sequence[Stream] = (),
        missing: Mapping[str, str] | None = None,
    ) -> None:
        self.workspace = workspace
        self.endpoints = list(endpoints)
        self._exact = {(item.method, item.path): _Reader(item) for item in endpoints if "{" not in item.path}
        self._patterns = [(item.path.split("/"), _Reader(item)) for item in endpoints if "{" in item.path]
        self._streams = list(streams)
        self._missing = dict(missing or {})
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mlflow")

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Answer a request for ``path``, which is relative to the prefix and undecoded."""
        method = scope["method"]  # type: ignore[typeddict-item]  # only HTTP comes here
        try:
            for stream in self._streams:
                if stream.method == method and path.startswith(stream.path):
                    await stream.handle(self.workspace, path[len(stream.path) :], scope, receive, send)
                    return
            reader, parts = self._find(method, path)
            body = await read_body(receive, reader.endpoint.most)  # of GET too: so MLflow's own examples ask
            query = scope["query_string"]
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, reader.answer, self.workspace, body, query, parts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer in MLflow's shape
            problem = explain(error)
            await respond(send, problem.status, problem.body())
            return
        await respond(send, 200, answer)

    def close(self) -> None:
        """Let the requests in flight end."""
        self._threads.shutdown()

    def _find(self, method: str, path: str) -> tuple[_Reader, dict[str, str]]:
        if (found := self._exact.get((method, path))) is not None:
            return found, {}
        given = path.split("/")
        for pattern, reader in self._patterns:
            if reader.endpoint.method == method and len(pattern) == len(given):
                parts = dict(zip(pattern, given, strict=True))
                if all(name[:1] == "{" or name == part for name, part in parts.items()):
                    return reader, {name[1:-1]: unquote(part) for name, part in parts.items() if name[:1] == "{"}
        for beginning, what in self._missing.items():
            if path == beginning or path.startswith(f"{beginning}/"):
                raise NotImplementedHere(f"this server does not have {what}", hint="tracking and registry are here")
        raise _NoEndpoint(f"there is no endpoint {method} {path[:200]}")


class _NoEndpoint(NotFound):
    code = "endpoint_not_found"


class _Reader:
    """Decodes the requests of an endpoint, calls it, and encodes its answers."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.decoder = msgspec.json.Decoder(endpoint.request, strict=False)
        fields = msgspec.structs.fields(endpoint.request)
        self.lists = {field.encode_name for field in fields if _is_list(field.type)}

    def answer(self, workspace: Workspace, body: bytes, query: bytes, parts: dict[str, str]) -> bytes:
        """Return the JSON of the answer."""
        made = self.endpoint.handle(workspace, self._request(body, query, parts))
        return _EMPTY if made is None else _encoder.encode(made)

    def _request(self, body: bytes, query: bytes, parts: dict[str, str]) -> Any:
        if not body:
            return msgspec.convert(_asked(query, self.lists) | parts, self.endpoint.request, strict=False)
        try:
            if not parts:
                return self.decoder.decode(body)
            return msgspec.convert(_tree(body) | parts, self.endpoint.request, strict=False)
        except msgspec.ValidationError:
            if b"null" not in body:
                raise
        return msgspec.convert(_without_nulls(_tree(body)) | parts, self.endpoint.request, strict=False)


async def read_body(receive: Receive, most: int) -> bytes:
    """Return the whole body of a request.

    Raises:
        TooLarge: it has more than ``most`` bytes.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise UsageError("the client went away")
        piece = message["body"]
        size += len(piece)
        if size > most:
            raise TooLarge(f"the request has more than {most} bytes", hint="send it in several requests")
        pieces.append(piece)
        if not message["more_body"]:
            return b"".join(pieces)


async def respond(send: Send, status: int, body: bytes) -> None:
    """Send a JSON answer."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _asked(query: bytes, lists: set[str]) -> dict[str, Any]:
    """Return what the query of an address says; only the fields named ``lists`` may come several times."""
    try:
        fields = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise UsageError(f"the query of the address cannot be read: {error}") from None
    return {name: values if name in lists else values[-1] for name, values in fields.items()}


def _tree(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])


def _without_nulls(tree: Any) -> Any:
    """Return JSON without the members that are null, which in the protocol is as if they were not there."""
    if isinstance(tree, dict):
        return {name: _without_nulls(value) for name, value in tree.items() if value is not None}
    return [_without_nulls(item) for item in tree] if isinstance(tree, list) else tree


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list or any(get_origin(part) is list for part in get_args(kind))


__all__ = ["Endpoint", "Face", "Problem", "Stream", "TooLarge", "read_body", "respond"]
