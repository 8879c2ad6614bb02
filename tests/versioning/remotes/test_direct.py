"""Many small uploads past the store's client: when that is done, and what a server may do to it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from hashlib import md5
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import Corrupted
from mainspring.store.remotes.direct import ALREADY_THERE, STORED, Answer, Upload, uploaded
from mainspring.versioning import data, exchange
from tests.faults import Proxy
from tests.versioning.remotes.strange import strange

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from tests import s3

pytestmark = pytest.mark.slow

COUNT = 100
CONTENTS = [f"content {number}".encode() for number in range(COUNT)]
UPLOADS = [Upload(f"some/{number}", content, md5(content).hexdigest()) for number, content in enumerate(CONTENTS)]


@pytest.fixture
def ours(make: Callable[..., Workspace], s3_server: s3.Server, proxy: Proxy, keys: None) -> Workspace:
    files = {f"data/{number}.csv": f"a\n{number}\n" for number in range(COUNT)}
    workspace = make(files=files, url=s3_server.url(), endpoint=proxy.endpoint)
    data.add(workspace, workspace.root / "data")
    return workspace


def signed(proxy: Proxy) -> int:
    """Count the uploads that went to signed addresses."""
    return sum(line.startswith("PUT ") and "X-Amz-Signature=" in line for line in proxy.lines)


def test_many_small_files_go_past_the_client(ours: Workspace, proxy: Proxy) -> None:
    assert exchange.push(ours).objects == COUNT + 1
    assert signed(proxy) == COUNT
    assert exchange.push(ours).objects == 0


@pytest.mark.parametrize("name", ["AWS_REQUEST_PAYER", "https_proxy"])
def test_they_do_not_where_the_client_does_more(
    ours: Workspace, proxy: Proxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true" if name.startswith("AWS") else "http://127.0.0.1:9")
    assert exchange.push(ours).objects == COUNT + 1
    assert signed(proxy) == 0


def test_objects_that_are_damaged_here_do_not_go(ours: Workspace, s3_server: s3.Server) -> None:
    [victim, *_] = [entry.md5 for entry in ours.objects.listing(data.log(ours, "data")[0].md5)]
    path = ours.objects.path(victim)
    path.chmod(0o644)
    path.write_bytes(b"other")
    with pytest.raises(Corrupted, match=victim):
        exchange.push(ours)
    listed = s3_server.store(ours.settings.remotes["store"].url).list().collect()
    assert len(listed) == COUNT - 1
    assert not any(item["path"].endswith((victim[2:], ".dir")) for item in listed)


def sent(endpoint: str, **more: Any) -> list[tuple[Upload, Answer]]:
    return list(sending(endpoint, **more))


def sending(
    endpoint: str, *, create: bool = True, requests: int = 4, timeout: float = 5
) -> Generator[tuple[Upload, Answer]]:
    from obstore.store import S3Store

    options = {"allow_http": endpoint.startswith("http://")}
    store = S3Store("b", endpoint=endpoint, access_key_id="k", secret_access_key="s", client_options=options)
    return uploaded(store, UPLOADS, create=create, requests=requests, timeout=timeout)


OK = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n'


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b'HTTP/1.1 200 OK\r\netag: "x"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "x"\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
)
@pytest.mark.parametrize("ends", [False, True])
def test_servers_answer_in_many_ways(answer: bytes, ends: bool) -> None:
    with strange(answer, ends=ends) as server:
        found = sent(f"http://127.0.0.1:{server.port}")
    assert sorted(upload.path for upload, _ in found) == sorted(upload.path for upload in UPLOADS)
    assert {said for _, said in found} == {Answer(STORED, '"x"')}
    assert {request.split(b"\r\n\r\n", 1)[1] for request in server.seen} == set(CONTENTS)
    assert all(b"\r\nIf-None-Match: *\r\n" in request for request in server.seen)


def test_what_is_there_already_counts_only_where_that_was_asked() -> None:
    with strange(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n") as server:
        endpoint = f"http://127.0.0.1:{server.port}"
        assert {said.status for _, said in sent(endpoint)} == {ALREADY_THERE}
        assert sent(endpoint, create=False) == []


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"", OK[:-2]]
)
def test_a_server_that_wants_none_is_soon_left_alone(answer: bytes) -> None:
    with strange(answer, ends=True) as server:
        assert sent(f"http://127.0.0.1:{server.port}") == []
    assert len(server.seen) <= 12


def test_a_server_that_says_nothing_is_given_up_once() -> None:
    with strange(b"") as server:
        began = time.monotonic()
        assert sent(f"http://127.0.0.1:{server.port}", requests=COUNT, timeout=1) == []
        assert time.monotonic() - began < 5
    assert len(server.seen) == COUNT


def test_a_server_that_falls_silent_is_soon_left_alone() -> None:
    with strange(OK) as server:
        assert len(sent(f"http://127.0.0.1:{server.port}")) == COUNT
        server.answer = b""
        seen = len(server.seen)
        assert sent(f"http://127.0.0.1:{server.port}", timeout=1) == []
        assert seen < len(server.seen) < seen + 12


def test_credentials_that_cannot_be_had_are_left_to_the_client() -> None:
    from obstore.store import S3Store

    def none() -> Any:
        raise RuntimeError("no credentials")

    store = S3Store("b", endpoint="http://127.0.0.1:9", credential_provider=none, client_options={"allow_http": True})
    assert list(uploaded(store, UPLOADS, create=True, requests=4, timeout=5)) == []


def test_whoever_stops_early_is_not_kept_waiting() -> None:
    with strange(OK) as server:
        server.delay = 0.2
        uploads = sending(f"http://127.0.0.1:{server.port}", timeout=60)
        next(uploads)
        began = time.monotonic()
        uploads.close()
        assert time.monotonic() - began < 5
        seen = len(server.seen)
        time.sleep(0.5)
        assert len(server.seen) <= seen + 4


def test_encrypted_connections_need_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        f" -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with strange(OK, context=context) as server:
        endpoint = f"https://127.0.0.1:{server.port}"
        assert sent(endpoint) == []
        assert server.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert len(sent(endpoint)) == COUNT
