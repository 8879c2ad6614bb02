"""What stages read and write while they run: DVC's ``.dvc/tmp/rwlock``, since the repository itself is free meanwhile."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Conflict, InvalidData
from mainspring.base.files import disk_error, write_unsafely
from mainspring.versioning.turns.locks import is_alive
from mainspring.versioning.turns.waiting import described, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mainspring.versioning.turns.locks import LockFile

FILE = "rwlock"
GUARD = "rwlock.lock"
_ROUNDS = 20
_PAUSE_SECONDS = 0.05


class _Process(msgspec.Struct, frozen=True):
    pid: int
    cmd: str


class _Busy(msgspec.Struct):
    """Paths, or what DVC has for addresses beyond this machine, and the processes that are at work on them."""

    write: dict[str, _Process] = {}
    read: dict[str, list[_Process]] = {}


def refuse_busy(folder: Path, *, reads: Sequence[Path] = (), writes: Sequence[Path] = ()) -> None:
    """Refuse to read what a stage writes at the moment, or to write what one reads; ``folder`` is DVC's for such files.

    Processes count that live, but not this one, nor those that started it: a stage may call us for what it writes.

    Raises:
        Conflict: a stage is at work there.
        InvalidData: the file cannot be read.
    """
    if not reads and not writes:
        return
    busy = _read(folder / FILE)
    wanted = [*((path, [one]) for path, one in busy.write.items() if _overlaps(path, (*reads, *writes)))]
    wanted += [(path, many) for path, many in busy.read.items() if _overlaps(path, writes)]
    for path, processes in wanted:
        for process in processes:
            if is_alive(process.pid) and process.pid not in _own():
                raise Conflict(
                    f"a stage that runs at the moment is at work on {path}: {described(process.pid)}",
                    hint="wait until it is done, then run the same command again",
                    path=path,
                    pid=process.pid,
                )


@contextmanager
def at_work(
    folder: Path, guard: Callable[[], LockFile], *, reads: Sequence[Path], writes: Sequence[Path]
) -> Iterator[None]:
    """Tell DVC what this process reads and writes, until the block ends.

    Raises:
        Conflict, StorageError: as ``wait_for``.
        InvalidData: the file cannot be read.
    """
    own = _Process(os.getpid(), " ".join(sys.argv))
    with _edited(folder, guard) as busy:
        added = [str(path) for path in writes if busy.write.get(str(path)) != own]
        read = [str(path) for path in reads if own not in busy.read.get(str(path), [])]
        busy.write |= dict.fromkeys(added, own)
        busy.read |= {path: [*busy.read.get(path, []), own] for path in read}
    try:
        yield
    finally:
        with _edited(folder, guard) as busy:
            busy.write = {path: one for path, one in busy.write.items() if path not in added or one != own}
            left = {path: [one for one in many if one != own or path not in read] for path, many in busy.read.items()}
            busy.read = {path: many for path, many in left.items() if many}


@contextmanager
def _edited(folder: Path, guard: Callable[[], LockFile]) -> Iterator[_Busy]:
    lock = guard()
    wait_for(lock, folder)
    try:
        busy = _read(folder / FILE)
        yield busy
        write_unsafely(folder / FILE, msgspec.json.encode(busy))
    finally:
        lock.release()


def _read(file: Path) -> _Busy:
    """Return what a file says. DVC writes it over, so one that is read in the middle of that is read again."""
    for _ in range(_ROUNDS):
        try:
            return msgspec.json.decode(file.read_bytes(), type=_Busy)
        except FileNotFoundError:
            return _Busy()
        except PermissionError as error:
            raise disk_error(error, file, doing="read") from error
        except msgspec.MsgspecError:
            time.sleep(_PAUSE_SECONDS)
    raise InvalidData(
        f"{file}, in which DVC keeps what stages read and write while they run, cannot be read",
        hint="if no dvc runs in that repository, remove the file",
        path=str(file),
    )


def _overlaps(path: str, wanted: Sequence[Path]) -> bool:
    place = Path(path)
    return any(place.is_relative_to(one) or one.is_relative_to(place) for one in wanted)


def _own() -> set[int]:
    import psutil

    try:
        return {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    except psutil.Error:
        return {os.getpid(), os.getppid()}
