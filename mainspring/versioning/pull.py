"""Versions that pointers name, from a remote onto the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import Corrupted, NotFound
from mainspring.versioning.checkout import checkout
from mainspring.versioning.contents import refuse_reserved
from mainspring.versioning.displaced import files_at, refuse_changed, refuse_loss, refuse_obstacles, watch
from mainspring.versioning.exchange import Exchange, fetch_wanted, heal
from mainspring.versioning.turns.repositories import alone
from mainspring.versioning.verification import verify
from mainspring.versioning.wanted import Wanted, choose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick
    from mainspring.versioning.moving import Moved
    from mainspring.versioning.verification import Damage


def pull(
    workspace: Workspace,
    targets: Sequence[str] = (),
    *,
    remote: str | None = None,
    force: bool = False,
    tick: Moved | None = None,
) -> Exchange:
    """Fetch what pointers name and make the disk hold exactly that; of a part of a folder, only the files of that part.

    A pointer that no record knows (somebody else added the data) is recorded as the next version of its dataset. An object
    that turns out damaged here goes to quarantine and is fetched once more.

    Raises:
        NotFound, Corrupted, StorageError: as ``fetch``.
        Refused: files on disk are in no version (``force`` loses them), or something else is in the way.
        Conflict: DVC is at work in the repository.
    """
    with alone(workspace):
        wanted = choose(workspace, targets)
        done = fetch_wanted(workspace, wanted, remote=remote, tick=tick)
        for item in wanted:
            try:
                _put_on_disk(workspace, item, force=force)
            except Corrupted:
                _heal(workspace, item, remote)
                _put_on_disk(workspace, item, force=force)
        return done


def verify_and_heal(
    workspace: Workspace, name: str | None = None, *, remote: str | None = None, tick: Tick | None = None
) -> tuple[list[str], list[Damage]]:
    """Re-hash stored objects and fetch those that are missing or damaged; return what was healed, and what is bad still.

    Raises:
        NotFound: no such dataset.
        UsageError, StorageError: as ``heal``.
    """
    healed: list[str] = []
    damages = verify(workspace, name, tick=tick)
    while damages:
        again = heal(workspace, [damage.md5 for damage in damages], remote=remote)
        healed += again
        if not again:
            break
        damages = verify(workspace, name, tick=tick)  # a listing that is back may name files that are not
    return healed, damages


def _put_on_disk(workspace: Workspace, item: Wanted, *, force: bool) -> None:
    assert item.path is not None, "what pointers name has a path"
    if item.part:
        _restore_part(workspace, item, item.path, force=force)
        return
    checkout(workspace, item.path, force=force)


def _restore_part(workspace: Workspace, item: Wanted, path: Path, *, force: bool) -> None:
    found = [entry for entry in workspace.objects.listing(item.md5) if item.takes(entry.relpath)]
    if not found:
        raise NotFound(
            f"{item.what} has no file or folder '{item.part}'",
            hint=f"see the listing: mainspring data pull {item.what}",
        )
    refuse_reserved(item.md5, (entry.relpath for entry in found))
    with alone(workspace, writes=[path]):
        wanted = {entry.relpath: entry.md5 for entry in found}
        present = files_at(path, wanted)
        changed = {name: md5 for name, md5 in wanted.items() if present.get(name) != md5}
        leaving = [name for name in changed if name in present]
        seen = watch(path, changed)
        refuse_obstacles(path, changed, leaving)
        refuse_loss(workspace, path, present, leaving, force=force)
        if not force:
            refuse_changed(path, seen, present)
        for name, md5 in changed.items():
            workspace.objects.restore(md5, path / name)


def _heal(workspace: Workspace, item: Wanted, remote: str | None) -> None:
    """Look at every object of a version again, and fetch those that are damaged."""
    heal(workspace, [item.md5], remote=remote)  # a listing that is in quarantine by now
    files = [item.md5]
    if item.md5.endswith(".dir"):
        files = [entry.md5 for entry in workspace.objects.listing(item.md5) if item.takes(entry.relpath)]
    heal(workspace, [md5 for md5, _ in workspace.objects.verify(files)], remote=remote)
