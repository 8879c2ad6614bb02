"""What ``dvc.lock`` says of the files and folders that stages wrote and DVC keeps."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = "dvc.lock"
_KINDS = ("outs", "metrics", "plots")
_TOPS = (".dvc", ".git", "mainspring.yaml")


def locked_outs(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return what ``dvc.lock`` in a folder says of what DVC keeps below it; nothing where it is unreadable."""
    lock, stages = folder / FILE, folder / "dvc.yaml"
    if not lock.is_file():
        return {}
    return _read(folder, lock.stat().st_mtime_ns, stages.stat().st_mtime_ns if stages.is_file() else 0)


def locked(path: Path) -> dict[str, Any] | None:
    """Return what the ``dvc.lock`` of a folder above says of a file or folder; None if no stage wrote it."""
    for folder in path.parents:
        found = locked_outs(folder).get(path)
        if found is not None:
            return found
        if any((folder / name).exists() for name in _TOPS):
            break
    return None


@lru_cache(maxsize=64)
def _read(folder: Path, *_when: int) -> dict[Path, dict[str, Any]]:
    lock, said = _stages(folder / FILE), _stages(folder / "dvc.yaml")
    found = {}
    for name, stage in lock.items():
        body = said.get(name) or said.get(name.partition("@")[0]) or {}
        body = body["do"] if isinstance(body.get("do"), dict) else body
        base, unkept = folder / str(body.get("wdir") or "."), _unkept(body)
        for out in stage.get("outs") or []:
            path = Path(os.path.normpath(base / str(out.get("path"))))
            kept = not any(pattern.fullmatch(str(out.get("path"))) for pattern in unkept)
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


def _stages(file: Path) -> dict[str, dict[str, Any]]:
    import yaml

    from mainspring.base.yamls import parse

    try:
        tree = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    stages = tree.get("stages") if isinstance(tree, dict) else None
    return {name: body for name, body in stages.items() if isinstance(body, dict)} if isinstance(stages, dict) else {}
