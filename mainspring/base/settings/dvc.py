"""What a DVC repository says of itself: its configuration and its pointers, where there is no ``mainspring.yaml``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from mainspring.base.folders import walk
from mainspring.base.settings import locked
from mainspring.base.settings.load import FILE_NAME
from mainspring.base.settings.schema import DatasetSettings, Link, Settings, StateSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = Path(".dvc", "config")
SKIPPED = frozenset({".git", ".hg", ".dvc", ".mainspring", ".venv", "__pycache__", "node_modules"})
"""Folders in which nobody keeps data."""


def read_config(root: Path) -> dict[str, dict[str, str]]:
    """Return what DVC's configuration says in a repository: sections of all its files, the nearer ones over the others.

    Raises:
        SettingsError: one of them cannot be read.
    """
    sections: dict[str, dict[str, str]] = {}
    for file in config_files(root):
        for title, said in read_config_file(file).items():
            sections[title] = sections.get(title, {}) | said
    return sections


def config_files(root: Path) -> list[Path]:
    """Return where DVC's configuration lies: of the machine, of the user, of the repository, and what is not in git."""
    places = [_folder("SYSTEM"), _folder("GLOBAL"), root / ".dvc"]
    return [*(place / "config" for place in places), root / ".dvc" / "config.local"]


def read_config_file(file: Path) -> dict[str, dict[str, str]]:
    """Return the sections of one file; what it names is absolute, but for folders relative to the repository's.

    Raises:
        SettingsError: it cannot be read.
    """
    if not os.access(file, os.F_OK):
        return {}
    from mainspring.base.sections import read_sections  # finding pointers does without it

    return {
        title: {key: _placed(file, title, key, _unquoted(value)) for key, value in said.items()}
        for title, said in read_sections(file).items()
    }


def _folder(level: str) -> Path:
    """Return where DVC looks for the configuration of the machine (``SYSTEM``) or of the user (``GLOBAL``)."""
    if named := os.environ.get(f"DVC_{level}_CONFIG_DIR"):
        return Path(named)
    if sys.platform == "darwin":
        above = Path("/Library" if level == "SYSTEM" else "~/Library", "Application Support")
    elif level == "SYSTEM":
        above = Path(os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0] or "/etc/xdg")
    else:
        above = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return Path(os.path.expanduser(above), "dvc")  # noqa: PTH111 - without a home, it stays as it is


def _placed(file: Path, title: str, key: str, value: str) -> str:
    of_remote = title.startswith(("remote ", "'remote "))
    is_file = of_remote and key == "credentialpath"
    is_folder = (title, key) == ("cache", "dir") or (of_remote and key == "url")
    if not (is_file or is_folder) or "://" in value:
        return value
    place = os.path.expanduser(value)  # noqa: PTH111 - without a home, it stays as it is
    is_near = is_folder and file.parent.name == ".dvc"
    return place if is_near else os.path.normpath(file.parent / place)


def dvc_settings(root: Path) -> Settings:
    """Return settings for a DVC repository: its cache holds the objects; what its pointers name or its stages write is a dataset.

    Datasets are named by their paths. Links are those of ``cache.type`` that are known here, by default DVC's own choice.

    Raises:
        SettingsError: ``.dvc/config`` cannot be read.
    """
    cache = read_config(root).get("cache", {})
    folder = Path(os.path.normpath(root / ".dvc" / cache.get("dir", "cache")))
    kinds = [kind.strip() for kind in cache.get("type", "").split(",")]
    links = tuple(cast("Link", kind) for kind in kinds if kind in get_args(Link)) or ("copy",)
    names = [path.relative_to(root).as_posix() for path in find_outs(root)]
    return Settings(
        project=root.name,
        datasets={path: DatasetSettings(path=path) for path in sorted(names)},
        state=StateSettings(objects=str(folder), links=links if cache.get("type") else StateSettings().links),
    )


def find_outs(root: Path) -> Iterator[Path]:
    """Give every file or folder below a folder that a pointer beside it names, or ``dvc.lock`` keeps, there or not.

    They are not looked into, nor are other workspaces and repositories of DVC's.
    """
    written: set[Path] = set()
    for parent, folders, names in walk(root):
        pointers = {name for name in names if name.endswith(".dvc") and name != ".dvc"}
        found = {Path(parent, name) for pointer in pointers for name in _outs(Path(parent, pointer))}
        if locked.FILE in names:
            found |= locked.locked_outs(Path(parent)).keys()
        written |= found
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED and Path(parent, name) not in written and not is_root(Path(parent, name))
        )
        yield from sorted(found)


def is_root(folder: Path) -> bool:
    """Say whether a folder is that of a workspace, or of a DVC repository."""
    return any(os.access(folder / name, os.F_OK) for name in (FILE_NAME, CONFIG))


def _outs(pointer: Path) -> list[str]:
    """Return the names that a pointer has in its folder; that which its own name says where it cannot be read or names others."""
    named = pointer.name[: -len(".dvc")]
    try:
        text = pointer.read_text(encoding="utf-8", errors="replace")
    except PermissionError:
        return [named]
    if text.count("path:") == 1 and f"path: {named}\n" in text and "wdir:" not in text:
        return [named]  # as nearly all are; parsing ten thousand of them takes seconds
    import yaml

    from mainspring.base.yamls import parse

    try:
        tree = parse(text)
        places = [os.path.normpath(Path(tree.get("wdir", ""), out["path"])) for out in tree["outs"]]
        if any("\0" in place for place in places):
            return [named]
    except (yaml.YAMLError, KeyError, TypeError):
        return [named]
    return list(dict.fromkeys(place if os.sep not in place and place != os.pardir else named for place in places))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
