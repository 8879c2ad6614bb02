"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mainspring.base.errors import StorageError
from mainspring.base.folders import make
from mainspring.base.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

_DISK_HINTS = {
    errno.ENOSPC: "free some space on the disk, then run the same command again: nothing was lost",
    errno.EDQUOT: "free some of the quota, then run the same command again: nothing was lost",
    errno.EFBIG: "raise the file size limit (ulimit -f), then run the same command again: nothing was lost",
    errno.EROFS: "the file system is read-only: point the workspace to a writable one",
    errno.EACCES: "check the permissions of that path",
    errno.EPERM: "check the permissions of that path",
    errno.EIO: "the disk reported an input/output error: check it, then run the same command again",
    errno.ENAMETOOLONG: "give it a shorter name, or put it into fewer folders: disks take names of some 255 bytes",
    errno.ELOOP: "links lead in a circle there: remove them, then run the same command again",
    errno.EISDIR: "a folder is in the way: move it elsewhere, then run the same command again",
    errno.ENOTDIR: "what is no folder is in the way: move it elsewhere, then run the same command again",
    errno.EEXIST: "something is in the way: move it elsewhere, then run the same command again",
    errno.EMFILE: "raise the limit of open files (ulimit -n), then run the same command again",
}
_SHOWN = 100
"""So many bytes of a name its temporary name has at most; those of a name in another script are up to four a character."""


def write_atomic(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file so that after a crash at any moment it holds either its old content or all of the new.

    Temporary file in the same folder, fsync, rename, fsync of the folder. On failure nothing is left behind. Without a ``mode``
    who may read it is what the umask says; with one, nobody else may at any moment.
    """

    def private(place: str, flags: int) -> int:
        return os.open(place, flags, 0o666 if mode is None else mode)

    with staged(path, mode=mode) as temporary, open(temporary, "xb", opener=private) as file:
        file.write(data)


def write_unsafely(path: Path, data: bytes) -> None:
    """Write a file of a cache: whole or not at all, but not durable; where it cannot be written, it is left out."""
    temporary = path.with_name(f"{path.name}.{new_id()[-12:]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def staged(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on leaving without an error it becomes ``path``, durably.

    Without a ``mode`` it keeps the one that it was made with.

    Raises:
        StorageError: the disk is full, read-only or not writable for us, or something is in the way; nothing is left behind.
    """
    shown = path.name[: _SHOWN if path.name.isascii() else _SHOWN // 4]
    temporary = path.parent / f".{shown}.{new_id()[-12:]}.tmp"
    try:
        make(path.parent)
        yield temporary
        sync_file(temporary)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno not in _DISK_HINTS:
            raise
        raise disk_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Force a file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Force a folder's entries to the disk."""
    sync_file(path)


def explained(error: OSError) -> StorageError | None:
    """Return what the disk or the machine did not do; None where it is likelier that we asked for the wrong thing."""
    if error.errno not in _DISK_HINTS:
        return None
    named = error.filename2 or error.filename
    if named is None:
        said = f"a file, or the output, cannot be written: {os.strerror(error.errno).lower()}"
        return StorageError(said, hint=_DISK_HINTS[error.errno], errno=error.errno)
    return disk_error(error, Path(os.fsdecode(named)), doing="use")


def disk_error(error: OSError, path: Path, *, doing: Literal["read", "write", "use"] = "write") -> StorageError:
    """Translate what the operating system said into what to do about it."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    hint = _DISK_HINTS.get(error.errno or 0, "check the disk, then run the same command again")
    return StorageError(f"cannot {doing} {path}: {reason}", hint=hint, path=str(path), errno=error.errno)
