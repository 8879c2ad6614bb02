"""A remote: a store of another machine, or another folder, and how it is spoken to."""

from __future__ import annotations

import re
import time
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from mainspring.base.clock import milliseconds
from mainspring.base.errors import MainspringError, NotFound
from mainspring.store.remotes.authorities import placed
from mainspring.store.remotes.opening import key_prefix, local_folder, open_store, prepare_folder
from mainspring.store.remotes.s3 import signed_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from obstore.store import ObjectStore

    from mainspring.base.settings.schema import RemoteSettings

    Moved = Callable[[int], None]
    """Called with the bytes that moved, now and then."""

Result = TypeVar("Result")

FOLDER = "files/md5"
_ROUNDS = 3
_TRIED = re.compile(r"after [1-9]\d* retries")


def unseen(_: int) -> None:
    """Nobody watches what moves."""


class Remote:
    """Where objects are kept in DVC 3's layout. ``inventory``, ``uploads`` and ``downloads`` are what is done with one.

    ``signed`` is what it takes to ask S3 without its client, where that can be done. Whether the store takes conditions, and
    whether its entity tags are md5s, is found out on the way. Every failure is a ``StorageError`` that says what happened and
    what to do.
    """

    def __init__(self, name: str, settings: RemoteSettings, root: Path, *, write: bool = False) -> None:
        self.name = name
        self.url = settings.url
        self.place = local_folder(settings.url, root)
        self.settings = settings = placed(settings, root)
        self.folder = f"{key_prefix(settings.url)}{FOLDER}"
        self.timeout = milliseconds(settings.timeout) / 1000
        self.signed = signed_place(settings)
        self._open = partial(open_store, settings, root, write=write)
        if self.place is not None:
            prepare_folder(self.place, write=write)
        elif self.signed is None:
            _ = self.store  # what is wrong with it is said now
        self.takes_conditions = True
        self.tags_are_md5 = True

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return self.place is not None

    @cached_property
    def store(self) -> ObjectStore:
        """The store by its client, which listings may do without."""
        return self._open()

    def file(self, md5: str) -> str | None:
        """Return where an object is in the file system, if the remote is a folder."""
        return None if self.place is None else f"{self.place}/{self.path(md5)}"

    def path(self, md5: str) -> str:
        """Return where an object is in the store."""
        return f"{self.folder}/{md5[:2]}/{md5[2:]}"

    def address(self, path: str) -> str:
        """Return the address of an object by its path; of anything else, what is none."""
        start = len(self.folder) + 1
        return path[start : start + 2] + path[start + 3 :]

    def patiently(self, doing: str, request: Callable[[], Result], *, md5: str | None = None) -> Result:
        """Make a request once or twice more where that may help and the store's client has not tried it again itself."""
        for attempt in range(1, _ROUNDS + 1):
            try:
                return request()
            except MainspringError:
                raise
            except Exception as error:
                from obstore.exceptions import BaseError  # with the client, which a folder may never have needed

                from mainspring.store.remotes.failures import explained, is_passing

                if not isinstance(error, (FileNotFoundError, BaseError)):
                    raise
                missing = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error)
                if missing and md5 is not None:
                    raise NotFound(f"the object {md5} is not on the remote '{self.name}'", md5=md5) from None
                if attempt == _ROUNDS or _TRIED.search(str(error)) or not is_passing(error):
                    raise explained(error, remote=self.name, url=self.url, doing=doing) from None
                import random

                time.sleep(random.uniform(0.5, 1) * attempt)  # noqa: S311 - clients should not come back all at once
        raise AssertionError("the last round returns or raises")
