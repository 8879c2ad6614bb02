"""One commit as the log of a Delta table has it."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import Corrupted
from mainspring.versioning.marks import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.versioning.delta.sources import Source


_COMMIT = re.compile(r"(\d{20})\.json")
_FIELDS = {"parts": "partitionValues", "changes": "dataChange", "vector": "deletionVector"}
_TOGETHER = 16


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A commit: its moment in milliseconds since 1970, 0 where it says none, and whether it left rows and columns as they were.

    So do those of a vacuum, which say nothing but that, and of a compaction, whose files say that their data did not change.
    """

    at: int
    is_idle: bool
    added: list[File] = []
    removed: list[File] = []
    feed: list[File] = []


class File(msgspec.Struct, frozen=True, kw_only=True, rename=_FIELDS):
    """A file that a commit added, removed, or wrote for the change feed; ``parts`` are values as text.

    ``changes`` says whether rows changed by it, ``vector`` which of its rows are deleted beside it.
    """

    path: str = ""
    parts: dict[str, str | None] | None = None
    changes: bool | None = True
    vector: dict[str, Any] | None = None


class _Action(msgspec.Struct, frozen=True, kw_only=True, rename={"info": "commitInfo"}):
    info: dict[str, Any] | None = None
    add: File | None = None
    remove: File | None = None
    cdc: File | None = None

    @property
    def is_idle(self) -> bool:
        file = self.add or self.remove
        return self.info is not None or (file is not None and file.changes is False)


def read_entry(source: Source, version: int) -> Entry | None:
    """Return a commit; None where the log does not have it, or not any more.

    Raises:
        Corrupted: there is nothing in it, or what it says of itself cannot be read.
        OSError: the store does not answer, or refuses us.
    """
    content = _content(source, f"{LOG}/{version:020}.json")
    if content is None:
        return None
    lines = [line for line in content.splitlines() if line.strip()]
    try:
        actions = [msgspec.json.decode(line, type=_Action) for line in lines]
        told = [action.info for action in actions if action.info is not None]
        at = int(told[-1].get("timestamp") or 0) if told else 0
    except (msgspec.MsgspecError, TypeError, ValueError):
        lines = []
    if not lines:
        raise Corrupted(
            f"the log of the table {source.shown} is damaged: the commit of version {version} cannot be read",
            hint="bring the files of _delta_log back from a backup; nothing was read or written",
            table=source.shown,
            version=version,
        )
    return Entry(
        at=at,
        is_idle=all(action.is_idle for action in actions),
        added=[action.add for action in actions if action.add is not None],
        removed=[action.remove for action in actions if action.remove is not None],
        feed=[action.cdc for action in actions if action.cdc is not None],
    )


def broken_commits(source: Source) -> dict[int, Corrupted]:
    """Return the commits of a log that cannot be read, whether anything needs them or not. Each file of the log is read.

    Commits that the log does not have any more are none of them.

    Raises:
        OSError: the store does not answer, or refuses us.
    """

    def look(version: int) -> Corrupted | None:
        try:
            read_entry(source, version)
        except Corrupted as error:
            return error
        return None

    versions = sorted(int(found[1]) for name in log_files(source) if (found := _COMMIT.fullmatch(name)))
    with ThreadPoolExecutor(_TOGETHER if source.folder is None else 1) as pool:
        return {version: error for version, error in zip(versions, pool.map(look, versions), strict=True) if error}


def log_files(source: Source) -> list[str]:
    """Return the names of the files of a log.

    Raises:
        OSError: the store does not answer, or refuses us.
    """
    if source.folder is not None:
        return os.listdir(source.folder / LOG)  # noqa: PTH208 - names are all that is asked for
    with _answering():
        found = [each["path"] for batch in source.store.list(f"{LOG}/") for each in batch]
    return [path.removeprefix(f"{LOG}/") for path in found]


def _content(source: Source, name: str) -> bytes | None:
    """Return a file of the log; the library tells commits of older versions by wrong numbers."""
    try:
        if source.folder is not None:
            return (source.folder / name).read_bytes()
        with _answering():
            return bytes(source.store.get(name).bytes())
    except FileNotFoundError:
        return None


@contextmanager
def _answering() -> Iterator[None]:
    from obstore.exceptions import BaseError, NotFoundError

    try:
        yield
    except NotFoundError as error:
        raise FileNotFoundError(str(error)) from error
    except FileNotFoundError:
        raise
    except BaseError as error:
        raise OSError(str(error)) from error
