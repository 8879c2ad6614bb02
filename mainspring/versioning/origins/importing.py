"""Data from an address as a dataset, whose pointer is that of ``dvc import-url``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import Conflict, NotFound, UsageError
from mainspring.store.listings import Entry
from mainspring.store.sources.arriving import arrived, unchanged
from mainspring.versioning.contents import IGNORED, Contents
from mainspring.versioning.origins import addresses, deps
from mainspring.versioning.origins.opening import open_origin
from mainspring.versioning.placing import put_in_place, refuse_place
from mainspring.versioning.pointers import find_pointer, read_origin
from mainspring.versioning.turns.repositories import alone

if TYPE_CHECKING:
    from mainspring.store.sources.arriving import Arrived, Tick
    from mainspring.store.sources.seen import Seen
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.known import DatasetVersion
    from mainspring.versioning.origins.addresses import Address
    from mainspring.versioning.origins.deps import Dep


def bring(
    workspace: Workspace, address: str, out: Path | None = None, *, force: bool = False, tick: Tick | None = None
) -> DatasetVersion:
    """Make a dataset at ``out`` (by default under the address's last part, here) of the file, or all files, at an address.

    Its pointer holds the address and what tells the content there from another one: entity tag, md5 or, where the store
    keeps old contents, the version. Done again, it takes what is there by then. Everything that came is compared with what
    the source said of it, and the source is looked at again at the end.

    Raises:
        UsageError: it is no address to import from, or no place for a dataset.
        Conflict: the source changed meanwhile, and nothing was kept; ``out`` is another dataset; or DVC is at work in the
            repository.
        NotFound, StorageError: there is nothing at the address, or it cannot be read.
        Refused: files at ``out`` are in no version; ``force`` loses them.
    """
    out = Path(os.path.normpath(Path.cwd() / (out or _name(workspace, address))))
    found = addresses.given(workspace, address, out)
    if found.place is not None and (found.place / ".git").exists():
        raise UsageError(
            f"{found.place} is a git repository", hint=f"name a path in it: mainspring data import {address} PATH"
        )
    refuse_place(workspace, out)
    before = origin_of(out)
    if not _is_same_place(before, found, out) if before else find_pointer(out).is_file():
        raise Conflict(f"{out} is a dataset already, and did not come from there", hint="name another place with --out")
    return _take(workspace, found, before, out, force=force, tick=tick)


def again(workspace: Workspace, out: Path, *, force: bool = False, tick: Tick | None = None) -> DatasetVersion:
    """Take what is by now at the address that a dataset came from.

    Raises:
        NotFound: it did not come from an address.
        Conflict, NotFound, StorageError, Refused: as ``bring``.
    """
    before = origin_of(out)
    if before is None:
        raise NotFound(
            f"{out} was not imported from an address",
            hint="data of repositories: mainspring data import URL PATH; to make a version of it: mainspring data add",
            path=str(out),
        )
    return _take(workspace, addresses.read(str(before["path"]), out), before, out, force=force, tick=tick)


def _take(
    workspace: Workspace, address: Address, before: Dep | None, out: Path, *, force: bool, tick: Tick | None
) -> DatasetVersion:
    source = open_origin(workspace, address)
    versions = deps.names_versions(before or {})
    seen = source.look(versions=versions)
    _refuse_unlike_data(address, seen)
    with arrived(workspace.objects, source, seen, tick=tick) as (files, keep):
        unchanged(source, seen, versions=versions)
        with alone(workspace, writes=[out]):
            keep()
            contents = contents_of(workspace, files)
            dep = deps.written(address.written, source.key, seen, before)
            return put_in_place(workspace, out, contents, _held(before, dep), force=force)


def _held(before: Dep | None, dep: Dep) -> dict[str, Any]:
    return ({"frozen": True} if before is None else {}) | {"deps": [dep]}


def contents_of(workspace: Workspace, files: dict[str, Arrived]) -> Contents:
    """Return what files are together that were kept, and store the listing of a folder."""
    size = sum(file.size for file in files.values())
    addresses_of = {name: file.md5 for name, file in files.items()}
    if "" in files:
        return Contents(files=addresses_of, size=size, md5=files[""].md5)
    listing = workspace.objects.put_listing([Entry(name, md5) for name, md5 in addresses_of.items()], size)
    return Contents(files=addresses_of, size=size, md5=listing.md5)


def origin_of(out: Path) -> Dep | None:
    """Return what the pointer of a dataset says of the address it came from; None where there is none."""
    found = [
        dep for dep in read_origin(out) if isinstance(dep.get("path"), str) and "repo" not in dep and "db" not in dep
    ]
    return found[0] if len(found) == 1 else None


def _is_same_place(before: Dep, address: Address, out: Path) -> bool:
    held = addresses.read(str(before["path"]), out)
    if address.place is not None:
        return held.place == address.place
    return held.written.rstrip("/") == address.written.rstrip("/")


def _name(workspace: Workspace, address: str) -> str:
    name = addresses.given(workspace, address, Path.cwd() / "_").name
    if not name:
        raise UsageError(f"'{address}' does not say how to call it here", hint="name a place with --out")
    return name


def _refuse_unlike_data(address: Address, seen: dict[str, Seen]) -> None:
    odd = [name for name in seen if not IGNORED.isdisjoint(name.split("/"))]
    if odd:
        raise UsageError(
            f"{address.written} has '{odd[0]}', which is never data, by its name",
            hint="name a folder or file without it",
            files=odd,
        )
