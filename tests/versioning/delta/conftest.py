"""A workspace whose dataset ``trips`` is a Delta table, not made yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = "project: x\n{state}datasets:\n  trips: {{path: data/trips, table: delta, key: [id], time: at}}\n"


@pytest.fixture
def lake(workspace: Workspace, state: str) -> Iterator[Workspace]:
    (workspace.root / "mainspring.yaml").write_text(SETTINGS.format(state=state))
    opened = Workspace(workspace.root)
    yield opened
    opened.close()


@pytest.fixture
def trips(lake: Workspace) -> Table:
    """The table with three rows, and a change feed."""
    table = Table("trips", lake)
    table.create(rows(1, 2, 3), change_feed=True)
    return table


def rows(*ids: int, price: float = 10.0) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "price": [price + each for each in ids], "city": ["a"] * len(ids)})
