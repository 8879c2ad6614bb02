"""What every test may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_workspace_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAINSPRING_WORKSPACE", "MAINSPRING_ENVIRONMENT", "MAINSPRING_RUN_ID", "MAINSPRING_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty workspace's folder."""
    (tmp_path / "mainspring.yaml").write_text("project: example\n")
    return tmp_path
