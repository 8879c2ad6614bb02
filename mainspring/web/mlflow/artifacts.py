"""Endpoints of artifacts: listings, and the proxy through which clients send and fetch files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import msgspec

from mainspring.base.errors import InvalidData, NotFound, Refused, UsageError
from mainspring.store.sinks import Sink
from mainspring.tracking import artifacts, logged_models, runs
from mainspring.tracking.limits import artifact_path
from mainspring.versioning import catalogue, trees
from mainspring.web.mlflow import uploads
from mainspring.web.mlflow.dispatch import MOST, Endpoint, Stream, read_body, respond
from mainspring.web.mlflow.runs import ById, wire_info
from mainspring.web.mlflow.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from litestar.types import Receive, Scope, Send

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.artifacts import ArtifactInfo
    from mainspring.versioning.registry import ModelVersion
    from mainspring.versioning.trees import VersionFile

_PIECE = 1 << 20
_VERSIONS = "models/"
_ATTACHED = [
    (b"content-type", b"application/octet-stream"),
    (b"content-disposition", b"attachment"),
    (b"x-content-type-options", b"nosniff"),
]


class Place(NamedTuple):
    """Where a proxied path leads: a run or a logged model, and a path inside it (empty: all of it)."""

    owner_id: str
    path: str


class ListOfRun(ById):
    """A folder of a run."""

    path: str = ""
    page_token: str = ""


class ListOfModel(msgspec.Struct):
    """A folder of a logged model."""

    model_id: str
    artifact_directory_path: str = ""


class ListProxied(msgspec.Struct):
    """A folder of whatever a proxied path leads to."""

    path: str = ""


class Part(msgspec.Struct):
    """A part that was sent."""

    part_number: int
    etag: str = ""


class Multipart(msgspec.Struct):
    """A file that comes in parts; ``path`` is the name it has at the client."""

    path: str
    num_parts: int = 1
    upload_id: str = ""
    parts: list[Part] = []


def place(text: str) -> Place:
    """Return where a proxied path leads: ``EXPERIMENT/RUN/artifacts/…``, ``EXPERIMENT/models/MODEL/artifacts/…``, or
    ``models/NAME/NUMBER/…``, the files of a registered version, which are read-only.

    >>> place("7/0f3a/artifacts/plots/roc.png")
    Place(owner_id='0f3a', path='plots/roc.png')

    Raises:
        InvalidData: it is no path, or leads elsewhere.
    """
    parts = artifact_path(text.strip("/")).split("/")
    if len(parts) >= 3 and parts[0] == "models" and parts[2].isdigit():
        return Place("/".join(parts[:3]), "/".join(parts[3:]))
    if len(parts) >= 4 and parts[1] == "models" and parts[3] == "artifacts":
        return Place(parts[2], "/".join(parts[4:]))
    if len(parts) >= 3 and parts[2] == "artifacts":
        return Place(parts[1], "/".join(parts[3:]))
    raise InvalidData(
        f"'{text[:200]}' leads to no artifact",
        hint="artifacts are at EXPERIMENT/RUN/artifacts/… and EXPERIMENT/models/MODEL/artifacts/…",
    )


def of_run(workspace: Workspace, request: ListOfRun) -> dict[str, Any]:
    """List a folder of a run."""
    run = runs.get_run(workspace, request.id)
    return {
        "root_uri": wire_info(run)["artifact_uri"],
        "files": entries(workspace, Place(run.id, _inside(request.path)), whole=True),
    }


def of_model(workspace: Workspace, request: ListOfModel) -> dict[str, Any]:
    """List a folder of a logged model."""
    model = logged_models.get_logged_model(workspace, request.model_id)
    here = Place(model.id, _inside(request.artifact_directory_path))
    root = f"mlflow-artifacts:/{model.experiment_id}/models/{model.id}/artifacts"
    return {"root_uri": root, "files": entries(workspace, here, whole=True)}


def proxied(workspace: Workspace, request: ListProxied) -> dict[str, Any]:
    """List a folder by its proxied path; names are relative to it."""
    return {"files": entries(workspace, place(request.path), whole=False)}


def entries(workspace: Workspace, here: Place, *, whole: bool) -> list[dict[str, Any]]:
    """Return the files and folders in a folder; in a file there is nothing, by which clients know that it is one."""
    prefix = f"{here.path}/" if here.path else ""
    found: dict[str, dict[str, Any]] = {}
    for info in _files(workspace, here.owner_id):
        if info.path == here.path:
            return []
        if info.path.startswith(prefix):
            name, nested, _ = info.path.removeprefix(prefix).partition("/")
            shown = prefix + name if whole else name
            found[name] = {"path": shown, "is_dir": True} if nested else _file(shown, info.size)
    return [found[name] for name in sorted(found)]


async def begin(workspace: Workspace, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Prepare an upload in parts, and tell the client where each part goes."""
    request, target = await _multipart(rest, receive)
    upload = Upload(target.owner_id, target.path, request.num_parts)
    upload_id = await asyncio.to_thread(uploads.begin, workspace, upload)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    shown = {"Authorization": headers["authorization"]} if "authorization" in headers else {}
    base = f"{scope['scheme']}://{headers.get('host', '')}/api/2.0/mlflow-artifacts/mpu/parts/{upload_id}"
    parts = [
        {"url": f"{base}/{number}", "part_number": number, "headers": shown}
        for number in range(1, request.num_parts + 1)
    ]
    await respond(send, 200, msgspec.json.encode({"upload_id": upload_id, "credentials": parts}))


async def complete(workspace: Workspace, rest: str, _scope: Scope, receive: Receive, send: Send) -> None:
    """Store a file whose parts are there."""
    request, target = await _multipart(rest, receive)
    etags = {item.part_number: item.etag for item in request.parts if item.etag}
    stored = await asyncio.to_thread(uploads.complete, workspace, request.upload_id, *target, etags)
    await asyncio.to_thread(artifacts.store_stored, workspace, *target, stored)
    await asyncio.to_thread(uploads.give_up, workspace, request.upload_id)
    await respond(send, 200, b"{}")


async def abort(workspace: Workspace, rest: str, _scope: Scope, receive: Receive, send: Send) -> None:
    """Forget the parts of a file."""
    request, _ = await _multipart(rest, receive)
    await asyncio.to_thread(uploads.give_up, workspace, request.upload_id)
    await respond(send, 200, b"{}")


async def upload(workspace: Workspace, rest: str, _scope: Scope, receive: Receive, send: Send) -> None:
    """Store the body of a request as a file."""
    target = _changeable(place(unquote(rest, errors="strict")))
    if not target.path:
        raise InvalidData("the path names no file")
    stored = await _received(workspace, receive)
    await asyncio.to_thread(artifacts.store_stored, workspace, target.owner_id, target.path, stored)
    await respond(send, 200, b"{}")


async def part(workspace: Workspace, rest: str, _scope: Scope, receive: Receive, send: Send) -> None:
    """Keep a part of an upload."""
    upload_id, _, number = rest.partition("/")
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise NotFound("there is no such part")
    with uploads.receiving(workspace, upload_id, int(number)) as taken:
        async for piece in _pieces(receive):
            await asyncio.to_thread(taken.write, piece)
    etag = taken.etag
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"etag", etag.encode()), (b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def download(workspace: Workspace, rest: str, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Send a file, checked before its first byte leaves."""
    target = place(unquote(rest, errors="strict"))
    info = await asyncio.to_thread(_one_file, workspace, target)
    await asyncio.to_thread(workspace.objects.check, info.md5)
    headers = [*_ATTACHED, (b"content-length", str(info.size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with workspace.objects.path(info.md5).open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def remove(workspace: Workspace, rest: str, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Remove a file, or the files below a folder."""
    target = _changeable(place(unquote(rest, errors="strict")))
    await asyncio.to_thread(artifacts.delete_artifacts, workspace, target.owner_id, target.path)
    await respond(send, 200, b"{}")


async def _received(workspace: Workspace, receive: Receive) -> Stored:
    """Store the body of a request; nothing of it is left if the client goes away."""
    with Sink(workspace.objects) as sink:
        async for piece in _pieces(receive):
            await asyncio.to_thread(sink.write, piece)
        return await asyncio.to_thread(sink.keep)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    """Give the body of a request in pieces of a megabyte."""
    waiting: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise UsageError("the client went away in the middle of its file")
        waiting.append(message["body"])
        size += len(message["body"])
        if size >= _PIECE or not message["more_body"]:
            yield b"".join(waiting)
            waiting, size = [], 0
        if not message["more_body"]:
            return


def _files(workspace: Workspace, owner_id: str) -> Sequence[ArtifactInfo | VersionFile]:
    if not owner_id.startswith(_VERSIONS):
        return artifacts.list_artifacts(workspace, owner_id)
    return trees.list_files(workspace, _version(workspace, owner_id))


def _one_file(workspace: Workspace, target: Place) -> ArtifactInfo | VersionFile:
    if not target.owner_id.startswith(_VERSIONS):
        return artifacts.find_artifact(workspace, target.owner_id, target.path)
    return trees.find_file(workspace, _version(workspace, target.owner_id), target.path)


def _version(workspace: Workspace, owner_id: str) -> ModelVersion:
    _, name, number = owner_id.split("/")
    return catalogue.get_version(workspace, name, number).version


def _changeable(target: Place) -> Place:
    """Return a place where files may come and go.

    Raises:
        Refused: it is inside of a registered version.
    """
    if target.owner_id.startswith(_VERSIONS):
        raise Refused("the files of a registered version never change", hint="register another version")
    return target


def _inside(path: str) -> str:
    return artifact_path(path.strip("/")) if path.strip("/") else ""


def _file(path: str, size: int) -> dict[str, Any]:
    return {"path": path, "is_dir": False, "file_size": size}


async def _multipart(rest: str, receive: Receive) -> tuple[Multipart, Place]:
    """Return the request, and where it goes: into the folder of the address, under the name at the client."""
    request = msgspec.json.decode(await read_body(receive, MOST), type=Multipart, strict=False)
    folder = _changeable(place(unquote(rest, errors="strict")))
    name = request.path.replace("\\", "/").rpartition("/")[2]
    return request, Place(folder.owner_id, artifact_path(f"{folder.path}/{name}" if folder.path else name))


ENDPOINTS = [
    Endpoint("GET", "artifacts/list", ListOfRun, of_run),
    Endpoint("GET", "logged-models/{model_id}/artifacts/directories", ListOfModel, of_model),
]
PROXY = [Endpoint("GET", "artifacts", ListProxied, proxied)]
STREAMS = [
    Stream("PUT", "artifacts/", upload),
    Stream("GET", "artifacts/", download),
    Stream("DELETE", "artifacts/", remove),
    Stream("POST", "mpu/create/", begin),
    Stream("POST", "mpu/complete/", complete),
    Stream("POST", "mpu/abort/", abort),
    Stream("PUT", "mpu/parts/", part),
]
