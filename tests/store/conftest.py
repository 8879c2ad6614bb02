"""The store's own tests migrate every database for real."""

from __future__ import annotations

import pytest

from mainspring.store import database
from mainspring.store.migrate import ensure_current


@pytest.fixture(autouse=True)
def _migrate_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ensure_current", ensure_current)
