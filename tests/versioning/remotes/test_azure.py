"""Azure's blobs, on Microsoft's own server for tests: which credentials count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import StorageError
from mainspring.versioning import data, exchange
from tests import azure
from tests.versioning.remotes.scene import FILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("azure")]
URL = f"az://{azure.CONTAINER}"


@pytest.fixture
def endpoint(azure_endpoint: str) -> str:
    return azure_endpoint


@pytest.fixture
def ours(make: Callable[..., Workspace], endpoint: str, request: Any, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("AZURE_STORAGE_KEY", azure.KEY)
    workspace = make(url=f"{URL}/{request.node.name}", endpoint=endpoint, account=azure.ACCOUNT, retries=0)
    data.add(workspace, workspace.root / "data")
    return workspace


def test_a_wrong_key_is_said(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", f"F{azure.KEY[1:]}")
    with pytest.raises(StorageError) as refused:
        exchange.push(ours)
    assert azure.KEY[:8] not in str(refused.value)
    assert refused.value.hint


def test_credentials_of_the_settings_go_before_those_of_the_environment(
    make: Callable[..., Workspace], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", azure.ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_KEY", f"F{azure.KEY[1:]}")
    monkeypatch.setenv("SAS", azure.token())
    workspace = make(url=f"{URL}/sas", endpoint=endpoint, retries=0, credentials="{sas_key: '${SAS}'}")
    data.add(workspace, workspace.root / "data")
    assert exchange.push(workspace).objects == len(FILES) + 1
    assert exchange.push(workspace).objects == 0


def test_credentials_of_another_account_are_left_aside(
    make: Callable[..., Workspace], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=another;AccountKey={azure.KEY}")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # where the machine's own account would be asked for
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    workspace = make(url=f"{URL}/other", endpoint=endpoint, account=azure.ACCOUNT, retries=0, timeout="1s")
    data.add(workspace, workspace.root / "data")
    with pytest.raises(StorageError, match="no credentials were found"):
        exchange.push(workspace)
