"""Files of runs: bytes go into the object store first, their rows into the records after."""

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
from mainspring.tracking.records import runs as run_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store.workspace import Workspace


class ArtifactInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a run: its path there, its content's md5, its size in bytes."""

    path: str
    md5: str
    size: int
    created_at: int
    about: dict[str, Any] | None = None


def store_path(workspace: Workspace, run_id: str, source: str | Path, name: str | None = None) -> list[ArtifactInfo]:
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
    return _record(workspace, run_id, dict(zip(files, stored, strict=True)))


def store_bytes(
    workspace: Workspace, run_id: str, name: str, data: bytes, *, about: dict[str, Any] | None = None
) -> ArtifactInfo:
    """Store bytes under ``name``, with a JSON-able description if there is one.

    Raises:
        InvalidData, NotFound, Conflict: as ``store_path``.
    """
    name = artifact_path(name)
    stored = Stored(md5=workspace.objects.put_bytes(data), size=len(data), files=1)
    [info] = _record(workspace, run_id, {name: stored}, about=about)
    return info


def list_artifacts(workspace: Workspace, run_id: str, *, under: str | None = None) -> list[ArtifactInfo]:
    """Return the files of a run by path, all of them or those below a folder."""
    with workspace.database.read() as connection:
        rows = file_rows.of(connection, run_id)
    return [
        ArtifactInfo(path=row.path, md5=row.md5, size=row.size, created_at=row.created_at, about=row.about)
        for row in rows
        if under is None or row.path.startswith(f"{under}/")
    ]


def read_artifact(workspace: Workspace, run_id: str, path: str) -> bytes:
    """Return a file's bytes, checked against their md5.

    Raises:
        NotFound: the run has no such file.
        Corrupted: its bytes are damaged.
    """
    held = {info.path: info for info in list_artifacts(workspace, run_id)}
    if path not in held:
        raise _missing(run_id, path, list(held))
    return workspace.objects.read_bytes(held[path].md5)


def fetch_artifact(workspace: Workspace, run_id: str, path: str, target: Path) -> int:
    """Put a file of a run at ``target``, or a folder's files below it; return how many files that were.

    Raises:
        NotFound: the run has neither.
        Corrupted: bytes are damaged; they are not written.
    """
    held = {info.path: info for info in list_artifacts(workspace, run_id)}
    if path in held:
        place = target / Path(path).name if target.is_dir() else target
        workspace.objects.restore(held[path].md5, place)
        return 1
    below = {name.removeprefix(f"{path}/"): info for name, info in held.items() if name.startswith(f"{path}/")}
    if not below:
        raise _missing(run_id, path, list(held))
    for relative, info in below.items():
        workspace.objects.restore(info.md5, target / artifact_path(relative))
    return len(below)


def media_type(path: str) -> str:
    """Return the media type that a path's ending stands for.

    >>> media_type("plots/roc.png")
    'image/png'
    """
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _record(
    workspace: Workspace, run_id: str, stored: Mapping[str, Stored], *, about: dict[str, Any] | None = None
) -> list[ArtifactInfo]:
    at = clock.now()
    infos = [
        ArtifactInfo(path=path, md5=item.md5, size=item.size, created_at=at, about=about)
        for path, item in stored.items()
    ]
    with workspace.database.write() as connection:
        if run_rows.lifecycle(connection, run_id) is None:
            raise NotFound(f"there is no run '{run_id}'", hint="see `mainspring runs list`", run=run_id)
        held = {row.path for row in file_rows.of(connection, run_id)}
        _check_folders(held | stored.keys())
        file_rows.put(connection, [{"run_id": run_id, **msgspec.structs.asdict(info)} for info in infos])
    return infos


def _check_folders(paths: set[str]) -> None:
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in paths:
                raise Conflict(f"'{folder}' is a file of this run, it cannot hold '{path}' too", path=path, file=folder)


def _missing(run_id: str, path: str, held: list[str]) -> NotFound:
    hint = did_you_mean(path, held) or f"see `mainspring runs artifacts {run_id}`"
    return NotFound(f"the run has no artifact '{path}'", hint=hint, run=run_id, path=path)
