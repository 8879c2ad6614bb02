"""Listing many objects past the store's client: what it needs, and what a server may do to it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import StorageError
from mainspring.base.settings.schema import RemoteSettings
from mainspring.store.remotes.listing import Place, signed, sizes_below
from mainspring.store.remotes.s3 import signed_place
from mainspring.versioning import data, exchange
from tests.faults import Fault, Proxy
from tests.versioning.remotes.strange import strange

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from tests import s3

COUNT = 2100
SIGNED = "GET /tests?list-type=2&max-keys=1000"
"""How our own listings begin; the client's name other things first."""
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def test_questions_are_signed_as_in_the_example_of_amazons_reference() -> None:
    place = Place("https://examplebucket.s3.amazonaws.com/", "us-east-1", "AKIAIOSFODNN7EXAMPLE", SECRET)
    written, headers = signed(place, {"prefix": "J", "max-keys": "2"}, "20130524T000000Z")
    assert written == "max-keys=2&prefix=J"
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )
    assert SECRET not in repr(place)


@pytest.fixture
def ours(make: Callable[..., Workspace], s3_server: s3.Server, proxy: Proxy, keys: None) -> Workspace:
    files = {f"data/{number}.csv": f"a\n{number}\n" for number in range(COUNT)}
    workspace = make(files=files, url=s3_server.url(), endpoint=proxy.endpoint)
    data.add(workspace, workspace.root / "data")
    assert exchange.push(workspace).objects == COUNT + 1
    proxy.lines.clear()
    return workspace


@pytest.mark.slow
def test_a_remote_is_listed_page_by_page(ours: Workspace, proxy: Proxy) -> None:
    done = exchange.push(ours)
    assert (done.objects, done.present) == (0, COUNT + 1)
    assert all(line.startswith(("GET /tests?continuation-token=", SIGNED)) for line in proxy.lines)
    assert sum("continuation-token" in line for line in proxy.lines) == COUNT // 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Fault("cut", SIGNED),
        Fault("half", SIGNED),
        Fault("cut", "GET /tests?continuation-token", times=1, after=1),
        Fault("status", SIGNED),
        Fault("status", SIGNED, answer=("200 OK", "<html>log in</html>")),
        Fault(
            "status",
            SIGNED,
            answer=("200 OK", "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>"),
        ),
    ],
    ids=lambda fault: f"{fault.kind} {fault.answer[1][:6]}",
)
def test_what_does_not_go_well_is_the_clients_business(ours: Workspace, proxy: Proxy, fault: Fault) -> None:
    proxy.fault = fault
    done = exchange.push(ours)
    assert (done.objects, done.present) == (0, COUNT + 1)
    assert fault.seen
    assert any("list-type=2" in line and not line.startswith(SIGNED) for line in proxy.lines)


@pytest.mark.slow
def test_refusals_are_explained(ours: Workspace, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="does not accept the credentials"):
        exchange.push(ours)
    assert proxy.lines[0].startswith(SIGNED)


@pytest.mark.slow
def test_what_the_remote_holds_at_another_size_is_sent_again(ours: Workspace, s3_server: s3.Server) -> None:
    store = s3_server.store(ours.settings.remotes["store"].url)
    [path, *_] = [item["path"] for item in store.list().collect()]
    whole = bytes(store.get(path).bytes())
    store.put(path, whole[:-1])
    assert exchange.push(ours).objects == 1
    assert bytes(store.get(path).bytes()) == whole


@pytest.mark.slow
def test_what_the_remote_lost_is_sent_again_though_it_is_remembered(ours: Workspace, s3_server: s3.Server) -> None:
    store = s3_server.store(ours.settings.remotes["store"].url)
    [path, *_] = [item["path"] for item in store.list().collect()]
    store.delete(path)
    assert exchange.push(ours).objects == 1
    assert len(store.list().collect()) == COUNT + 1


@pytest.mark.slow
def test_nothing_needs_to_be_here_that_is_there(ours: Workspace) -> None:
    shutil.rmtree(ours.objects.files)
    assert exchange.push(ours).objects == 0


ONE = b"<Contents><Key>x/a</Key><Size>1</Size></Contents>"


def listing(inner: bytes) -> bytes:
    body = b"<ListBucketResult>" + inner + b"</ListBucketResult>"
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def listed(answer: bytes, *, ends: bool = False, timeout: float = 5) -> dict[str, int] | None:
    with strange(answer, ends=ends) as server:
        return sizes_below(Place(f"http://127.0.0.1:{server.port}/b", "r", "k", "s"), "x/", timeout=timeout)


def test_servers_answer_in_many_ways() -> None:
    whole = listing(ONE)
    body = whole.partition(b"\r\n\r\n")[2]
    assert listed(whole) == {"a": 1}
    assert listed(listing(b"")) == {}
    assert listed(b"HTTP/1.1 100 Continue\r\n\r\n" + whole) == {"a": 1}
    assert listed(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    ) == {"a": 1}
    assert listed(listing(b"<Contents><Size>1</Size><Owner><ID>o</ID></Owner><Key>x/a</Key></Contents>")) == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        listing(ONE)[:-1],
        listing(ONE).replace(b"200 OK", b"403 Forbidden"),
        listing(ONE).replace(b"200 OK", b"307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/"),
        listing(ONE + b"<Contents><Key>x/b</Key></Contents>"),
        listing(ONE + b"<Contents><Key>elsewhere</Key><Size>1</Size></Contents>"),
        listing(b"<x:Contents><Key>x/a</Key><Size>1</Size></x:Contents>"),
        listing(b"<Contents><Key>x/\xff</Key><Size>1</Size></Contents>"),
        listing(b"<IsTruncated>true</IsTruncated>" + ONE),
        listing(b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>" + ONE),
    ],
)
def test_strange_answers_are_none(answer: bytes) -> None:
    assert listed(answer, ends=True) is None


def test_a_server_that_says_nothing_is_given_up() -> None:
    assert listed(b"", timeout=0.2) is None


def test_credentials_that_expire_go_with_their_token() -> None:
    with strange(listing(ONE)) as server:
        sizes_below(Place(f"http://127.0.0.1:{server.port}/b", "r", "k", "s", "the token"), "x/", timeout=5)
    assert b"\r\nx-amz-security-token: the token\r\n" in server.seen[0]


def test_keys_come_from_where_the_client_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = RemoteSettings(url="s3://bucket/x", region="eu-central-1")
    assert signed_place(plain) is None
    (tmp_path / "aws-credentials").write_text(
        "[default]\naws_access_key_id = profiled\naws_secret_access_key = s\naws_session_token = t\n"
    )
    address = "https://s3.eu-central-1.amazonaws.com/bucket"
    assert signed_place(plain) == Place(address, "eu-central-1", "profiled", "s", "t")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "told")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert signed_place(plain) == Place(address, "eu-central-1", "told", "s", None)
    own = RemoteSettings(
        url="s3://bucket/x",
        endpoint="https://store.example/",
        path_style=False,
        credentials={"access_key_id": "own", "secret_access_key": "s", "token": "t"},
    )
    assert signed_place(own) == Place("https://bucket.store.example/", "us-east-1", "own", "s", "t")


@pytest.mark.parametrize(
    "url, more, variable",
    [
        ("gs://bucket", {}, None),
        ("s3://bucket", {"anonymous": True}, None),
        ("s3://bucket--x--x-s3", {}, None),
        (
            "s3://bucket",
            {"credentials": {"access_key_id": "k", "secret_access_key": "s", "imdsv1_fallback": "1"}},
            None,
        ),
        ("s3://bucket", {}, ("AWS_REQUEST_PAYER", "requester")),
        ("s3://bucket", {}, ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")),
        ("s3://bucket", {}, ("HTTPS_PROXY", "http://127.0.0.1:9")),
    ],
)
def test_where_more_may_be_needed_the_client_lists(
    url: str, more: dict[str, object], variable: tuple[str, str] | None, keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert signed_place(RemoteSettings(url="s3://bucket")) is not None
    if variable is not None:
        monkeypatch.setenv(*variable)
    assert signed_place(RemoteSettings(url=url, **more)) is None  # type: ignore[arg-type]  # of several types
