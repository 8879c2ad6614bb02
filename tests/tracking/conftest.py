"""A workspace of its own for every test, and no run left over from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.store.workspace import Workspace
from mainspring.tracking import recording, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def workspace(tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    for name in ("MAINSPRING_RUN_ID", "MAINSPRING_WORKSPACE", "MAINSPRING_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mainspring.yaml").write_text(f"project: wine\n{state}")
    opened = Workspace(folder)
    yield opened
    for left in list(recording.OPEN.values()):
        left.finish("killed")
    run._active.set(None)
    run._joined.clear()
    opened.close()
