"""What a source has at one moment, and what can be asked of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from mainspring.base.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Moved = Callable[[int], None]
    """Called with the bytes that came, now and then."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a source at one moment, without its content.

    ``etag`` tells it from any other content, as DVC spells that for this kind of source; ``tag`` is how the server does, and
    ``version`` its name where old contents are kept. ``size`` is in bytes, None where nobody says.
    """

    etag: str
    size: int | None = None
    version: str | None = None
    tag: str | None = None
    executable: bool = False
    is_told: bool = True
    """Whether the server told ``etag``, or at least when the file was written, so that another content has another one."""


class Source(Protocol):
    """Where data comes from. Every failure is a ``StorageError`` that says what happened and what to do."""

    address: str
    key: str
    """Under which word of a pointer DVC keeps ``etag``."""

    def look(self, *, versions: bool = False) -> dict[str, Seen]:
        """Return its files by their paths below it; of a single file, under ``""``. With ``versions``, those are asked for.

        Raises:
            NotFound: there is nothing.
            InvalidData: a file has a path that means a place elsewhere.
        """

    def read(self, name: str, seen: Seen, target: Path, moved: Moved) -> tuple[str, int]:
        """Write a file of it, as it was seen, to where none is; return md5 and size. It may hold anything when this raises.

        Raises:
            Conflict: it is another one by now.
            NotFound: it is not there any more.
            OSError: the file cannot be written.
        """


def changed(address: str, name: str = "") -> Conflict:
    """Return the error for a source that somebody writes to while it is read."""
    place = f"{address.rstrip('/')}/{name}" if name else address
    return Conflict(
        f"{place} changed while it was being downloaded; nothing of it was kept",
        hint="wait until whoever writes there is done, then run the same command again",
        address=address,
    )
