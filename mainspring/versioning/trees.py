"""The files of a model version, one by one: what it holds, and where the bytes of one of them are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import NotFound, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion


class VersionFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a version: its path there, its content's md5, its size in bytes."""

    path: str
    md5: str
    size: int


def list_files(workspace: Workspace, version: ModelVersion, *, under: str = "") -> list[VersionFile]:
    """Return the files of a version by path, all of them or those below a folder. Empty where nothing is stored here.

    Raises:
        NotFound, Corrupted: the store has lost or damaged them.
    """
    if not version.artifact:
        return []
    return [
        VersionFile(path=entry.relpath, md5=entry.md5, size=_place(workspace, entry.md5).stat().st_size)
        for entry in workspace.objects.listing(version.artifact)
        if not under or entry.relpath.startswith(f"{under}/")
    ]


def find_file(workspace: Workspace, version: ModelVersion, path: str) -> VersionFile:
    """Return a file of a version; its bytes are the object at its ``md5``.

    Raises:
        NotFound: the version has no such file, or the store has lost it.
        Corrupted: the listing is damaged.
    """
    held = {file.path: file for file in list_files(workspace, version)}
    if path not in held:
        hint = did_you_mean(path, held) or (f"it holds {', '.join(list(held)[:10])}" if held else "it holds no files")
        raise NotFound(f"{version.reference} has no file '{path}'", hint=hint, model=version.model, path=path)
    return held[path]


def _place(workspace: Workspace, md5: str) -> Path:
    place = workspace.objects.path(md5)
    if not place.is_file():
        raise NotFound(f"the object {md5} is not in the store", hint="restore it from a backup", md5=md5)
    return place
