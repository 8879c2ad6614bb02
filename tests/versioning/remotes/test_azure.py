"""Azure's blobs, on Microsoft's own server for tests: pushed, fetched, damaged, refused and collected."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import Corrupted, StorageError
from mainspring.store.remotes import inventory
from mainspring.versioning import data, exchange, pull
from mainspring.versioning.clearance import clear
from mainspring.versioning.remotes import open_remote
from tests import azure
from tests.versioning.remotes.scene import FILES, git, tree

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


def store(endpoint: str, name: str) -> Any:
    """Return a store for a look behind the platform's back."""
    from obstore.store import AzureStore

    options = {"allow_http": True}
    return AzureStore(
        azure.CONTAINER, prefix=name, account_name=azure.ACCOUNT, account_key=azure.KEY, endpoint=endpoint,
        client_options=options,
    )  # fmt: skip


def test_what_was_pushed_comes_back(make: Callable[..., Workspace], ours: Workspace, endpoint: str) -> None:
    assert exchange.push(ours).objects == len(FILES) + 1
    assert exchange.push(ours).objects == 0
    url = ours.settings.remotes["store"].url
    other = make("other", files={}, url=url, endpoint=endpoint, account=azure.ACCOUNT)
    (other.root / "data.dvc").write_bytes((ours.root / "data.dvc").read_bytes())
    pull.pull(other)
    assert tree(other.root) == FILES
    shutil.rmtree(ours.objects.root)
    assert exchange.fetch(ours).objects == len(FILES) + 1
    assert not list(ours.objects.verify())


def test_damage_there_is_named_and_can_be_mended(ours: Workspace, endpoint: str, request: Any) -> None:
    exchange.push(ours)
    held = store(endpoint, request.node.name)
    [victim, *_] = [entry.md5 for entry in ours.objects.listing(data.log(ours, "data")[0].md5)]
    held.put(f"files/md5/{victim[:2]}/{victim[2:]}", b"other")
    kept = ours.objects.root.with_name("kept")
    ours.objects.root.rename(kept)
    with pytest.raises(Corrupted, match=victim):
        exchange.fetch(ours)
    shutil.rmtree(ours.objects.root)
    kept.rename(ours.objects.root)
    exchange.push(ours, replace=True)
    shutil.rmtree(ours.objects.root)
    assert exchange.fetch(ours).lost == []


def test_a_large_object_goes_in_parts(make: Callable[..., Workspace], ours: Workspace) -> None:
    content = bytes(range(256)) * 80_000
    (ours.root / "large.bin").write_bytes(content)
    data.add(ours, "large.bin")
    exchange.push(ours)
    shutil.rmtree(ours.objects.root)
    exchange.fetch(ours)
    assert ours.objects.read_bytes(data.log(ours, "large")[0].md5) == content


def test_a_wrong_key_is_said(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", f"F{azure.KEY[1:]}")
    with pytest.raises(StorageError) as refused:
        exchange.push(ours)
    assert azure.KEY[:8] not in str(refused.value)
    assert refused.value.hint


def test_what_nobody_needs_is_collected(ours: Workspace, endpoint: str, request: Any) -> None:
    exchange.push(ours)
    held = store(endpoint, request.node.name)
    strange = "ab" + "c" * 30
    held.put(f"files/md5/{strange[:2]}/{strange[2:]}", b"nobody's")
    git(ours.root, "init", "-q")
    assert clear(ours, "store", older_than_seconds=-60, remove=True).objects == 1
    assert exchange.push(ours).objects == 0


def test_what_somebody_else_removed_meanwhile_is_no_error(ours: Workspace) -> None:
    exchange.push(ours)
    store = open_remote(ours, write=True)
    listing = data.log(ours, "data")[0].md5
    inventory.delete(
        store, [*(f"{number:032x}" for number in range(20)), *(entry.md5 for entry in ours.objects.listing(listing))]
    )
    assert {held.md5 for held in inventory.held(store)} == {listing}


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
