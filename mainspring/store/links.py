"""Ways of having the same bytes at a second place: a reflink, a hard link, a symbolic one, a copy."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.base.errors import Corrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.base.settings.schema import Link

_FICLONE = 0x40049409
_CANNOT = (
    errno.EXDEV,
    errno.EPERM,
    errno.EMLINK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTTY,
)


SHARED = frozenset({"hardlink", "symlink"})
"""Kinds by which the second place is the file itself."""


class Linker:
    """Makes second places of files in the first of ``kinds`` that the file systems can do; ``copy`` always can.

    What could not be done once is not tried again. ``made`` is the kind of the last one, None as long as there is none.
    """

    made: Link | None = None

    def __init__(self, kinds: Sequence[Link]) -> None:
        self._kinds: list[Link] = [*dict.fromkeys((*kinds, "copy"))]

    @property
    def used(self) -> Link:
        """The kind that is made now."""
        return self._kinds[0]

    def make(self, source: str, target: str, *, mode: int | None = None, md5: str | None = None) -> Link:
        """Make ``target``, which must not exist, hold what ``source`` holds; a link keeps the source's mode.

        Who may use the others says the umask, unless ``mode`` does.

        With ``md5`` a copy is compared with that on the way, and sealed. Links and reflinks are not read.

        Raises:
            Differs: the copy is something else; there is none.
        """
        for kind in list(self._kinds):
            try:
                if kind == "copy" and md5 is not None:
                    _copy_checked(source, target, md5)
                else:
                    _MAKE[kind](source, target)
                if kind not in SHARED and mode is not None:
                    os.chmod(target, mode)
            except OSError as error:
                if error.errno != errno.EEXIST:  # what was there is not ours
                    with suppress(FileNotFoundError):
                        os.unlink(target)
                if kind == "copy" or error.errno not in _CANNOT:
                    raise
                if error.errno != errno.EMLINK:  # this one file has too many links; others may have more
                    with suppress(ValueError):  # another thread found out at the same time
                        self._kinds.remove(kind)
            else:
                self.made = kind
                return kind
        raise AssertionError("a copy was made or has failed")


class Differs(Corrupted):
    """What was copied is not what was to be copied."""


def _copy_checked(source: str, target: str, md5: str) -> None:
    from mainspring.store.copying import copy_hashing

    found, _ = copy_hashing(source, target, mode=0o666)
    if found != md5:
        os.unlink(target)
        raise Differs(
            f"what was copied of {source} is not what was stored", hint="verify the store: mainspring data verify"
        )


def _reflink(source: str, target: str) -> None:
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOTSUP, "reflinks are made on Linux only")
    import fcntl

    reader = os.open(source, os.O_RDONLY)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            fcntl.ioctl(writer, _FICLONE, reader)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _hardlink(source: str, target: str) -> None:
    os.link(source, target)


def _symlink(source: str, target: str) -> None:
    os.symlink(os.path.abspath(source), target)


def _copy(source: str, target: str) -> None:
    import shutil  # seldom needed, and slow to load

    shutil.copyfile(source, target)


_MAKE: dict[Link, Callable[[str, str], None]] = {
    "reflink": _reflink,
    "hardlink": _hardlink,
    "symlink": _symlink,
    "copy": _copy,
}


def is_lost(path: str) -> bool:
    """Say whether a path is a link to a stored object that is not there any more."""
    import re  # links that lead nowhere are rare

    try:
        return re.search(r"/[0-9a-f]{2}/[0-9a-f]{30}$", os.readlink(path)) is not None and not os.path.exists(path)
    except OSError:  # it is no link, or not there
        return False
