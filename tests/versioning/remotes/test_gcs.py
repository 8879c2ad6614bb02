"""Google Cloud Storage, on a server for tests: names, pages of listings, and which credentials count."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import SettingsError, StorageError
from mainspring.store.remotes import inventory, uploads
from mainspring.store.remotes.parts import PART
from mainspring.versioning import data, exchange, pull
from mainspring.versioning.remotes import open_remote
from tests import gcs
from tests.certificates import Authority
from tests.gcs_xml import PAGE
from tests.versioning.remotes.scene import FILES, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace

    Make = Callable[..., Workspace]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("gcs")]


@pytest.fixture
def account(gcs_server: gcs.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key file of a service account, named where Google's own clients look for it."""
    file = gcs_server.service_account(tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return file


@pytest.fixture
def ours(make: Make, gcs_server: gcs.Server, account: Path) -> Workspace:
    workspace = make(url=gcs_server.url(), endpoint=gcs_server.endpoint, retries=0)
    data.add(workspace, workspace.root / "data")
    return workspace


def again(make: Make, ours: Workspace) -> Workspace:
    """Make another workspace with the same pointer and remote, and nothing stored."""
    remote = ours.settings.remotes["store"]
    other = make("other", files={}, url=f"'{remote.url}'", endpoint=remote.endpoint)
    (other.root / "data.dvc").write_bytes((ours.root / "data.dvc").read_bytes())
    return other


def files(workspace: Workspace) -> list[str]:
    """Return the addresses of the files of the dataset."""
    return [entry.md5 for entry in workspace.objects.listing(data.log(workspace, "data")[0].md5)]


def test_one_file_is_pulled_alone(make: Make, ours: Workspace) -> None:
    exchange.push(ours)
    other = again(make, ours)
    pull.pull(other, ["data/airports.csv"])
    assert tree(other.root) == {"data/airports.csv": FILES["data/airports.csv"]}
    assert len(list(other.objects.files.glob("*/*"))) == 2


def test_what_is_there_stays(ours: Workspace, gcs_server: gcs.Server) -> None:
    exchange.push(ours)
    held = gcs_server.store(ours.settings.remotes["store"].url)
    [md5, *_] = files(ours)
    path = f"files/md5/{md5[:2]}/{md5[2:]}"
    before = held.head(path)["version"]
    store = open_remote(ours, write=True)
    uploads.upload(store, md5, ours.objects.path(md5))
    assert held.head(path)["version"] == before
    uploads.upload(store, md5, ours.objects.path(md5), replace=True)
    assert held.head(path)["version"] != before


def test_more_objects_than_a_listing_takes(make: Make, gcs_server: gcs.Server, account: Path) -> None:
    count = PAGE + 200
    many = {f"data/{number}.csv": f"{number}\n" for number in range(count)}
    ours = make(files=many, url=gcs_server.url(), endpoint=gcs_server.endpoint)
    data.add(ours, ours.root / "data")
    assert exchange.push(ours).objects == count + 1
    gcs_server.seen()
    assert exchange.push(ours).present == count + 1
    assert ["list-type=2" in line for line in gcs_server.seen()["lines"]] == [
        True
    ] * 3  # one folder, then everything in two pages
    assert len(inventory.held(open_remote(ours))) == count + 1
    other = again(make, ours)
    pull.pull(other)
    assert tree(other.root) == many


def test_a_large_object_goes_in_parts(ours: Workspace, gcs_server: gcs.Server) -> None:
    content = os.urandom(2 * PART + 12_345)
    (ours.root / "large.bin").write_bytes(content)
    data.add(ours, "large.bin")
    gcs_server.seen()
    exchange.push(ours)
    assert len([line for line in gcs_server.seen()["lines"] if "partNumber=" in line]) == 3
    shutil.rmtree(ours.objects.root)
    exchange.fetch(ours)
    assert ours.objects.read_bytes(data.log(ours, "large")[0].md5) == content


@pytest.mark.parametrize("name", ["with space", "ü-日本", "a+b&c=d", "100%", "a%20b", "it's"])
def test_keys_of_all_kinds(make: Make, ours: Workspace, gcs_server: gcs.Server, account: Path, name: str) -> None:
    url = f'"{gcs_server.url()}/{name}"'
    workspace = make("odd", url=url, endpoint=gcs_server.endpoint)
    data.add(workspace, workspace.root / "data")
    assert exchange.push(workspace).objects == len(FILES) + 1
    assert exchange.push(workspace).objects == 0
    assert len(inventory.held(open_remote(workspace))) == len(FILES) + 1
    items = gcs_server.ask("GET", "/storage/v1/b/tests/o")["items"]
    assert any(f"/{name}/files/md5/" in item["name"] for item in items)


def test_a_service_account_signs_for_itself(ours: Workspace, gcs_server: gcs.Server, account: Path) -> None:
    gcs_server.seen()
    exchange.push(ours)
    [token] = set(gcs_server.seen()["tokens"])
    head, claims, _ = token.split(".")
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["kid"] == "1"
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == gcs.ACCOUNT


def refused(work: Callable[[], object], said: str, hint: str) -> None:
    with pytest.raises(StorageError, match=said) as caught:
        work()
    assert hint in str(caught.value.hint)
    assert "PRIVATE" not in caught.value.message + str(caught.value.hint)


def test_a_bucket_that_is_not_there(make: Make, gcs_server: gcs.Server, account: Path) -> None:
    workspace = make(url="gs://nowhere/x", endpoint=gcs_server.endpoint, retries=0)
    data.add(workspace, workspace.root / "data")
    refused(lambda: exchange.push(workspace), "its bucket does not exist", "url")
    shutil.rmtree(workspace.objects.root)
    refused(lambda: exchange.fetch(workspace), "its bucket does not exist", "url")


def test_credentials_that_are_not_taken_any_more(ours: Workspace, gcs_server: gcs.Server) -> None:
    with gcs_server.refusing():
        refused(lambda: exchange.push(ours), "does not accept the credentials", "GOOGLE_")
    assert exchange.push(ours).objects == len(FILES) + 1


def test_no_credentials_at_all(
    make: Make, gcs_server: gcs.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # where the machine's own account would be asked for
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    workspace = make(url=gcs_server.url(), endpoint=gcs_server.endpoint, retries=0, timeout="1s")
    data.add(workspace, workspace.root / "data")
    refused(lambda: exchange.push(workspace), "no credentials were found", "GOOGLE_APPLICATION_CREDENTIALS")


@contextmanager
def google(answer: bytes, authority: Authority) -> Iterator[int]:
    """Answer once in Google's place, where it gives out tokens, to whoever takes the port of this machine for a proxy."""
    context = authority.server("accounts.google.com")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1 << 16).startswith(b"CONNECT accounts.google.com:443 ")
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with context.wrap_socket(connection, server_side=True) as line:
                    assert b"refresh_token" in line.recv(1 << 16)
                    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
                    line.sendall(head.encode() + answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_login_that_has_expired(
    ours: Workspace, account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.write_text(
        '{"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "PRIVATE"}'
    )
    authority = Authority(tmp_path)
    said = b'{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}'
    with google(said, authority) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        refused(lambda: exchange.push(ours, ["data/airports.csv"]), "the credentials have expired", "gcloud auth")


@pytest.mark.parametrize("text", [None, "not JSON", '{"type": "service_account"}'])
def test_a_key_file_that_is_none(ours: Workspace, account: Path, text: str | None) -> None:
    account.unlink()
    if text is not None:
        account.write_text(text)
    with pytest.raises((SettingsError, StorageError)) as caught:
        exchange.push(ours)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(caught.value.hint)


def test_a_public_bucket_is_read_by_anybody(make: Make, ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange.push(ours)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    remote = ours.settings.remotes["store"]
    other = make("other", files={}, url=remote.url, endpoint=remote.endpoint, anonymous="true")
    (other.root / "data.dvc").write_bytes((ours.root / "data.dvc").read_bytes())
    pull.pull(other)
    assert tree(other.root) == FILES
