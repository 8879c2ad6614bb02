"""Files of runs and of logged models: bytes go into the object store first, their rows into the records after.

A logged model is told from a run by its id, which begins with ``m-``.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base import clock
from mainspring.base.errors import Conflict, InvalidData, NotFound, did_you_mean
from mainspring.store.objects import Stored, walk
from mainspring.tracking.limits import artifact_path
from mainspring.tracking.records import files as file_rows
from mainspring.tracking.records import logged_models as model_rows
from mainspring.tracking.records import runs as run_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace


class ArtifactInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run: its path there, its content's md5, its size in bytes."""

    path: str
    md5: str
    size: int
    created_at: int
    about: dict[str, Any] | None = None


def store_path(workspace: Workspace, owner_id: str, source: str | Path, name: str | None = None) -> list[ArtifactInfo]:
    """Store a file under ``name``, or all files of a folder below it; by default under the source's own name.

    On failure no row is written. What was stored under the same paths is replaced.

    Raises:
        NotFound: there is no such file or folder, or no such run.
        InvalidData: a path cannot be an artifact's, or the folder holds no file. Nothing is stored.
        Conflict: one path would be both a file and a folder.
    """
    source = Path(source)
    name = artifact_path(source.resolve().name if name is None else name)
    if source.is_dir():
        files = {artifact_path(f"{name}/{relative}"): file for relative, file in walk(source).items()}
    elif source.is_file():
        files = {name: source}
    else:
        raise NotFound(f"there is no file or folder {source}", hint="artifacts are stored after they were written")
    if not files:
        raise InvalidData(f"the folder {source} holds no file", path=str(source))
    stored = workspace.objects.put_files(files.values())
    return _record(workspace, owner_id, dict(zip(files, stored, strict=True)))


def store_bytes(
    workspace: Workspace, owner_id: str, name: str, data: bytes, *, about: dict[str, Any] | None = None
) -> ArtifactInfo:
    """Store bytes under ``name``, with a JSON-able description if there is one.

    Raises:
        InvalidData, NotFound, Conflict: as ``store_path``.
    """
    name = artifact_path(name)
    stored = Stored(md5=workspace.objects.put_bytes(data), size=len(data), files=1)
    [info] = _record(workspace, owner_id, {name: stored}, about=about)
    return info


def list_artifacts(workspace: Workspace, owner_id: str, *, under: str | None = None) -> list[ArtifactInfo]:
    """Return the files of a run by path, all of them or those below a folder."""
    with workspace.database.read() as connection:
        rows = file_rows.of(connection, owner_id)
    return [_info(row) for row in rows if under is None or row.path.startswith(f"{under}/")]


def read_artifact(workspace: Workspace, owner_id: str, path: str) -> bytes:
    """Return a file's bytes, checked against their md5.

    Raises:
        NotFound: the run has no such file.
        Corrupted: its bytes are damaged.
    """
    return workspace.objects.read_bytes(find_artifact(workspace, owner_id, path).md5)


def fetch_artifact(workspace: Workspace, owner_id: str, path: str, target: Path) -> int:
    """Put a file of a run at ``target``, or a folder's files below it; return how many files that were.

    Raises:
        NotFound: the run has neither.
        Corrupted: bytes are damaged; they are not written.
    """
    held = {info.path: info for info in list_artifacts(workspace, owner_id)}
    if path in held:
        place = target / Path(path).name if target.is_dir() else target
        workspace.objects.restore(held[path].md5, place)
        return 1
    below = {name.removeprefix(f"{path}/"): info for name, info in held.items() if name.startswith(f"{path}/")}
    if not below:
        raise _missing(owner_id, path, list(held))
    for relative, info in below.items():
        workspace.objects.restore(info.md5, target / artifact_path(relative))
    return len(below)


def media_type(path: str) -> str:
    """Return the media type that a path's ending stands for.

    >>> media_type("plots/roc.png")
    'image/png'
    """
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def store_stored(workspace: Workspace, owner_id: str, name: str, stored: Stored) -> ArtifactInfo:
    """Record an object that is in the store already under ``name``.

    Raises:
        InvalidData, NotFound, Conflict: as ``store_path``.
    """
    [info] = _record(workspace, owner_id, {artifact_path(name): stored})
    return info


def find_artifact(workspace: Workspace, owner_id: str, path: str) -> ArtifactInfo:
    """Return what is known of a file.

    Raises:
        NotFound: there is no such file.
    """
    with workspace.database.read() as connection:
        row = file_rows.one(connection, owner_id, path)
        if row is None:
            raise _missing(owner_id, path, [found.path for found in file_rows.of(connection, owner_id)])
    return _info(row)


def delete_artifacts(workspace: Workspace, owner_id: str, path: str = "") -> int:
    """Remove a file, the files below a folder, or all files; return how many. Their bytes stay until ``gc``.

    Raises:
        NotFound: there is no such owner, or nothing under this path.
    """
    with workspace.database.write() as connection:
        _check_owner(connection, owner_id)
        held = [row.path for row in file_rows.of(connection, owner_id)]
        chosen = [name for name in held if not path or name == path or name.startswith(f"{path}/")]
        if path and not chosen:
            raise _missing(owner_id, path, held)
        file_rows.drop(connection, owner_id, chosen)
    return len(chosen)


def _record(
    workspace: Workspace, owner_id: str, stored: Mapping[str, Stored], *, about: dict[str, Any] | None = None
) -> list[ArtifactInfo]:
    at = clock.now()
    infos = [
        ArtifactInfo(path=path, md5=item.md5, size=item.size, created_at=at, about=about)
        for path, item in stored.items()
    ]
    with workspace.database.write() as connection:
        _check_owner(connection, owner_id)
        _check_folders(connection, owner_id, set(stored))
        file_rows.put(connection, owner_id, [msgspec.structs.asdict(info) for info in infos])
    return infos


def _info(row: Row[Any]) -> ArtifactInfo:
    about = row._mapping.get("about")
    return ArtifactInfo(path=row.path, md5=row.md5, size=row.size, created_at=row.created_at, about=about)


def _check_owner(connection: Connection, owner_id: str) -> None:
    """Refuse what is not there, and what was deleted."""
    if owner_id.startswith(file_rows.MODEL_PREFIX):
        if not model_rows.by_ids(connection, [owner_id]):
            raise NotFound(f"there is no logged model '{owner_id}'", model=owner_id)
    elif run_rows.lifecycle(connection, owner_id) is None:
        raise NotFound(f"there is no run '{owner_id}'", hint="see `mainspring runs list`", run=owner_id)


def _check_folders(connection: Connection, owner_id: str, paths: set[str]) -> None:
    """Refuse a path that is a folder of other files, or lies below a file."""
    for path in paths:
        parts = path.split("/")
        inside = next((at for depth in range(1, len(parts)) if (at := "/".join(parts[:depth])) in paths), None)
        clash = inside or file_rows.clash(connection, owner_id, path)
        if clash is not None:
            file, folder = sorted((path, clash), key=len)
            raise Conflict(f"'{file}' is a file of this run, it cannot hold '{folder}' too", path=path, file=file)


def _missing(owner_id: str, path: str, held: list[str]) -> NotFound:
    hint = did_you_mean(path, held) or f"see `mainspring runs artifacts {owner_id}`"
    what = "logged model" if owner_id.startswith(file_rows.MODEL_PREFIX) else "run"
    return NotFound(f"the {what} has no artifact '{path}'", hint=hint, owner=owner_id, path=path)
