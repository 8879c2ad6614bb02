"""A real S3 server behind a line that cuts, delays and corrupts, or that answers no."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted, MainspringError, StorageError
from mainspring.versioning import data, exchange
from tests import s3
from tests.faults import Fault, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

pytestmark = pytest.mark.slow

MANY = 80
"""So many small files are uploaded past the store's client."""


def some(count: int) -> dict[str, str]:
    """Return so many files by their names."""
    return {f"data/{number}.csv": f"a\n{number}\n" * 100 for number in range(count)}


FILES = some(5)


def said(status: str, code: str) -> tuple[str, str]:
    """Return an answer of S3's."""
    return status, f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>m</Message></Error>'


REFUSALS = {
    "AccessDenied": ("403 Forbidden", "does not allow this"),
    "InvalidAccessKeyId": ("403 Forbidden", "does not accept the credentials"),
    "SignatureDoesNotMatch": ("403 Forbidden", "does not accept the credentials"),
    "ExpiredToken": ("400 Bad Request", "credentials have expired"),
    "RequestTimeTooSkewed": ("403 Forbidden", "clock is wrong"),
    "NoSuchBucket": ("404 Not Found", "bucket does not exist"),
    "PermanentRedirect": ("301 Moved Permanently", "another region"),
    "SlowDown": ("503 Slow Down", "failed again and again (503)"),
    "InternalError": ("500 Internal Server Error", "failed again and again (500)"),
}


@pytest.fixture
def count() -> int:
    """How many files there are; tests of uploads say that it may also be many."""
    return 5


few_or_many = pytest.mark.parametrize("count", [5, MANY])


@pytest.fixture
def ours(make: Callable[..., Workspace], s3_server: s3.Server, proxy: Proxy, keys: None, count: int) -> Workspace:
    """A workspace whose data is added, and whose remote lies behind the proxy."""
    workspace = make(files=some(count), url=s3_server.url(), endpoint=proxy.endpoint, retries=1, timeout="1s")
    data.add(workspace, workspace.root / "data")
    return workspace


@pytest.fixture
def fresh(make: Callable[..., Workspace], ours: Workspace, proxy: Proxy) -> Workspace:
    """Another workspace with the same pointer and remote, and nothing stored."""
    exchange.push(ours)
    workspace = make(
        "fresh", files={}, url=ours.settings.remotes["store"].url, endpoint=proxy.endpoint, retries=1, timeout="1s"
    )
    (workspace.root / "data.dvc").write_bytes((ours.root / "data.dvc").read_bytes())
    return workspace


def fails(work: Callable[[], object], kind: type[MainspringError] = StorageError) -> MainspringError:
    """Return the error, having looked whether it says what to do, and no secret."""
    with pytest.raises(kind) as caught:
        work()
    error = caught.value
    assert error.exit_code == 3
    assert error.hint
    for text in (error.message, error.hint, repr(error.details)):
        assert s3.SECRET not in text
        assert "Signature=" not in text
    return error


def held(server: s3.Server, workspace: Workspace) -> list[str]:
    """Return the names of what the remote holds."""
    listed = server.store(workspace.settings.remotes["store"].url).list().collect()
    return [item["path"].replace("/", "")[len("filesmd5") :] for item in listed]


def whole(workspace: Workspace) -> bool:
    """Whether nothing half-written is in the store."""
    left = list(workspace.objects.root.glob("incoming/*"))
    return not left and not list(workspace.objects.verify())


@few_or_many
@pytest.mark.parametrize("code", REFUSALS)
def test_a_push_that_is_refused(ours: Workspace, proxy: Proxy, s3_server: s3.Server, code: str, count: int) -> None:
    status, expected = REFUSALS[code]
    proxy.fault = Fault("status", of="PUT", answer=said(status, code))
    assert expected in fails(lambda: exchange.push(ours)).message
    assert held(s3_server, ours) == []
    proxy.fault = None
    assert exchange.push(ours).objects == count + 1
    assert len(held(s3_server, ours)) == count + 1


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "NoSuchBucket", "InternalError"])
def test_a_fetch_that_is_refused(fresh: Workspace, proxy: Proxy, code: str) -> None:
    status, expected = REFUSALS[code]
    proxy.fault = Fault("status", of="GET", answer=said(status, code))
    assert expected in fails(lambda: exchange.fetch(fresh)).message
    assert whole(fresh)
    proxy.fault = None
    assert exchange.fetch(fresh).objects == 6
    assert whole(fresh)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("cut", "connection was cut"), ("silence", "did not answer in time"), ("half", "connection was cut")],
)
def test_a_line_that_never_holds(fresh: Workspace, proxy: Proxy, kind: str, expected: str) -> None:
    proxy.fault = Fault(kind, of="GET")
    assert expected in fails(lambda: exchange.fetch(fresh)).message
    assert whole(fresh)
    assert not list(fresh.objects.files.glob("*/*"))


@few_or_many
@pytest.mark.parametrize(("kind", "expected"), [("cut", "connection was cut"), ("silence", "did not answer in time")])
def test_a_line_that_takes_nothing(
    ours: Workspace, proxy: Proxy, s3_server: s3.Server, kind: str, expected: str, count: int
) -> None:
    proxy.fault = Fault(kind, of="PUT")
    assert expected in fails(lambda: exchange.push(ours)).message
    assert held(s3_server, ours) == []


@pytest.mark.parametrize("kind", ["cut", "half", "corrupt", "silence"])
def test_a_line_that_fails_once_is_not_noticed(fresh: Workspace, proxy: Proxy, kind: str) -> None:
    proxy.fault = Fault(kind, of="GET", times=1)
    assert exchange.fetch(fresh).objects == 6
    assert whole(fresh)


@few_or_many
@pytest.mark.parametrize("kind", ["cut", "silence", "status"])
def test_an_upload_that_fails_once_is_not_noticed(
    ours: Workspace, proxy: Proxy, s3_server: s3.Server, kind: str, count: int
) -> None:
    proxy.fault = Fault(kind, of="PUT", times=1)
    assert exchange.push(ours).objects == count + 1
    assert len(held(s3_server, ours)) == count + 1


@few_or_many
def test_bytes_that_were_damaged_on_the_way_there_are_not_stored(
    ours: Workspace, proxy: Proxy, s3_server: s3.Server, count: int
) -> None:
    proxy.fault = Fault("corrupt request", of="PUT")
    fails(lambda: exchange.push(ours))
    assert held(s3_server, ours) == []


def test_bytes_that_are_damaged_every_time_are_never_taken(fresh: Workspace, proxy: Proxy) -> None:
    proxy.fault = Fault("corrupt", of="GET")
    error = fails(lambda: exchange.fetch(fresh), Corrupted)
    assert "is damaged on the remote 'store'" in error.message
    assert not list(fresh.objects.files.glob("*/*"))
    assert whole(fresh)


@few_or_many
def test_a_push_that_dies_in_the_middle_leaves_no_listing_and_goes_on(
    ours: Workspace, proxy: Proxy, s3_server: s3.Server, count: int
) -> None:
    files = [entry.md5 for entry in ours.objects.listing(data.log(ours, "data")[0].md5)]
    proxy.fault = Fault(
        "status", of=f"PUT /{s3.BUCKET}/{ours.settings.remotes['store'].url.rsplit('/', 1)[1]}/files/md5/{files[3][:2]}"
    )
    fails(lambda: exchange.push(ours))
    there = held(s3_server, ours)
    assert files[3] not in there
    assert not [name for name in there if name.endswith(".dir")]
    proxy.fault = None
    again = exchange.push(ours)
    assert again.objects == count + 1 - len(there)
    assert again.present == len(there)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [("http://127.0.0.1:9", "nobody answers"), ("http://nowhere.invalid", "name is not known")],
)
def test_an_endpoint_that_is_not_there(
    make: Callable[..., Workspace], keys: None, endpoint: str, expected: str
) -> None:
    workspace = make(files=FILES, url="s3://tests/x", endpoint=endpoint, retries=1, timeout="1s")
    data.add(workspace, workspace.root / "data")
    assert expected in fails(lambda: exchange.push(workspace)).message


@few_or_many
def test_many_requests_are_in_flight_and_an_interrupt_ends_them_soon(
    make: Callable[..., Workspace], ours: Workspace, proxy: Proxy, count: int
) -> None:
    begun = threading.Event()

    def stop(*_: int) -> None:
        begun.set()
        raise KeyboardInterrupt

    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        exchange.push(ours, tick=stop)
    assert begun.is_set()
    assert time.monotonic() - before < 10
    assert exchange.push(ours).lost == []
    assert exchange.push(ours).objects == 0


@pytest.mark.parametrize(
    ("url", "more", "line"),
    [
        ("gs://bucket/below", {}, "HEAD /bucket/below%2Ffiles%2Fmd5%2F"),
        ("az://container/below", {"account": "somebody"}, "HEAD /container/below/files/md5/"),
    ],
)
@pytest.mark.parametrize(
    ("status", "expected"), [("403 Forbidden", "does not allow this"), ("500 Bad", "again and again")]
)
def test_other_kinds_of_stores_are_asked_in_their_own_way(
    make: Callable[..., Workspace], proxy: Proxy, url: str, more: dict[str, str], line: str, status: str, expected: str
) -> None:
    workspace = make(files=FILES, url=url, endpoint=proxy.endpoint, anonymous="true", retries=0, timeout="1s", **more)
    data.add(workspace, workspace.root / "data")
    proxy.fault = Fault("status", answer=(status, ""))
    assert expected in fails(lambda: exchange.push(workspace)).message
    assert proxy.lines[0].startswith(line)
