"""Making a dataset of what came from elsewhere, under a pointer that says where that is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import UsageError
from mainspring.base.files import write_atomic
from mainspring.versioning.checkout import checkout
from mainspring.versioning.places import refuse_linked, refuse_outside, refuse_taken
from mainspring.versioning.pointers import find_pointer, write_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Contents
    from mainspring.versioning.known import DatasetVersion


def refuse_place(workspace: Workspace, out: Path) -> None:
    """Refuse a place where no dataset may be.

    Raises:
        UsageError, Conflict: as ``data add`` refuses it.
    """
    if not out.is_relative_to(workspace.root):
        raise UsageError(f"{out} is not inside the workspace {workspace.root}", hint="name a place there with --out")
    refuse_outside(workspace, out)
    refuse_linked(workspace, out)
    refuse_taken(workspace, out.relative_to(workspace.root).as_posix(), out)


def put_in_place(
    workspace: Workspace,
    out: Path,
    contents: Contents,
    origin: dict[str, Any],
    *,
    force: bool,
    executable: bool | None = None,
) -> DatasetVersion:
    """Make a dataset at ``out`` of stored contents; its pointer holds ``origin``. On failure it is as it was.

    ``executable`` says whether its owner may execute a file.

    Raises:
        Refused: files at ``out`` are in no version; ``force`` loses them.
        Conflict, Corrupted, StorageError: as ``checkout``.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with _undone(find_pointer(out)):
        write_pointer(out, contents, origin=origin, executable=executable)
        return checkout(workspace, out, force=force)


@contextmanager
def _undone(file: Path) -> Iterator[None]:
    """Make a file what it was if what follows fails."""
    before = file.read_bytes() if file.is_file() else None
    try:
        yield
    except BaseException:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            write_atomic(file, before)
        raise
