"""The store's own tests migrate every database for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainspring.store import database
from mainspring.store.migrate import ensure_current

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _migrate_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ensure_current", ensure_current)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    with request.getfixturevalue("postgres_server").bare_database() as bare:
        yield bare
