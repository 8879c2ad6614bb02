"""Where distributions that came from no index can be had from again, and where a project's own code is imported from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from mainspring.base.git import run_git
from mainspring.base.hashing import sha256_file
from mainspring.versioning.code import repository

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIRTY = "-dirty"


def requirement(name: str, version: str, origin: Mapping[str, Any]) -> tuple[str, str]:
    """Return what an installer is asked for to have a distribution again, or nothing, and why it cannot be had.

    What was installed from a folder is had from the commit that its repository was at, what from a file as long as that file
    is what it was.

    >>> requirement("tiny", "1.2", {})
    ('tiny==1.2', '')
    """
    kind, url = origin.get("kind"), str(origin.get("url"))
    if kind is None:
        return f"{name}=={version}", ""
    if kind == "archive":
        return f"{name} @ {url}" + (f"#sha256={origin['sha256']}" if origin.get("sha256") else ""), ""
    if kind == "vcs":
        if not origin.get("commit"):
            return "", f"no commit of {url} was recorded"
        return _of_commit(
            name, f"{origin['vcs']}+{url}", str(origin["commit"]), str(origin.get("subdirectory") or "")
        ), ""
    how = "editable from" if kind == "editable" else "from"
    line, why = _of_file(name, origin) if origin.get("sha256") else _of_folder(name, origin)
    return line, "" if line else f"it was installed {how} {url}, {why}"


def place_of(origin: Mapping[str, Any]) -> Path:
    """Return the file or folder that a distribution was installed from."""
    return Path(unquote(urlsplit(str(origin.get("url"))).path))


def inside(origin: Mapping[str, Any], folder: Path) -> Path | None:
    """Return where in a folder a distribution was installed from; None if it was from elsewhere."""
    place = place_of(origin)
    is_there = origin.get("kind") in ("editable", "local") and place.is_relative_to(folder)
    return place.relative_to(folder) if is_there else None


def imported_from(top: Path) -> list[Path]:
    """Return the folders below a repository that this process imports from, relative to it, as editable installs have them.

    Virtual environments that lie in the repository are none of it.
    """
    places = [Path(entry) for entry in sys.path if entry]
    for finder in sys.meta_path:  # where setuptools keeps the packages of editable installs that are no whole folder
        module = sys.modules.get(getattr(finder, "__module__", ""))
        mapping = getattr(module, "MAPPING", None)
        places += [Path(place).parent for place in mapping.values()] if isinstance(mapping, dict) else []
    own = (Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())
    found = dict.fromkeys(place.resolve() for place in places)
    return [
        place.relative_to(top)
        for place in found
        if place.is_relative_to(top) and not any(place.is_relative_to(folder) for folder in own)
    ]


def _of_commit(name: str, url: str, commit: str, below: str) -> str:
    """Return a requirement in the form that older versions of pip take for folders, too."""
    return f"{url}@{commit}#egg={name}" + (f"&subdirectory={quote(below)}" if below else "")


def _of_file(name: str, origin: Mapping[str, Any]) -> tuple[str, str]:
    place = place_of(origin)
    if not place.is_file():
        return "", "which is not there any more"
    if sha256_file(place) != origin["sha256"]:
        return "", "which is another file by now"
    return f"{name} @ {place.as_uri()}#sha256={origin['sha256']}", ""


def _of_folder(name: str, origin: Mapping[str, Any]) -> tuple[str, str]:
    commit, place = str(origin.get("commit") or ""), place_of(origin)
    if not commit:
        return "", "which was in no git repository" if "commit" in origin else "of which nothing more was recorded"
    if commit.endswith(_DIRTY):
        return "", f"with changes that are not in its commit {commit[:12]}"
    top = repository(place) if place.is_dir() else None
    if top is None or run_git(["cat-file", "-e", f"{commit}^{{commit}}"], top).returncode != 0:
        return "", f"whose commit {commit[:12]} is not there any more"
    below = place.resolve().relative_to(top).as_posix()
    return _of_commit(name, f"git+{top.as_uri()}", commit, "" if below == "." else below), ""
