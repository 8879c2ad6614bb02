"""What the options before every command said: which workspace, which environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_chosen: dict[str, str | None] = {"workspace": None, "environment": None}


def choose(*, workspace: str | None, environment: str | None) -> None:
    """Remember what the global options said."""
    _chosen.update(workspace=workspace, environment=environment)


def workspace(*, settled: bool = True) -> Workspace:
    """Open the chosen workspace; unless ``settled``, without a look at its settings.

    Raises:
        NotFound: there is none.
        SettingsError: its settings do not hold.
    """
    from mainspring.store.workspace import Workspace

    folder = _chosen["workspace"]
    opened = Workspace.open(Path(folder) if folder else None, environment=_chosen["environment"])
    if settled:
        _ = opened.settings
    return opened
