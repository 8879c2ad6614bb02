"""Objects between the workspace and its remotes: push, fetch, pull."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mainspring.base.errors import Corrupted, NotFound
from mainspring.store.remotes import inventory
from mainspring.versioning.contents import index_of
from mainspring.versioning.moving import Count, download, send
from mainspring.versioning.remotes import open_remote
from mainspring.versioning.turns.repositories import alone, turns
from mainspring.versioning.wanted import Wanted, choose

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.moving import Moved


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """What went to a remote or came from it; ``present`` counts objects that were there already.

    ``lost`` names objects that only history needs, and that are neither here nor there.
    """

    remote: str
    objects: int
    bytes: int
    present: int
    lost: list[str] = []


def push(
    workspace: Workspace,
    targets: Sequence[str] = (),
    *,
    remote: str | None = None,
    all_versions: bool = False,
    models: bool = False,
    replace: bool = False,
    tick: Moved | None = None,
) -> Exchange:
    """Upload what the remote does not have yet; the listing of a folder comes after all of its files.

    What ``choose`` returns is meant, but for what its pointer keeps from remotes. Everything that can be uploaded is, before an
    object that is missing or damaged here is complained of. An interrupted push is done again, and goes on where it was. With
    ``replace`` objects that are there already are written again.

    Raises:
        NotFound, Corrupted: objects are neither here nor there, or damaged here (and in quarantine now); no such file.
        StorageError: the remote did not take them.
    """
    wanted = choose(workspace, targets, all_versions=all_versions, models=models)
    wanted = [item for item in wanted if item.is_pushed]
    store = open_remote(workspace, remote, write=True)
    recalled = _recalled(workspace, wanted)
    listings, files, unread = _addresses(workspace, wanted, recalled.folders)
    held = inventory.sizes(store, listings | files | unread)
    arrived = set() if replace else recalled.arrived(held) & (listings | files)
    here = _sizes(workspace, (listings | files) - arrived)
    todo = {md5 for md5, size in here.items() if replace or held.get(md5) != size}
    lost = (listings | files | unread) - here.keys() - held.keys()
    count = Count(len(todo), tick)
    again = held.keys() if not replace else todo
    damaged = send(workspace, store, todo & files, here, again, count)
    lost |= {str(error.details["md5"]) for error in damaged}
    whole = (todo & listings) - _incomplete(workspace, todo & listings, lost)
    damaged += send(workspace, store, whole, here, again, count)
    if store.is_local and count.objects:
        os.sync()
    if damaged:
        raise damaged[0]
    _complain(workspace, wanted, lost, f"neither here nor on the remote '{store.name}'")
    present = len(arrived) + len(here) - len(todo)
    return Exchange(remote=store.name, objects=count.objects, bytes=count.bytes, present=present, lost=sorted(lost))


class _Recalled(NamedTuple):
    """What is remembered of what was added or put in its place: the files of whole folders, and the size of every content."""

    folders: dict[str, Collection[str]]
    sizes: dict[str, int]

    def arrived(self, held: dict[str, int]) -> set[str]:
        """Return contents that the remote holds with their size: what is here of them need not be looked at."""
        return {md5 for md5, size in self.sizes.items() if held.get(md5) == size}


def _recalled(workspace: Workspace, wanted: Iterable[Wanted]) -> _Recalled:
    recalled = _Recalled({}, {})
    for path in {item.path for item in wanted if item.path is not None}:
        md5, sizes = index_of(workspace, path).sizes()
        if md5.endswith(".dir"):
            recalled.folders[md5] = sizes.keys()
        recalled.sizes.update(sizes)
    return recalled


def fetch(
    workspace: Workspace,
    targets: Sequence[str] = (),
    *,
    remote: str | None = None,
    all_versions: bool = False,
    models: bool = False,
    tick: Moved | None = None,
) -> Exchange:
    """Download what is not here yet into the store; listings of folders first, then only the files that are meant.

    Every object is compared with its address, made durable, and then given its name. An interrupted fetch keeps what it
    has, and goes on from there.

    Raises:
        NotFound, Corrupted: the remote does not have objects, or has damaged ones; all others are here now. No such file.
        StorageError: the remote did not give them, or the disk did not take them.
        Conflict: DVC is at work in the repository.
    """
    wanted = choose(workspace, targets, all_versions=all_versions, models=models)
    with turns(workspace) as take:
        return fetch_wanted(workspace, wanted, remote=remote, before=take, tick=tick)


def fetch_wanted(
    workspace: Workspace,
    wanted: Sequence[Wanted],
    *,
    remote: str | None = None,
    before: Callable[[], object] | None = None,
    tick: Moved | None = None,
) -> Exchange:
    """Download chosen objects; the rest as ``fetch``. What remotes do not keep is taken from where it was imported from.

    ``before`` is called before anything is downloaded.
    """
    for item in wanted:
        if item.path is not None and not item.is_pushed and not workspace.objects.has(item.md5):
            from mainspring.versioning.origins.restoring import restore  # few pointers say that

            restore(workspace, item.path, item.md5, tick=tick)
    store = open_remote(workspace, remote) if remote is not None else None
    count = Count(0, tick)
    lost: set[str] = set()
    damaged: list[Corrupted] = []
    present = 0
    for kind in ("listings", "files"):
        listings, files, unread = _addresses(workspace, wanted)
        asked = listings | unread if kind == "listings" else files
        missing = sorted(asked - _sizes(workspace, asked).keys())
        present += len(asked) - len(missing)
        if missing:
            store = store or open_remote(workspace, remote)
            if before is not None:
                before()
            download(workspace, store, missing, count, lost, damaged)
    if damaged:
        more = f" (and {len(damaged) - 1} more objects)" if len(damaged) > 1 else ""
        raise Corrupted(damaged[0].message + more, hint=damaged[0].hint, md5=[item.details["md5"] for item in damaged])
    name = store.name if store is not None else remote or "default"
    _complain(workspace, wanted, lost, f"not on the remote '{name}'")
    return Exchange(remote=name, objects=count.objects, bytes=count.bytes, present=present, lost=sorted(lost))


def heal(workspace: Workspace, md5s: Iterable[str], *, remote: str | None = None) -> list[str]:
    """Fetch objects that are missing or in quarantine from a remote; return those that are whole again.

    Raises:
        UsageError: there is no remote to fetch from.
        StorageError: the remote did not answer.
        Conflict: DVC is at work in the repository.
    """
    store = open_remote(workspace, remote)
    asked = set(md5s)
    missing = sorted(asked - _sizes(workspace, asked).keys())
    lost: set[str] = set()
    damaged: list[Corrupted] = []
    if missing:
        with alone(workspace):
            download(workspace, store, missing, Count(0, None), lost, damaged)
    bad = lost | {str(item.details["md5"]) for item in damaged}
    return [md5 for md5 in missing if md5 not in bad]


def _addresses(
    workspace: Workspace, wanted: Iterable[Wanted], recalled: Mapping[str, Iterable[str]] = MappingProxyType({})
) -> tuple[set[str], set[str], set[str]]:
    """Return the listings that can be read here, all files, and the listings that cannot.

    ``recalled`` has the files of folders whose listings need not be read.

    Raises:
        NotFound: a folder has no such part.
    """
    listings: set[str] = set()
    files: set[str] = set()
    unread: set[str] = set()
    for item in wanted:
        if not item.md5.endswith(".dir"):
            taken = {item.md5} if item.takes("") else set()
        elif item.md5 in recalled and not item.part:
            taken = set(recalled[item.md5])
            listings.add(item.md5)
        else:
            try:
                taken = {entry.md5 for entry in workspace.objects.listing(item.md5) if item.takes(entry.relpath)}
            except NotFound:
                unread.add(item.md5)
                continue
            if not item.part:
                listings.add(item.md5)
        if item.part and not taken:
            raise NotFound(
                f"{item.what} has no file or folder '{item.part}'",
                hint=f"its pointer says what it has: add the data first if that is new (mainspring data add {item.what})",
            )
        files |= taken
    return listings, files, unread


def _incomplete(workspace: Workspace, listings: set[str], lost: set[str]) -> set[str]:
    """Return the listings of which files are lost: nobody may take them for whole."""
    if not lost:
        return set()
    return {md5 for md5 in listings if any(entry.md5 in lost for entry in workspace.objects.listing(md5))}


def _sizes(workspace: Workspace, md5s: Iterable[str]) -> dict[str, int]:
    """Return the sizes of those objects that are here."""
    folder = str(workspace.objects.files)
    sizes = {}
    for md5 in md5s:
        try:
            sizes[md5] = os.stat(f"{folder}/{md5[:2]}/{md5[2:]}").st_size  # noqa: PTH116 - once for each of thousands
        except FileNotFoundError:
            continue
    return sizes


def _complain(workspace: Workspace, wanted: Sequence[Wanted], lost: set[str], where: str) -> None:
    """Refuse to call it done if something that is needed is lost."""
    if not lost:
        return
    names: list[str] = []
    for item in wanted:
        if not item.is_needed:
            continue
        if item.md5 in lost:
            names.append(item.what)
        elif item.md5.endswith(".dir"):
            with suppress(NotFound):  # what it names is not known here, nor called lost
                entries = workspace.objects.listing(item.md5)
                of_it = (entry.relpath for entry in entries if entry.md5 in lost and item.takes(entry.relpath))
                names += [f"{item.what}/{path}" for path in of_it]
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise NotFound(
            f"{', '.join(names[:3])}{more}: the stored bytes are {where}",
            hint="push them from the workspace that has them, or add the data again",
            lost=sorted(lost),
        )
