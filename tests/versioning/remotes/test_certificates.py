"""Remotes whose certificates are made by an authority that this machine does not know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import SettingsError, StorageError
from mainspring.store.remotes.authorities import placed
from mainspring.store.remotes.listing import sizes_below
from mainspring.store.remotes.opening import key_prefix
from mainspring.store.remotes.s3 import signed_place
from mainspring.versioning import data, exchange, pull
from tests.certificates import Authority
from tests.faults import Proxy, proxied
from tests.versioning.dvc.repository import empty
from tests.versioning.remotes.scene import FILES, run, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.store.workspace import Workspace
    from tests import gcs, s3

    Make = Callable[..., Workspace]

pytestmark = pytest.mark.slow

MANY = 80
"""So many small files are uploaded past the store's client."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def line(s3_server: s3.Server, authority: Authority, keys: None) -> Iterator[Proxy]:
    """An encrypted line to the S3 server."""
    with proxied(s3_server.port, authority.server()) as made:
        yield made


def some(count: int) -> dict[str, str]:
    return {f"data/{number}.csv": f"a\n{number}\n" for number in range(count)}


def added(workspace: Workspace) -> Workspace:
    data.add(workspace, workspace.root / "data")
    return workspace


@pytest.mark.parametrize("count", [3, MANY])
def test_whom_nobody_trusts_is_told_nothing(make: Make, s3_server: s3.Server, line: Proxy, count: int) -> None:
    ours = added(make(files=some(count), url=s3_server.url(), endpoint=line.endpoint, retries=1))
    with pytest.raises(StorageError, match="its certificate is not trusted") as refused:
        exchange.push(ours)
    assert "`ca_file`" in str(refused.value.hint)
    assert "SSL_CERT_FILE" in str(refused.value.hint)
    assert line.lines == []


@pytest.mark.parametrize("count", [3, MANY])
@pytest.mark.parametrize("way", ["setting", "SSL_CERT_FILE", "AWS_CA_BUNDLE", "profile"])
def test_an_authority_is_trusted_where_it_is_named(
    make: Make,
    s3_server: s3.Server,
    line: Proxy,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    count: int,
) -> None:
    more: dict[str, str] = {}
    if way == "setting":
        more = {"ca_file": "own/authority.pem"}
    elif way == "profile":
        Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[default]\nca_bundle = {authority.file}\n")
    else:
        monkeypatch.setenv(way, str(authority.file))
    ours = make(files=some(count), url=s3_server.url(), endpoint=line.endpoint, retries=0, **more)
    (ours.root / "own").mkdir()
    (ours.root / "own/authority.pem").write_bytes(authority.file.read_bytes())
    monkeypatch.chdir(ours.root / "own")
    added(ours)
    assert exchange.push(ours).objects == count + 1
    past = [request for request in line.lines if request.startswith("PUT ") and "X-Amz-Signature=" in request]
    assert len(past) == (count if count == MANY else 0)
    assert exchange.push(ours).objects == 0
    remote = placed(ours.settings.remotes["store"], ours.root)
    place = signed_place(remote)
    assert place is not None
    assert len(sizes_below(place, f"{key_prefix(remote.url)}files/", timeout=5) or {}) == count + 1


def test_a_certificate_of_another_authority_is_not_trusted(
    make: Make, s3_server: s3.Server, line: Proxy, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    ours = added(make(url=s3_server.url(), endpoint=line.endpoint, retries=0, ca_file=other.file))
    with pytest.raises(StorageError, match="its certificate is not trusted"):
        exchange.push(ours)


def test_google_and_whoever_stands_before_it(
    make: Make, gcs_server: gcs.Server, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(gcs_server.service_account(tmp_path)))
    with proxied(gcs_server.port, authority.server()) as line:
        url = gcs_server.url()
        distrustful = added(make("one", url=url, endpoint=line.endpoint, retries=0))
        with pytest.raises(StorageError, match="its certificate is not trusted"):
            exchange.push(distrustful)
        trusting = added(make("two", url=url, endpoint=line.endpoint, retries=0, ca_file=authority.file))
        assert exchange.push(trusting).objects == len(FILES) + 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"host": "127.0.0.2"}, "its certificate is for another host"),
        ({"days": -1}, "its certificate is not valid now"),
    ],
)
def test_certificates_that_are_wrong_in_another_way(
    make: Make, s3_server: s3.Server, authority: Authority, keys: None, made: dict[str, object], said: str
) -> None:
    with proxied(s3_server.port, authority.server(**made)) as line:  # type: ignore[arg-type] # of the two kinds above
        ours = added(make(url=s3_server.url(), endpoint=line.endpoint, retries=0, ca_file=authority.file))
        with pytest.raises(StorageError, match=said):
            exchange.push(ours)


def test_a_server_that_does_not_encrypt(make: Make, s3_server: s3.Server, keys: None) -> None:
    ours = added(make(url=s3_server.url(), endpoint=s3_server.endpoint.replace("http:", "https:"), retries=0))
    with pytest.raises(StorageError, match="does not speak https") as refused:
        exchange.push(ours)
    assert "http://" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n", "ertificate"),
    ],
)
def test_a_file_that_holds_no_authority(
    make: Make, s3_server: s3.Server, line: Proxy, tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "none.pem").write_text(text)
    ours = added(make(files=some(MANY), url=s3_server.url(), endpoint=line.endpoint, ca_file=tmp_path / "none.pem"))
    with pytest.raises(SettingsError, match=said) as refused:
        exchange.push(ours)
    assert "ca_file" in str(refused.value.hint)


@pytest.mark.parametrize("beside", [False, True])
def test_what_dvc_is_told_to_trust_we_trust(
    make: Make, s3_server: s3.Server, line: Proxy, authority: Authority, dvc: Path, beside: bool
) -> None:
    import shutil

    ours = make()
    shutil.copytree(empty(dvc), ours.root, dirs_exist_ok=True)
    (ours.root / "authority.pem").write_bytes(authority.file.read_bytes())
    run(dvc, "remote", "add", "-d", "store", s3_server.url(), folder=ours.root)
    run(dvc, "remote", "modify", "store", "endpointurl", line.endpoint, folder=ours.root)
    file = "authority.pem" if beside else str(authority.file)
    run(dvc, "remote", "modify", "store", "ssl_verify", file, folder=ours.root)
    run(dvc, "add", "data/months", "data/airports.csv", folder=ours.root)
    run(dvc, "push", folder=ours.root)
    shutil.rmtree(ours.root / "data" / "months")
    (ours.root / "data" / "airports.csv").unlink()
    pull.pull(ours)
    assert tree(ours.root) == FILES
    shutil.rmtree(ours.root / ".dvc" / "cache")
    (ours.root / "data" / "airports.csv").write_text("b\n2\n")
    data.add(ours, ours.root / "data/airports.csv")
    assert exchange.push(ours).objects == 1
    run(dvc, "fetch", folder=ours.root)
