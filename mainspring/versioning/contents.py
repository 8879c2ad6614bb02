"""What files hold, by address: unchanged files are not read again."""

from __future__ import annotations

import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import Conflict, InvalidData, NotFound
from mainspring.base.hashing import md5_bytes, md5_file
from mainspring.versioning.records import datasets as dataset_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

    Tick = Callable[[int, int], None]
    """Called with files done and files in all."""

_IGNORED = frozenset({".git", ".mainspring", "__pycache__"})
_SETTLED_NS = 2_000_000_000
_BATCH = 64
_THREADS = min(4, os.cpu_count() or 1)


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A file (under the name ``""``) or a folder: relative POSIX path → md5, and what it all comes to."""

    files: dict[str, str]
    size: int
    md5: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(".dir")


def read_contents(workspace: Workspace, path: Path, *, store: bool = False, tick: Tick | None = None) -> Contents:
    """Return what is at a path; with ``store``, every file is durable in the store when it returns.

    Files whose size, time and inode are as remembered are not read again; times of less than two seconds ago are not
    trusted.

    Raises:
        NotFound: there is nothing.
        InvalidData: an empty folder, or something in it that is no file.
        Conflict: a file changed while it was read; nothing was recorded.
    """
    before = scan_files(path)
    places = {name: path / name if name else path for name in before}
    files = read_files(workspace, places, before, store=store, tick=tick)
    if scan_files(path).keys() != before.keys():
        raise _changed(path)
    md5 = files[""] if "" in files else folder_address(files)
    return Contents(files=files, size=sum(found.st_size for found in before.values()), md5=md5)


def read_files(
    workspace: Workspace,
    places: dict[str, Path],
    before: dict[str, os.stat_result],
    *,
    store: bool = False,
    tick: Tick | None = None,
) -> dict[str, str]:
    """Return the addresses of named files whose status is ``before``; the rest as ``read_contents``."""
    started = time.time_ns()
    keys = {name: _relative(workspace, place) for name, place in places.items()}
    remembered = dataset_rows.select_file_states(workspace.database, list(keys.values()))
    known: dict[str, str] = {}
    for name in places:
        state = remembered.get(keys[name])
        if state is not None and _same(state, before[name]) and (not store or _stored(workspace, state.md5)):
            known[name] = state.md5
    todo = {name: place for name, place in places.items() if name not in known}
    known |= _read(workspace, todo, store, len(places), tick)
    for name, place in todo.items():
        if not place.is_file() or _identity(place.stat()) != _identity(before[name]):
            raise _changed(place)
    settled = [name for name in todo if before[name].st_mtime_ns < started - _SETTLED_NS]
    dataset_rows.replace_file_states(
        workspace.database, [_state(keys[name], before[name], known[name]) for name in settled]
    )
    return {name: known[name] for name in places}


def scan_files(path: Path) -> dict[str, os.stat_result]:
    """Return the files at or below a path with their status, by relative POSIX path; of a file, under ``""``.

    Raises:
        NotFound, InvalidData: as ``read_contents``.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise NotFound(
            f"there is no {path}", hint="check the path, or restore it: `mainspring data checkout NAME`"
        ) from None
    if stat.S_ISREG(status.st_mode):
        return {"": status}
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidData(f"{path} is neither a file nor a folder", path=str(path))
    found: dict[str, os.stat_result] = {}
    _scan_folder(path, "", found)
    if not found:
        raise InvalidData(f"the folder {path} holds no files", hint="put the data there first", path=str(path))
    return dict(sorted(found.items()))


def _scan_folder(folder: Path, prefix: str, found: dict[str, os.stat_result]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in _IGNORED:
                continue
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                _scan_folder(folder / entry.name, name + "/", found)
            elif entry.is_file():
                found[name] = entry.stat()
            else:
                raise InvalidData(
                    f"{entry.path} is no regular file",
                    hint="remove it, or replace the link by what it points to",
                    path=entry.path,
                )


def _read(workspace: Workspace, places: dict[str, Path], store: bool, total: int, tick: Tick | None) -> dict[str, str]:
    found: dict[str, str] = {}
    names = list(places)
    done = total - len(names)
    step = 1024 if store else _BATCH * _THREADS
    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            for start in range(0, len(names), step):
                part = names[start : start + step]
                paths = [places[name] for name in part]
                if store:
                    addresses = [stored.md5 for stored in workspace.objects.put_files(paths)]
                else:
                    addresses = list(threads.map(md5_file, paths))
                found.update(zip(part, addresses, strict=True))
                if tick is not None:
                    tick(done + len(found), total)
    except FileNotFoundError as error:
        raise _changed(Path(error.filename or places[names[0]])) from error
    return found


def _changed(path: Path) -> Conflict:
    return Conflict(
        f"{path} changed while it was being read",
        hint="wait until whoever writes it is done, then run the same command again: nothing was recorded",
        path=str(path),
    )


def folder_address(files: dict[str, str]) -> str:
    """Return the address of a folder's listing, as DVC computes it."""
    rows = sorted(({"md5": md5, "relpath": name} for name, md5 in files.items()), key=lambda row: row["relpath"])
    return md5_bytes(json.dumps(rows, sort_keys=True).encode()) + ".dir"


def _relative(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else path.as_posix()


def _stored(workspace: Workspace, md5: str) -> bool:
    return workspace.objects.path(md5).is_file()


def _same(state: Any, status: os.stat_result) -> bool:
    return (state.size, state.modified_ns, state.inode) == _identity(status)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _state(path: str, status: os.stat_result, md5: str) -> dict[str, Any]:
    size, modified_ns, inode = _identity(status)
    return {"path": path, "size": size, "modified_ns": modified_ns, "inode": inode, "md5": md5}
