"""What somebody means to import: data of a repository, what is at an address, or once more what came from either."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.versioning import foreign
from mainspring.versioning.origins import addresses, importing
from mainspring.versioning.pointers import find_pointer, read_origin

if TYPE_CHECKING:
    from mainspring.store.sources.arriving import Tick
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.known import DatasetVersion


def bring(
    workspace: Workspace,
    url: str,
    path: str | None = None,
    out: str | None = None,
    *,
    rev: str | None = None,
    force: bool = False,
    tick: Tick | None = None,
) -> DatasetVersion:
    """Import ``path`` of the repository at ``url``; or what is at that address; or, of a dataset, what is there by now.

    Of an address, ``path`` is where to put it.

    Raises:
        UsageError: it cannot be told what is meant.
        MainspringError: as ``foreign.bring``, ``importing.bring`` and ``importing.again``.
    """
    place = None if out is None else Path.cwd() / out
    if path is None and place is None and (held := _imported(workspace, url)) is not None:
        return _again(workspace, held, rev, force=force, tick=tick)
    if path is not None and not addresses.is_stored(url):
        place = place or Path.cwd() / Path(path).name
        return foreign.bring(workspace, url, path, place, rev=rev, force=force, tick=tick)
    if rev is not None:
        raise UsageError(
            f"--rev is of git repositories, and {url} is an address of data",
            hint="name a path in the repository too: mainspring data import URL PATH --rev REV",
        )
    if url.endswith(".git"):
        raise UsageError(f"{url} is a git repository", hint=f"name a path in it: mainspring data import {url} PATH")
    if path is not None and place is not None:
        raise UsageError("both PATH and --out say where to put it", hint="leave one of them out")
    place = place or (None if path is None else Path.cwd() / path)
    return importing.bring(workspace, url, place, force=force, tick=tick)


def _imported(workspace: Workspace, target: str) -> Path | None:
    """Return the path of a dataset that was imported, given by its path or its pointer's."""
    if addresses.scheme_of(target):
        return None
    plain = target.removesuffix(".dvc")
    places = (Path(os.path.normpath(base / plain)) for base in (Path.cwd(), workspace.root))
    inside = (place for place in places if place.is_relative_to(workspace.root) and place != workspace.root)
    return next((place for place in inside if find_pointer(place).is_file() and read_origin(place)), None)


def _again(workspace: Workspace, out: Path, rev: str | None, *, force: bool, tick: Tick | None) -> DatasetVersion:
    [dep, *_] = read_origin(out)
    repo = dep.get("repo")
    if not isinstance(repo, dict):
        return importing.again(workspace, out, force=force, tick=tick)
    rev = rev or repo.get("rev")
    return foreign.bring(workspace, str(repo["url"]), str(dep["path"]), out, rev=rev, force=force, tick=tick)
