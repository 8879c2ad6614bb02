"""What files hold, by address: unchanged files are not read again."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Conflict, InvalidData, NotFound
from mainspring.base.files import disk_error
from mainspring.base.hashing import md5_bytes, md5_file
from mainspring.store.seals import sealed
from mainspring.versioning import ignored
from mainspring.versioning.index import Identity, Index, Remembered, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mainspring.store.links import Linker
    from mainspring.store.workspace import Workspace

    Tick = Callable[[int, int], None]
    """Called with files done and files in all."""

IGNORED = frozenset({".git", ".hg", ".dvc", ".mainspring", ignored.FILE})
"""What is never data."""
EMPTY = "d751713988987e9331980363e24189ce.dir"
"""The address of a folder without files, which DVC versions too."""
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


class NoFiles(InvalidData):
    """A folder without a file that is data."""


def read_contents(
    workspace: Workspace,
    path: Path,
    *,
    store: bool = False,
    before: Callable[[], bool] | None = None,
    tick: Tick | None = None,
    linker: Linker | None = None,
) -> Contents:
    """Return what is at a path; with ``store``, every file is durable in the store when it returns.

    Files whose size, time and inode are as remembered are not read again; times of less than two seconds ago are not
    trusted. ``before`` is called before anything is read or stored, and says whether files may have changed meanwhile.
    ``linker`` says how the store gets the bytes.

    Raises:
        NotFound: there is nothing.
        InvalidData: an empty folder (``NoFiles``), or something in it that is no file.
        StorageError: we may not or cannot read it.
        Conflict: a file changed while it was read; nothing was recorded.
    """
    found = scan_files(path)
    index = index_of(workspace, path)
    held = index.load()
    if held.md5 and held.identities == found and not (store and _lost(workspace, held)):
        return Contents(files=held.addresses, size=_size(found), md5=held.md5)
    if before is not None and before():
        found = scan_files(path)
    found = dict(sorted(found.items()))
    base = str(path)
    places = {name: f"{base}/{name}" if name else base for name in found}
    read = _Reading(workspace, places, found, held)
    files = read.addresses(store=store, tick=tick, linker=linker)
    after = scan_files(path)
    if after.keys() != found.keys():
        raise _changed(base)
    read.check(after)
    md5 = files[""] if "" in files else folder_address(files)
    index.keep(read.remembered(md5))
    return Contents(files=files, size=_size(found), md5=md5)


def address_of(workspace: Workspace, path: Path, *, tick: Tick | None = None) -> str:
    """Return the address of what is at a path, as ``read_contents`` does, and quicker where nothing changed."""
    held = index_of(workspace, path).load()
    if held.md5 and held.identities == scan_files(path):
        return held.md5
    return read_contents(workspace, path, tick=tick).md5


def read_files(
    workspace: Workspace, key: str, places: Mapping[str, str], found: dict[str, Identity], *, store: bool = False
) -> dict[str, str]:
    """Return the addresses of named files that are recognised by ``found``; remembered under ``key``.

    Raises:
        Conflict: as ``read_contents``.
    """
    index = Index(workspace.state, key)
    read = _Reading(workspace, places, found, index.load())
    files = read.addresses(store=store)
    try:
        read.check({name: identity(os.stat(place)) for name, place in places.items()})
    except FileNotFoundError as error:
        raise _changed(str(error.filename)) from error
    index.keep(read.remembered(""))
    return files


def remember(workspace: Workspace, path: Path, contents: Contents, found: dict[str, Identity]) -> None:
    """Remember what was just written below a path, whose times can be trusted since they are seals; some of it or all."""
    md5 = contents.md5 if found.keys() == contents.files.keys() else ""
    index_of(workspace, path).keep(Remembered(found, contents.files, md5))


def index_of(workspace: Workspace, path: Path) -> Index:
    """Return what is remembered of the files at or below a path."""
    inside = path.is_relative_to(workspace.root)
    return Index(workspace.state, path.relative_to(workspace.root).as_posix() if inside else path.as_posix())


class _Reading:
    """Finding the addresses of files, by what is remembered or by reading them."""

    def __init__(
        self, workspace: Workspace, places: Mapping[str, str], found: dict[str, Identity], held: Remembered
    ) -> None:
        self._workspace = workspace
        self._places = places
        self._found = found
        self._held = held
        self._started = time.time_ns()
        self._files: dict[str, str] = {}
        self._fresh: set[str] = set()

    def addresses(self, *, store: bool, tick: Tick | None = None, linker: Linker | None = None) -> dict[str, str]:
        """Return the address of each file, in the order of ``places``."""
        identities, addresses = self._held.identities, self._held.addresses
        known = {name: addresses[name] for name, seen in self._found.items() if identities.get(name) == seen}
        if store:
            is_sound = self._workspace.objects.is_sound
            known = {name: md5 for name, md5 in known.items() if is_sound(md5)}
        todo = [name for name in self._places if name not in known]
        self._fresh = set(todo)
        known.update(zip(todo, self._read(todo, store, tick, linker), strict=True))
        self._files = {name: known[name] for name in self._places}
        return self._files

    def check(self, after: Mapping[str, Identity]) -> None:
        """Compare what was read with what is there now.

        The time of a file that is the stored object itself may have become that of its seal, which is trusted at once.

        Raises:
            Conflict: a file changed meanwhile.
        """
        for name in self._fresh.copy():
            before, now = self._found[name], after[name]
            if (now[0], now[2]) == (before[0], before[2]) and sealed(now[1], self._files[name]):
                self._found[name] = now
                self._fresh.discard(name)
            elif now != before:
                raise _changed(self._places[name])

    def remembered(self, md5: str) -> Remembered:
        """Return what to remember: what was remembered before, and what is old enough for its time to be trusted."""
        limit = self._started - _SETTLED_NS
        sure = {name: seen for name, seen in self._found.items() if name not in self._fresh or seen[1] < limit}
        return Remembered(sure, self._files, md5 if len(sure) == len(self._files) else "")

    def _read(self, names: list[str], store: bool, tick: Tick | None, linker: Linker | None) -> list[str]:
        paths = [self._places[name] for name in names]
        done, total = len(self._places) - len(names), len(self._places)

        def told(count: int) -> None:
            if tick is not None:
                tick(done + count, total)

        try:
            if store:
                read = [stored.md5 for stored in self._workspace.objects.put_files(paths, linker=linker, tick=told)]
            else:
                read = _hashed(paths, told)
        except FileNotFoundError as error:
            raise _changed(str(error.filename)) from error
        except OSError as error:
            raise disk_error(error, Path(error.filename or paths[0]), doing="read") from error
        return read


def _hashed(paths: list[str], told: Callable[[int], None]) -> list[str]:
    from concurrent.futures import ThreadPoolExecutor  # what did not change needs none of it

    read: list[str] = []
    step = _BATCH * _THREADS
    with ThreadPoolExecutor(_THREADS) as threads:
        for start in range(0, len(paths), step):
            read += threads.map(md5_file, map(Path, paths[start : start + step]))
            told(len(read))
    return read


def _lost(workspace: Workspace, held: Remembered) -> bool:
    return not all(map(workspace.objects.is_sound, held.addresses.values()))


def _size(found: dict[str, Identity]) -> int:
    return sum(size for size, _, _ in found.values())


def scan_files(path: Path) -> dict[str, Identity]:
    """Return what the files at or below a path are recognised by, by relative POSIX path; of a file, under ``""``.

    Raises:
        NotFound, InvalidData, StorageError, Conflict: as ``read_contents``.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"there is no {path}", hint="check the path, or restore it: `mainspring data checkout NAME`"
        ) from None
    except OSError as error:
        raise disk_error(error, path, doing="read") from error
    if stat.S_ISREG(status.st_mode):
        return {"": identity(status)}
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidData(f"{path} is neither a file nor a folder", hint="name what is one", path=str(path))
    found: dict[str, Identity] = {}
    hidden = ignored.ignored_below(path)
    waiting = [""]
    while waiting:
        waiting += _scan_folder(str(path), waiting.pop(), found, hidden)
    if not found:
        raise NoFiles(f"the folder {path} holds no files", hint="put the data there first", path=str(path))
    return found


def _scan_folder(top: str, prefix: str, found: dict[str, Identity], hidden: frozenset[str]) -> list[str]:
    """Add the files of one folder to ``found``, and return the folders in it."""
    folder = f"{top}/{prefix}"[:-1] if prefix else top
    folders: list[str] = []
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # from here, the way to each file is short
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    name = entry.name
                    if name in IGNORED:
                        _refuse_patterns(folder, name)
                        continue
                    if hidden and prefix + name in hidden:
                        continue
                    if not name.isascii():
                        check_name(f"{folder}/{name}")
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{prefix}{name}/")
                    elif _is_file(entry):
                        found[prefix + name] = identity(entry.stat())
                    else:
                        _refuse_irregular(f"{folder}/{name}")
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise _changed(folder) from None
    except OSError as error:
        raise disk_error(error, Path(folder), doing="read") from error
    return folders


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False  # a link that leads in a circle


def _refuse_irregular(path: str) -> None:
    from mainspring.store.links import is_lost

    if is_lost(path):
        return
    if os.path.isdir(path):  # which DVC leaves out without a word
        raise InvalidData(
            f"{path} is a link to a folder, which is not followed",
            hint=f"replace it by what it points to, or name it in {ignored.FILE}",
            path=path,
        )
    raise InvalidData(
        f"{path} is no regular file", hint="remove it, or replace the link by what it points to", path=path
    )


def _refuse_patterns(folder: str, name: str) -> None:
    if name == ignored.FILE:
        path = f"{folder}/{name}"
        raise InvalidData(
            f"{path} lies in a dataset, where its patterns would change with its versions",
            hint=f"move them into the {ignored.FILE} of a folder above",
            path=path,
        )


def refuse_reserved(md5: str, names: Iterable[str]) -> None:
    """Refuse a version that holds what is never data: we and DVC add no such files, and git would obey some.

    Raises:
        InvalidData: so it is.
    """
    joined = "/\0/".join(("", *names, ""))
    if any(f"/{name}/" in joined for name in IGNORED):
        bad = next(name for name in joined.split("/\0/") if not IGNORED.isdisjoint(name.split("/")))
        raise InvalidData(
            f"the version {md5} holds '{bad}', which is never data; nothing was changed",
            hint="find out who made that version: neither mainspring nor DVC adds such files",
            md5=md5,
        )


def check_name(path: str) -> None:
    """Refuse a path that is not UTF-8, which pointers and listings cannot name.

    Raises:
        InvalidData: it is not.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "backslashreplace").decode()
        raise InvalidData(f"the name of {shown} is not UTF-8", hint="rename it", path=shown) from None


def _changed(path: str) -> Conflict:
    return Conflict(
        f"{path} changed while it was being read",
        hint="wait until whoever writes it is done, then run the same command again: nothing was recorded",
        path=path,
    )


def folder_address(files: dict[str, str]) -> str:
    """Return the address of a folder's listing, as DVC computes it."""
    import json  # as DVC; what did not change needs none of it

    rows = sorted(({"md5": md5, "relpath": name} for name, md5 in files.items()), key=lambda row: row["relpath"])
    return md5_bytes(json.dumps(rows, sort_keys=True).encode()) + ".dir"
