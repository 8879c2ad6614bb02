"""What stands on disk where files are about to be put: it is safe in the store, or nothing is touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import Conflict, Refused, StorageError
from mainspring.base.files import disk_error
from mainspring.base.folders import walk
from mainspring.base.hashing import md5_file
from mainspring.store.links import is_lost
from mainspring.store.seals import sealed
from mainspring.versioning.index import identity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.index import Identity


def files_at(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Return those of some files at or below a path that are there, with their addresses, ``.dvcignore`` or not.

    Raises:
        StorageError: we may not read one.
    """
    if not os.path.lexists(path):
        return {}
    base = str(path)
    places = ((name, f"{base}/{name}" if name else base) for name in names)
    try:
        return {
            name: md5_file(Path(place)) for name, place in places if os.access(place, os.F_OK) and Path(place).is_file()
        }
    except PermissionError as error:
        raise disk_error(error, Path(error.filename), doing="read") from error


def watch(path: Path, files: Iterable[str]) -> dict[str, Identity | None] | None:
    """Return what some files at or below a path are recognised by now, None where there is none; None without the path."""
    if not os.path.lexists(path):
        return None
    base = str(path)
    return {file: _identity(f"{base}/{file}" if file else base) for file in files}


def refuse_changed(path: Path, seen: dict[str, Identity | None] | None, present: dict[str, str]) -> None:
    """Refuse to go on where files changed, came or went since they were watched: somebody works with them.

    ``present`` are their addresses. What is the stored object itself may have got its seal meanwhile.

    Raises:
        Conflict: so it is.
    """
    if seen is None:
        changed = "" if os.path.lexists(path) else None
    else:
        found = watch(path, seen) or dict.fromkeys(seen)
        changed = next(
            (file for file, now in found.items() if not _is_as_seen(now, seen[file], present.get(file))), None
        )
    if changed is None:
        return
    place = str(path / changed if changed else path)
    raise Conflict(
        f"{place} changed while the version was made ready; nothing was changed by us",
        hint="wait until whoever writes it is done, then run the same command again",
        path=place,
    )


def _is_as_seen(now: Identity | None, before: Identity | None, md5: str | None) -> bool:
    return now == before or (now is not None and md5 is not None and sealed(now[1], md5))


def _identity(place: str) -> Identity | None:
    try:
        found = Path(place).stat()
    except OSError:
        return None
    return None if stat.S_ISDIR(found.st_mode) else identity(found)


def refuse_obstacles(path: Path, files: Collection[str], leaving: Collection[str]) -> None:
    """Refuse where files at or below a path cannot be put, although ``leaving`` will be gone by then.

    Raises:
        Refused: something else is in the way, which is no data and not ours to remove.
        StorageError: we may not write to a folder that has to change.
    """
    gone = frozenset(leaving)
    base = str(path)
    folders = _folders(files, gone)
    files = files if os.path.lexists(base) else ()
    blocking = [place for folder in folders if (place := _no_folder(path, folder, gone))]
    blocking += [place for file in files if file not in gone for place in _at(base, file, gone)]
    blocking += [str(parent) for parent in path.parents if parent.exists() and not parent.is_dir()]
    if blocking:
        more = f" and {len(blocking) - 3} more" if len(blocking) > 3 else ""
        raise Refused(
            f"{', '.join(blocking[:3])}{more} is in the way, and belongs to no version; nothing was changed",
            hint="move it elsewhere, then run the same command again",
            files=blocking,
        )
    for folder in {_existing(path.parent if folder is None else path / folder) for folder in folders}:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StorageError(
                f"cannot write to the folder {folder}; nothing was changed",
                hint="check its permissions, then run the same command again",
                path=str(folder),
            )


def refuse_loss(
    workspace: Workspace, path: Path, present: dict[str, str], leaving: Collection[str], *, force: bool
) -> None:
    """Refuse to lose files that no version holds, unless ``force`` says so.

    The disk may have the last good copy of a stored object that was damaged: the object is healed from it.

    Raises:
        Refused: files would be lost.
    """
    lost = [file for file in leaving if not _is_kept(workspace, path / file if file else path, present[file])]
    if lost and not force:
        shown = ", ".join(str(path / file if file else path) for file in lost[:3])
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise Refused(
            f"{shown}{more} would be lost: no version holds what is in there",
            hint="add it first (mainspring data add), or say --force to lose it",
            files=lost,
        )


def _is_kept(workspace: Workspace, file: Path, md5: str) -> bool:
    was_there = workspace.objects.path(md5).exists()
    if workspace.objects.is_sound(md5):
        return True
    return was_there and workspace.objects.put_file(file).md5 == md5


def _folders(files: Collection[str], leaving: Collection[str]) -> set[str | None]:
    """Return the folders that change, below the dataset's path; ``""`` is that path, None what holds it."""
    found: set[str | None] = {None} if "" in files or "" in leaving else set()
    direct = {file.rpartition("/")[0] for group in (files, leaving) for file in group if file}
    for folder in direct:
        above = folder
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return {*found, ""} if direct else found


def _no_folder(path: Path, folder: str | None, gone: Collection[str]) -> str | None:
    """Return the place of a folder if something else is there, and stays."""
    if folder is None or folder in gone:
        return None
    place = path / folder
    return str(place) if place.is_symlink() or (place.exists() and not place.is_dir()) else None


def _at(base: str, file: str, gone: Collection[str]) -> Iterator[str]:
    """Give what stays at or below the place of a file and is no file itself, the first thing only."""
    place = f"{base}/{file}" if file else base
    try:
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(mode):
        if file and not is_lost(place):  # a link to an object that is gone: DVC's caches leave such
            yield place
        return
    for parent, folders, names in walk(place, onerror=_unread):
        links = (name for name in folders if Path(parent, name).is_symlink())
        for name in (*names, *links):
            if f"{parent}/{name}"[len(base) + 1 :] not in gone:
                yield f"{parent}/{name}"
                return


def _unread(error: OSError) -> None:
    raise disk_error(error, Path(error.filename), doing="read") from error


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())
