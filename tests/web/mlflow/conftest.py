"""A workspace with its server, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar.testing import TestClient

from mainspring.store.workspace import Workspace
from mainspring.web.app import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

API = "/api/2.0/mlflow/"


class Caller:
    """Speaks MLflow's protocol as its clients do."""

    def __init__(self, http: TestClient[Any]) -> None:
        self.http = http

    def __call__(self, method: str, path: str, /, **fields: Any) -> dict[str, Any]:
        """Return the answer of a request that is fine."""
        status, answer = self.ask(method, path, **fields)
        assert status == 200, (path, status, answer)
        return answer

    def ask(self, method: str, path: str, /, **fields: Any) -> tuple[int, dict[str, Any]]:
        """Return status and answer."""
        sent = {"params": fields} if method == "GET" else {"json": fields}
        answer = self.http.request(method, API + path, **sent)
        return answer.status_code, answer.json()

    def refused(self, method: str, path: str, /, **fields: Any) -> tuple[int, str]:
        """Return status and error code of a request that is not fine."""
        status, answer = self.ask(method, path, **fields)
        assert status != 200, (path, answer)
        assert answer["message"]
        return status, answer["error_code"]


@pytest.fixture
def workspace(project: Path, state: str) -> Iterator[Workspace]:
    with (project / "mainspring.yaml").open("a") as settings:
        settings.write(state)
    opened = Workspace(project)
    yield opened
    opened.close()


@pytest.fixture
def http(workspace: Workspace) -> Iterator[TestClient[Any]]:
    with TestClient(build(workspace, token_hash=None), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def call(http: TestClient[Any]) -> Caller:
    return Caller(http)
