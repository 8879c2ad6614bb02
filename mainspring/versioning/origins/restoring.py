"""Contents that were imported, once more from where they came from, as the pointer noted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.store.sources.arriving import arrived
from mainspring.versioning.contents import folder_address
from mainspring.versioning.origins import addresses, deps
from mainspring.versioning.origins.importing import contents_of, origin_of
from mainspring.versioning.origins.opening import open_origin
from mainspring.versioning.turns.repositories import alone

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.sources.arriving import Tick
    from mainspring.store.workspace import Workspace


def is_kept_at_origin(out: Path) -> bool:
    """Say whether the store that a dataset came from keeps every version of it, which its pointer names."""
    dep = origin_of(out)
    return dep is not None and deps.names_versions(dep)


def restore(workspace: Workspace, out: Path, md5: str, *, tick: Tick | None = None) -> bool:
    """Bring the content of a pointer into the store from where it came from; say whether it was still there.

    Nothing is kept of what is not that content.

    Raises:
        Conflict, NotFound, StorageError: the source has other contents by now, or cannot be read.
    """
    dep = origin_of(out)
    if dep is None:
        return False
    source = open_origin(workspace, addresses.read(str(dep["path"]), out))
    noted = deps.noted_files(dep, source.key)
    if noted is None:
        return False
    with arrived(workspace.objects, source, noted, tick=tick) as (files, keep), alone(workspace):
        found = {name: file.md5 for name, file in files.items()}
        if (found[""] if "" in found else folder_address(found)) != md5:
            return False
        keep()
        contents_of(workspace, files)
        return True
