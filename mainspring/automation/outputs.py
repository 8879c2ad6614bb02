"""Data that steps wrote: recorded with their run, so that lineage leads on to what was made of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.automation import results
from mainspring.base.errors import MainspringError
from mainspring.tracking.lineage import log_data
from mainspring.versioning.contents import address_of, folder_address
from mainspring.versioning.datasets import known_datasets

if TYPE_CHECKING:
    from mainspring.automation.results import StoredResult
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.recording import Run


def log(run: Run | None, value: Any, stored: StoredResult | None = None) -> None:
    """Record with a run the files that a step returned, which are in place, and the datasets that changed by them.

    What a step returned besides files, and without a run, is nothing to record. ``stored`` knows what is in the files already.
    """
    if run is not None and (paths := _paths(run.workspace.root, value)):
        log_data(run.workspace, run.id, written(run.workspace, paths, stored))


def written(workspace: Workspace, paths: list[str], stored: StoredResult | None = None) -> dict[str, str]:
    """Return the addresses of files and folders that were written, by path, and of the datasets in them and around them."""
    files = results.files(workspace.objects, stored.md5) if stored is not None else {}
    inside = {place for place in _datasets(workspace) if any(place.startswith(f"{path}/") for path in paths)}
    around = {place for place in _datasets(workspace) if any(path.startswith(f"{place}/") for path in paths)}
    found = {}
    for path in {*paths, *inside, *around}:
        address = None if path in around else _address(files, path)
        with suppress(MainspringError):  # whoever adds it is told what is wrong with it
            found[path] = address or address_of(workspace, workspace.root / path)
    return found


def _paths(root: Path, value: Any) -> list[str]:
    """Return the paths below the workspace of what a step returned, if that is files."""
    if isinstance(value, results.Files):
        places = [value.root / path for path in value.paths]
    else:
        places = [value] if isinstance(value, Path) and value.exists() else []
    found = [place.resolve() for place in places]
    return [place.relative_to(root).as_posix() for place in found if place.is_relative_to(root) and place != root]


def _datasets(workspace: Workspace) -> list[str]:
    places = known_datasets(workspace).values()
    return [place.relative_to(workspace.root).as_posix() for place in places if place.is_relative_to(workspace.root)]


def _address(files: dict[str, str], path: str) -> str | None:
    """Return the address of a file or folder among files; None if it is not there."""
    inside = {name[len(path) + 1 :]: md5 for name, md5 in files.items() if name.startswith(f"{path}/")}
    return files.get(path) or (folder_address(inside) if inside else None)
