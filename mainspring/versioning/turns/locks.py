"""The files that are locks, as DVC has them: an flock, or with ``core.hardlink_lock`` a hard link."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event

_LIFE_SECONDS = 60.0
_BEAT_SECONDS = 15.0
_SEPARATOR = "|"
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class LockFile(Protocol):
    """A file that is a lock. One object is one attempt to hold it, and may try again."""

    file: Path

    def take(self) -> bool:
        """Take it unless somebody has it; never waits."""

    def release(self) -> None:
        """Let go of it."""

    def holder(self) -> int | None:
        """Return the process of this machine that has it, as far as the file tells."""


class Flock:
    """DVC's usual lock: an flock of a file, which says the number of the process. It goes with the process, however that ends."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take it unless somebody has it; never waits."""
        import fcntl  # no part of Python on every system

        descriptor = _opened(self.file)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                return False
            raise
        with suppress(OSError):  # a colleague's, which one may hold and not write
            os.pwrite(descriptor, said := f" {os.getpid()}\n".encode(), 0)
            os.ftruncate(descriptor, len(said))
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go of it, for children too that were forked meanwhile."""
        import fcntl

        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """Return the process that the file names, if it lives."""
        with suppress(OSError, ValueError):
            pid = int(self.file.read_text())
            return pid if pid > 0 and is_alive(pid) else None
        return None


class Hardlink:
    """DVC's lock for file systems without flock (``core.hardlink_lock``), as flufl.lock makes it: a file with a second name.

    DVC's own does not say whose it is, and stays when its process is killed. Ours says it, and DVC breaks it a minute after our
    process has ended; a thread keeps it fresh until then.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._claim = ""
        self._ended: Event | None = None

    def take(self) -> bool:
        """Take it unless somebody has it; never waits. One of ours, whose process is gone, is removed."""
        from secrets import randbelow

        said = _SEPARATOR.join((str(self.file), os.uname().nodename, str(os.getpid()), str(randbelow(1 << 62))))
        claim = Path(said)
        claim.write_text(said)
        try:
            _touch(claim)
            if not _linked(claim, self.file) and not (self._is_left() and self._broken() and _linked(claim, self.file)):
                return False
            self._claim = said
            self._begin_to_beat()
            return True
        finally:
            if not self._claim:
                claim.unlink(missing_ok=True)

    def release(self) -> None:
        """Let go of it, unless somebody broke it."""
        if self._ended is not None:
            self._ended.set()
        if self._claim:
            if self._said() == self._claim:
                self.file.unlink(missing_ok=True)
            Path(self._claim).unlink(missing_ok=True)
            self._claim = ""

    def holder(self) -> int | None:
        """Return the process that the file names, if it is one of this machine and lives."""
        host, pid = self._owner()
        return pid if pid is not None and host == os.uname().nodename and is_alive(pid) else None

    def _said(self) -> str:
        with suppress(OSError):
            return self.file.read_text()
        return ""

    def _owner(self) -> tuple[str, int | None]:
        parts = self._said().rsplit(_SEPARATOR, 3)
        return (parts[1], int(parts[2])) if len(parts) == 4 and parts[2].isdigit() else ("", None)

    def _is_left(self) -> bool:
        host, pid = self._owner()
        return pid is not None and host == os.uname().nodename and not is_alive(pid)

    def _broken(self) -> bool:
        """Remove what a process that is gone left; put it back if it is another's by now."""
        left = self._said()
        aside = self.file.with_name(f"{self.file.name}.{os.getpid()}.left")
        try:
            self.file.rename(aside)
        except FileNotFoundError:
            return True
        is_same = aside.read_text() == left
        if not is_same:
            _linked(aside, self.file)
        elif left.startswith(f"{self.file}{_SEPARATOR}"):
            Path(left).unlink(missing_ok=True)
        aside.unlink()
        return is_same

    def _begin_to_beat(self) -> None:
        import threading

        ended = self._ended = threading.Event()
        claim = Path(self._claim)

        def beat() -> None:
            while not ended.wait(_BEAT_SECONDS):
                with suppress(OSError):
                    _touch(claim)

        threading.Thread(target=beat, name="dvc-lock", daemon=True).start()


def is_alive(pid: int) -> bool:
    """Say whether there is a process of that number on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _opened(file: Path) -> int:
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        if not os.access(file, os.R_OK):
            raise
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)


def _touch(claim: Path) -> None:
    until = time.time() + _LIFE_SECONDS
    os.utime(claim, (until, until))


def _linked(claim: Path, file: Path) -> bool:
    """Give a claim the lock's name; some servers say that this failed when it did not."""
    try:
        os.link(claim, file)
    except FileExistsError:
        return claim.stat().st_nlink == 2
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESTALE):
            raise
        return claim.stat().st_nlink == 2
    return True
