"""Files that tests of data write, and what they find afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace


def write(workspace: Workspace, files: dict[str, str]) -> None:
    """Write files of a workspace, and the folders that they need."""
    for name, text in files.items():
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    """Return what the files below a folder hold."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
