"""Which files and folders may be datasets."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import Conflict, ExternalToolError, UsageError
from mainspring.base.settings.locked import locked
from mainspring.versioning.contents import IGNORED, check_name
from mainspring.versioning.marks import find_pointers, has_log, is_pointer, pointer_of
from mainspring.versioning.pointers import find_pointer
from mainspring.versioning.states import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

_LONGEST = 255 - len(".dvc")
"""So many bytes a name has at most that gets a pointer."""


def refuse_outside(workspace: Workspace, path: Path) -> None:
    """Refuse what does not lie in the workspace, is all of it, or is no data by its name.

    Raises:
        UsageError: it may be no dataset.
        InvalidData: its name is not UTF-8.
    """
    if path == workspace.root:
        raise UsageError(
            f"{path} is the workspace itself, not data in it", hint="name a file or folder of it", path=str(path)
        )
    if path.is_relative_to(workspace.state):
        raise UsageError(
            f"{path} is where the workspace keeps its state, not data", hint="name another path", path=str(path)
        )
    if not path.is_relative_to(workspace.root):
        raise UsageError(
            f"{path} is not inside the workspace {workspace.root}",
            hint="move it there; to a single file, a link there does too",
            path=str(path),
        )
    relative = path.relative_to(workspace.root)
    check_name(str(relative))
    if len(os.fsencode(path.name)) > _LONGEST:
        raise UsageError(
            f"the name of {path} is too long: no disk takes that of its pointer, {path.name}.dvc",
            hint=f"give it one of at most {_LONGEST} bytes, or put it into a folder and name that",
            path=str(path),
        )
    if not IGNORED.isdisjoint(relative.parts):
        raise UsageError(f"{path} is never data, by its name", hint="name another path", path=str(path))


def refuse_linked(workspace: Workspace, path: Path) -> None:
    """Refuse a folder that is reached by a link, as DVC does: what is written to it would be written elsewhere.

    Raises:
        UsageError: it, or a folder between the workspace and it, is a link.
    """
    for place in (path, *_above(workspace, path)):
        if place.is_symlink() and place.is_dir():
            raise UsageError(
                f"{place} is a link to a folder, in which nothing is versioned",
                hint="put the folder itself there, or version it where it lies",
                path=str(place),
            )


def refuse_taken(workspace: Workspace, name: str, path: Path) -> None:
    """Refuse to make a dataset of what another one holds, or of what holds another one; once it is one, it stays one.

    What git tracks is refused as by DVC, unless the settings declare it: what git ignores by name and tracks all the same is
    versioned twice.

    Raises:
        Conflict: it is taken.
    """
    if is_dataset(path):
        return
    refuse_overlap(workspace, path)
    if name not in workspace.settings.datasets and _is_in_git(workspace, path):
        raise Conflict(
            f"{path} is in git already",
            hint=f"take it out first, which leaves it on disk: git rm -r --cached {_shown(workspace, path)}",
            path=str(path),
        )


def refuse_overlap(workspace: Workspace, path: Path) -> None:
    """Refuse a dataset, of files or a Delta table, in another one or around it. What lies in a table is part of it, added or not.

    Raises:
        Conflict: it overlaps with one.
    """
    above = next((place for place in _above(workspace, path) if is_dataset(place) or has_log(place)), None)
    if above is not None:
        what = "a dataset already" if is_dataset(above) else "a Delta table"
        raise Conflict(
            f"{path} lies in {above}, which is {what}",
            hint=f"add that one: {command('add', _shown(workspace, above))}",
            path=str(path),
        )
    if below := _below(workspace, path):
        place, pointer = below
        remove = (
            "take it out of mainspring.yaml"
            if pointer is None
            else f"remove its pointer and its line in .gitignore: {pointer}"
        )
        raise Conflict(
            f"{path} holds {place}, which is a dataset already",
            hint=f"to make one of both, first {remove}",
            path=str(path),
        )


def is_added(path: Path) -> bool:
    """Say whether the Delta table in a folder is a dataset already."""
    return is_pointer(pointer_of(path))


def is_dataset(path: Path) -> bool:
    """Say whether a pointer, or ``dvc.lock``, names a file or folder."""
    return find_pointer(path).is_file() or locked(path) is not None or is_added(path)


def _above(workspace: Workspace, path: Path) -> Iterator[Path]:
    """Give the folders between the workspace and a path, the nearest first."""
    return (place for place in path.parents if place != workspace.root and place.is_relative_to(workspace.root))


def _below(workspace: Workspace, path: Path) -> tuple[Path, Path | None] | None:
    """Return a dataset below a folder, and its pointer; a table that the settings name is one without."""
    if not path.is_dir():
        return None
    from mainspring.base.settings.dvc import SKIPPED, find_outs  # what is a dataset already needs no look at others

    for out in find_outs(path):
        return out, find_pointer(out)
    for pointer in find_pointers(path, leave=SKIPPED):
        return pointer.with_suffix(""), pointer
    for settings in workspace.settings.datasets.values():
        place = Path(os.path.normpath(workspace.root / settings.path))
        if place != path and place.is_relative_to(path) and has_log(place):
            return place, None
    return None


def _is_in_git(workspace: Workspace, path: Path) -> bool:
    if not any(os.path.lexists(place / ".git") for place in path.parents):
        return False
    from mainspring.base.git import run_git

    with suppress(ExternalToolError):  # without git, nobody notices
        return bool(run_git(["--literal-pathspecs", "ls-files", "-z", "--", str(path)], workspace.root).stdout)
    return False


def _shown(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix()
