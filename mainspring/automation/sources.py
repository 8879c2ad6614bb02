"""The code that a pipeline may depend on, as one digest: enough to say that nothing changed, without importing it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.hashing import digest, md5_file
from mainspring.versioning import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

_SUFFIXES = (".py", ".sh", ".R", ".jl", ".sql")
_ELSEWHERE = frozenset({"__pycache__", "node_modules", "site-packages"})


def code_digest(workspace: Workspace) -> str:
    """Return a digest of the project's source files, of what the settings say of making and judging, and of the environment.

    Hidden folders, virtual environments and datasets are left out, and so is what a pipeline writes unless it writes code.
    """
    settings = workspace.settings
    said = (settings.pipeline, settings.model, settings.seed, settings.checks)
    files = sorted((path.relative_to(workspace.root).as_posix(), md5_file(path)) for path in _sources(workspace))
    return digest([files, msgspec.to_builtins(said), environment.key()])


def _sources(workspace: Workspace) -> Iterator[Path]:
    data = {workspace.path(dataset.path) for dataset in workspace.settings.datasets.values()}
    for place, folders, names in os.walk(workspace.root):
        folder = Path(place)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in _ELSEWHERE
            and folder / name not in data
            and not (folder / name / "pyvenv.cfg").exists()
        ]
        yield from (path for name in names if name.endswith(_SUFFIXES) and (path := folder / name).is_file())
