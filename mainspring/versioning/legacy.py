"""What DVC 2 wrote: pointers without a kind of hash, and a cache whose objects lie right in its folder. Read, never written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import Corrupted, NotFound
from mainspring.store.links import Linker
from mainspring.store.listings import Entry, parse_listing
from mainspring.versioning.contents import Contents, folder_address, read_contents

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick

_CHUNK = 1 << 20
_LOOK = 512
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MOST_OTHERS = 0.3


def md5_of_text(path: Path) -> str:
    """Return the md5 of a file in which, if it looks like text, every line ends as on Unix.

    Every piece of 1 MiB is looked at by itself, as DVC 2 did.
    """
    hasher = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            hasher.update(piece.replace(b"\r\n", b"\n") if _is_text(piece[:_LOOK]) else piece)
    return hasher.hexdigest()


def _is_text(start: bytes) -> bool:
    return b"\0" not in start and len(start.translate(None, _TEXT)) / len(start) <= _MOST_OTHERS


def compare(
    workspace: Workspace, path: Path, md5: str, *, tick: Tick | None = None
) -> tuple[dict[str, str], dict[str, str]] | None:
    """Return the files that a DVC 2 pointer means and those at the path, with that kind of hash; None if they are the same.

    Those it means are unknown, and empty, where the listing is not in the cache.
    """
    cache = workspace.objects.root
    before = _listed(cache, md5) if _place(cache, md5).is_file() or not md5.endswith(".dir") else {}
    after = {
        file: found if before.get(file) == found else md5_of_text(path / file)
        for file, found in read_contents(workspace, path, tick=tick).files.items()
    }
    return None if (after.get("") or folder_address(after)) == md5 else (before, after)


def take(workspace: Workspace, path: Path, md5: str, *, cache: Path | None = None) -> Contents:
    """Store what a DVC 2 pointer names from the old layout of the cache under today's addresses; return what that comes to.

    The cache is another one than the workspace's where the pointer is another repository's.

    Raises:
        NotFound: objects are not in the cache.
        Corrupted: objects are not what their addresses say.
    """
    folder = cache or workspace.objects.root
    before = _listed(folder, md5)
    places = {file: _checked(folder, path, old) for file, old in before.items()}
    linker = Linker(workspace.settings.state.links if cache is None else ["reflink"])  # others' files are not touched
    stored = workspace.objects.put_files(places.values(), linker=linker)
    files = {file: item.md5 for file, item in zip(places, stored, strict=True)}
    size = sum(item.size for item in stored)
    if not md5.endswith(".dir"):
        return Contents(files=files, size=size, md5=files[""])
    listing = workspace.objects.put_listing([Entry(file, found) for file, found in files.items()], size)
    return Contents(files=files, size=size, md5=listing.md5)


def _listed(cache: Path, md5: str) -> dict[str, str]:
    if not md5.endswith(".dir"):
        return {"": md5}
    data = _checked(cache, cache, md5).read_bytes()
    return {entry.relpath: entry.md5 for entry in parse_listing(data, md5)}


def _checked(cache: Path, path: Path, md5: str) -> Path:
    """Return where an object of the old layout is, compared with its address."""
    place = _place(cache, md5)
    if not place.is_file():
        raise NotFound(
            f"the object {md5}, which an old DVC's pointer names, is not in {cache}",
            hint=f"get it with DVC (dvc fetch) in {path}, or add the data again",
            md5=md5,
        )
    if md5_of_text(place) != md5.removesuffix(".dir"):
        raise Corrupted(f"the object {place} is damaged", hint="get it again with DVC: dvc fetch", md5=md5)
    return place


def _place(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]
