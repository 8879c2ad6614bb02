"""Fixtures of serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from serving.scene import Client, Running, make_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, state: str) -> Iterator[Workspace]:
    made = make_workspace(tmp_path / "w", state)
    yield made
    made.close()


@pytest.fixture
def client_of() -> Iterator[Callable[[Running], Client]]:
    opened: list[Client] = []

    def make(running: Running) -> Client:
        opened.append(running.client())
        return opened[-1]

    yield make
    for client in opened:
        client.close()
