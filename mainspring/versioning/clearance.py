"""Removing from a remote what nothing needs any more."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Corrupted, NotFound, Refused
from mainspring.base.settings.dvc import find_outs
from mainspring.store.garbage import collect, has_records, needed
from mainspring.store.remotes import inventory
from mainspring.versioning.exchange import heal
from mainspring.versioning.named import named, named_now
from mainspring.versioning.remotes import open_remote
from mainspring.versioning.turns.repositories import alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace


class Clearance(msgspec.Struct, frozen=True, kw_only=True):
    """What nothing needs on a remote: how many objects and uploads that were interrupted, their bytes; and how many stay."""

    remote: str
    removed: bool
    objects: int
    bytes: int
    kept: int
    unfinished: int = 0


def clear(
    workspace: Workspace, remote: str, *, older_than_seconds: float, remove: bool = False, accept_lost: bool = False
) -> Clearance:
    """Find the objects of a remote that nothing needs, and with ``remove`` delete them there for good.

    Needed is what any record names, and what pointers name in the working tree or in any commit that git knows; of folders
    all files. What was written to the remote in the last ``older_than_seconds`` stays. Listings go before their files, so
    that an interrupted removal leaves no folder that looks whole. What uploads into a folder left half-way goes, too.

    Raises:
        ExternalToolError: git's history cannot be read, or is not whole.
        Refused: the listing of a folder that is needed is neither here nor there, or nothing was ever recorded here, and
            ``accept_lost`` does not say that what they would need may go; nothing is removed.
        Corrupted, StorageError: a listing, or the remote, cannot be read.
        Conflict: DVC is at work in the repository.
    """
    with alone(workspace) if remove else nullcontext():
        return _clear(workspace, remote, older_than_seconds=older_than_seconds, remove=remove, accept_lost=accept_lost)


def _clear(
    workspace: Workspace, remote: str, *, older_than_seconds: float, remove: bool, accept_lost: bool
) -> Clearance:
    with workspace.database.read() as connection:
        roots = needed(connection, named(workspace.root))
    store = open_remote(workspace, remote)
    limit = time.time() - older_than_seconds
    held = inventory.held(store)
    keep = _with_files(workspace, roots, {item.md5 for item in held}, remote, accept_lost=accept_lost)
    doomed = [item for item in held if item.md5 not in keep and item.written < limit]
    if doomed and not accept_lost and lacks_records(workspace):
        raise refusal_without_records()
    unfinished = {file: status for file, status in _statuses(inventory.unfinished(store)) if status.st_mtime < limit}
    if remove:
        for file in unfinished:
            file.unlink(missing_ok=True)
        listings = {item.md5 for item in doomed if item.md5.endswith(".dir")}
        inventory.delete(store, listings)
        inventory.delete(store, {item.md5 for item in doomed} - listings)
    return Clearance(
        remote=store.name,
        removed=remove,
        objects=len(doomed),
        bytes=sum(item.size for item in doomed) + sum(status.st_size for status in unfinished.values()),
        kept=len(held) - len(doomed),
        unfinished=len(unfinished),
    )


def lacks_records(workspace: Workspace) -> bool:
    """Say whether nothing was ever recorded here: then records may be lost, or be somewhere else, and what they need with them.

    In a repository of DVC's they are not missed: its pointers are all there is.
    """
    return not (workspace.is_dvc_repository or has_records(workspace.database))


def refusal_without_records() -> Refused:
    """Return what to raise where something would go that no record needs, because there are none."""
    return Refused(
        "nothing was ever recorded here, so what runs and models need is not known; nothing was removed",
        hint="put the database back from a copy, or name it (state.database); if there is none to miss, say --accept-lost",
    )


def refuse_unknown(workspace: Workspace, others: set[str]) -> None:
    """Refuse to collect garbage here where something would go of which is not known whether it is needed.

    That is where nothing was ever recorded, and where a pointer of the working tree names a folder whose listing is gone: its
    files cannot be told from garbage. ``others`` is what all pointers name.

    Raises:
        Refused: so it is.
    """
    folders = {md5 for _, md5 in named_now(find_outs(workspace.root)) if md5.endswith(".dir")}
    unlisted = sorted(md5 for md5 in folders if not _is_listed(workspace, md5))
    unrecorded = lacks_records(workspace)
    if not (unlisted or unrecorded) or not collect(workspace.database, workspace.objects, others=others).objects:
        return
    if unrecorded:
        raise refusal_without_records()
    more = f" and {len(unlisted) - 3} more" if len(unlisted) > 3 else ""
    raise Refused(
        f"a pointer names a folder whose listing is not in the store ({', '.join(unlisted[:3])}{more}), so the files that "
        "it needs are not known; nothing was removed",
        hint="fetch it (mainspring data fetch) or add the same data again; if its files may go, say --accept-lost",
        lost=unlisted,
    )


def _is_listed(workspace: Workspace, md5: str) -> bool:
    try:
        workspace.objects.listing(md5)
    except NotFound:
        return False
    return True


def _statuses(files: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for file in files:
        with suppress(FileNotFoundError):  # an upload that has just ended
            yield file, file.stat()


def _with_files(workspace: Workspace, roots: set[str], there: set[str], remote: str, *, accept_lost: bool) -> set[str]:
    """Add the files of folders; listings that are not here are fetched."""
    keep = set(roots)
    listings = sorted(md5 for md5 in roots if md5.endswith(".dir"))
    heal(workspace, [md5 for md5 in listings if md5 in there], remote=remote)
    lost = []
    for md5 in listings:
        try:
            keep.update(entry.md5 for entry in workspace.objects.listing(md5))
        except NotFound:
            if md5 in there:
                raise Corrupted(
                    f"the listing {md5} on the remote '{remote}' is damaged, so the files that it needs are not known; "
                    "nothing was removed",
                    hint=f"from a workspace that has it: mainspring data push --all-versions --replace --remote {remote}",
                    md5=md5,
                ) from None
            lost.append(md5)
    if lost and not accept_lost:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise Refused(
            f"the listing {', '.join(lost[:3])}{more} is neither here nor on the remote '{remote}', so the files that it needs "
            "are not known; nothing was removed",
            hint="push it from a workspace that has it; if that version is lost anyway, say --accept-lost",
            lost=lost,
        )
    return keep
