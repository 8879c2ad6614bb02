"""A workspace of its own for every test, and no run left over from one to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.cli import main
from mainspring.store.workspace import Workspace
from mainspring.tracking import recording, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


@pytest.fixture
def call(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in the workspace; return its exit code, what it printed and what it complained of."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main.run(main.hoist([*arguments, "--workspace", str(workspace.root)]))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
