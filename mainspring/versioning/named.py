"""What pointers name: in the working tree, in what git is about to commit, and in any commit that it knows."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import ExternalToolError, InvalidData, StorageError
from mainspring.base.files import disk_error
from mainspring.base.folders import walk
from mainspring.versioning.pointers import pointed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_ADDRESS = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?\b")
_PLACES = (":(top)*.dvc", ":(top)dvc.lock", ":(top)*/dvc.lock")
_HISTORY = (
    "log", "--all", "--reflog", "-p", "-m", "--text", "--no-ext-diff", "--no-textconv", "--no-renames", "--format=",
    "--no-color",
)  # fmt: skip
_SETTINGS = {
    "log.showRoot": "true",
    "log.showSignature": "false",
    "log.follow": "false",
    "diff.relative": "false",
    "diff.orderFile": os.devnull,
    "core.useReplaceRefs": "false",
}
"""What git is told for the one or the other project, and by which it would keep something back."""


def named(folder: Path) -> set[str]:
    """Return every address that a pointer below ``folder`` names, or named in git's index or in any commit that it knows there.

    Those of ``dvc.lock`` count too, and so does whatever looks like an address in what an old DVC wrote or cannot be parsed.

    Raises:
        StorageError: a pointer, or a folder that may hold some, cannot be read, so what is named is not known.
        ExternalToolError: so it is with git or its history.
    """
    return set(_ADDRESS.findall(said(folder, _is_pointer, _PLACES)))


def named_now(outs: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Give files and folders with the address that their pointer or ``dvc.lock`` names, where remotes keep it.

    Left out are pointers that cannot be read or are of DVC 2, as ``data status`` tells, and what comes from elsewhere.
    """
    for out in outs:
        with suppress(InvalidData):
            md5, is_pushed = pointed(out)
            if md5 is not None and is_pushed:
                yield out, md5


def said(folder: Path, is_meant: Callable[[str], bool], places: Sequence[str]) -> str:
    """Return what files below a folder say, ``is_meant`` by their names, and what git has of those at ``places``: in no order.

    Raises:
        StorageError, ExternalToolError: as ``named``.
    """
    try:
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in _files(folder, is_meant)]
    except OSError as error:
        raise _unread(error) from error
    return "\n".join([*texts, said_in_git(folder, places)])


def said_in_git(folder: Path, places: Sequence[str]) -> str:
    """Return what files of the repository around a folder say in its index, and said in any commit: all of it, in no order.

    Branches, tags, stashes, other working trees and what only the log of references still knows are among the commits.

    Raises:
        ExternalToolError: git or its history cannot be read, or is not whole.
    """
    if not any(os.path.lexists(place / ".git") for place in (folder, *folder.parents)):
        return ""
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() != b"false":
        raise ExternalToolError(
            f"the history of {folder} is not whole, so what older commits name is not known",
            hint="get the rest: git fetch --unshallow",
        )
    entries = _git(folder, "ls-files", "-z", "--stage", "--", *places).split(b"\0")
    blobs = [entry.split(b" ", 2)[1] for entry in entries if entry]  # of those in conflict, every side
    staged = _git(folder, "cat-file", "--batch", feed=b"\n".join(blobs) + b"\n") if blobs else b""
    history = _git(folder, *_HISTORY, "--", *places)
    return b"\n".join([staged, history]).decode(errors="replace")


def _is_pointer(name: str) -> bool:
    return name.endswith(".dvc") or name == "dvc.lock"


def _files(folder: Path, is_meant: Callable[[str], bool]) -> Iterator[Path]:
    for parent, folders, names in walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if name not in {".git", ".mainspring"}]
        for name in names:
            if is_meant(name) and (path := Path(parent, name)).is_file():
                yield path


def _refuse(error: OSError) -> None:
    raise _unread(error) from error


def _unread(error: OSError) -> StorageError:
    told = disk_error(error, Path(error.filename), doing="read")
    return StorageError(
        f"{told.message}, so what pointers name there is not known", hint=told.hint, path=str(error.filename)
    )


def _git(folder: Path, *words: str, feed: bytes | None = None) -> bytes:
    from mainspring.base.git import failed, run_git  # a look at a pointer does without

    done = run_git(list(words), folder, feed=feed, settings=_SETTINGS)
    if done.returncode != 0:
        error = failed(list(words), done)
        raise ExternalToolError(f"git could not read the history of {folder}: {error.message}", hint=error.hint)
    return done.stdout
