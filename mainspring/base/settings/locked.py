"""What ``dvc.yaml`` and ``dvc.lock`` say of stages, and of the files and folders that they wrote and DVC keeps."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from mainspring.base.errors import InvalidData

FILE = "dvc.lock"
_KINDS = ("outs", "metrics", "plots")
_TOPS = (".dvc", ".git", "mainspring.yaml")


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of ``dvc.yaml``, as far as it is read here; what ``foreach`` and ``matrix`` repeat is in ``do``."""

    cmd: str | list[str] | None = None
    wdir: str | None = None
    always_changed: bool = False
    frozen: bool = False
    deps: list[str | dict[str, Any]] | None = None
    params: list[str | dict[str, Any]] | None = None
    outs: list[str | dict[str, Any]] | None = None
    metrics: list[str | dict[str, Any]] | None = None
    plots: list[str | dict[str, Any]] | None = None
    do: _Said | None = None


class _Item(msgspec.Struct, frozen=True):
    path: str


class _Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of ``dvc.lock``."""

    cmd: str | list[str] | None = None
    deps: list[_Item] = []
    params: dict[str, dict[str, Any]] = {}
    outs: list[_Item] = []


def read_stages(file: Path) -> dict[str, dict[str, Any]]:
    """Return what a ``dvc.yaml`` or ``dvc.lock`` says of stages, by name; nothing where there is no such file.

    Raises:
        InvalidData: it cannot be read, or is none.
    """
    if not file.is_file():
        return {}
    from mainspring.base.settings.parameters import read_yaml  # few repositories have stages

    tree = read_yaml(file) or {}
    stages = (tree.get("stages") or {}) if isinstance(tree, dict) else None
    if not isinstance(stages, dict):
        raise InvalidData(f"{file} cannot be read: it has no mapping of 'stages'", hint="correct it", path=str(file))
    for name, body in stages.items():
        try:
            msgspec.convert(body, _Ran if file.name == FILE else _Said)
        except msgspec.ValidationError as error:
            raise InvalidData(
                f"{file} cannot be read: of the stage '{name}', {error}", hint="correct it", path=str(file)
            ) from None
    return stages


def locked_outs(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return what ``dvc.lock`` in a folder says of what DVC keeps below it.

    Raises:
        InvalidData: it, or the ``dvc.yaml`` beside it, cannot be read.
    """
    lock, stages = folder / FILE, folder / "dvc.yaml"
    if not lock.is_file():
        return {}
    return _read(folder, lock.stat().st_mtime_ns, stages.stat().st_mtime_ns if stages.is_file() else 0)


def locked(path: Path) -> dict[str, Any] | None:
    """Return what the ``dvc.lock`` of a folder above says of a file or folder; None if no stage wrote it.

    Raises:
        InvalidData: as ``locked_outs``.
    """
    for folder in path.parents:
        found = locked_outs(folder).get(path)
        if found is not None:
            return found
        if any((folder / name).exists() for name in _TOPS):
            break
    return None


@lru_cache(maxsize=64)
def _read(folder: Path, *_when: int) -> dict[Path, dict[str, Any]]:
    lock, said = read_stages(folder / FILE), read_stages(folder / "dvc.yaml")
    found = {}
    for name, stage in lock.items():
        body = said.get(name) or said.get(name.partition("@")[0]) or {}
        body = body.get("do") or body
        base, unkept = folder / str(body.get("wdir") or "."), _unkept(body)
        for out in stage.get("outs", []):
            path = Path(os.path.normpath(base / out["path"]))
            kept = not any(pattern.fullmatch(out["path"]) for pattern in unkept)
            if kept and out.get("hash") == "md5" and out.get("md5") and path != folder and path.is_relative_to(folder):
                found[path] = out
    return found


def _unkept(body: dict[str, Any]) -> list[re.Pattern[str]]:
    """Return patterns of the outs with ``cache: false``, in which ``${…}`` may be anything."""
    items = [item for kind in _KINDS for item in body.get(kind) or [] if isinstance(item, dict)]
    named = [
        name for item in items for name, said in item.items() if isinstance(said, dict) and said.get("cache") is False
    ]
    return [re.compile(re.sub(r"\\\$\\\{.*?\\\}", ".*", re.escape(name))) for name in named]
