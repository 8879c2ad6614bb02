"""Sources that change, end too early, lie or move while data is imported from them: nothing of it is kept."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.store import AzureStore

from mainspring.base.errors import Conflict, InvalidData, MainspringError, NotFound, Refused, StorageError
from mainspring.store.sources import web
from mainspring.versioning import data
from mainspring.versioning.origins import importing
from mainspring.versioning.origins.asking import ask
from mainspring.versioning.pointers import read_origin
from tests import azure, gcs, s3
from tests.faults import Fault, proxied
from tests.pages import Page, Site, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.store.workspace import Workspace

BODY = b"0123456789" * 1000


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(web.random, "uniform", lambda *_: 0.0)
    with serving() as made:
        yield made


def brought(workspace: Workspace, address: str, name: str = "in") -> Path:
    importing.bring(workspace, address, workspace.root / name)
    return workspace.root / name


def is_untouched(workspace: Workspace) -> bool:
    """Say whether nothing of an import was kept, anywhere."""
    left = [path.name for path in workspace.root.iterdir() if path.name not in ("mainspring.yaml", ".mainspring")]
    stored = (
        [path for path in workspace.objects.root.rglob("*") if path.is_file()]
        if workspace.objects.root.exists()
        else []
    )
    return not left and not stored and not data.known_datasets(workspace)


@pytest.mark.parametrize(
    "page",
    [
        Page(BODY),
        Page(BODY, has_tag=False),
        Page(BODY, has_length=False, is_chunked=True),
        Page(BODY, answers_head=False),
        Page(BODY, ill=2),
        Page(BODY, busy=2),
        Page(b""),
    ],
    ids=["usual", "no tag", "chunked", "no head", "half twice", "busy twice", "empty"],
)
def test_servers_of_many_kinds_are_read_and_asked(workspace: Workspace, site: Site, page: Page) -> None:
    site.pages["/a.csv"] = page
    assert brought(workspace, site.url("/a.csv")).read_bytes() == page.body
    assert data.verify(workspace) == []
    assert ask(workspace)[0].state == "unchanged"
    site.pages["/a.csv"] = Page(page.body[::-1] + b"x", has_tag=page.has_tag, answers_head=page.answers_head)
    assert ask(workspace)[0].state == "changed"


def test_without_tags_and_times_the_content_itself_is_compared(workspace: Workspace, site: Site) -> None:
    site.pages["/a"] = Page(b"1", has_tag=False)
    brought(workspace, site.url("/a"))
    site.pages["/a"] = Page(b"2", has_tag=False)
    assert ask(workspace)[0].state == "changed"
    site.pages["/a"] = Page(b"1", has_tag=False, written="Tue, 01 Dec 2026 00:00:00 GMT")
    assert ask(workspace)[0].state == "unchanged"


@pytest.mark.parametrize(
    ("page", "error", "said"),
    [
        (Page(BODY, ill=99), StorageError, "only a part of it came"),
        (Page(BODY, ill=99, has_length=False, is_chunked=True), StorageError, "only a part of it came"),
        (Page(BODY, wrong_md5=True), StorageError, "or it came damaged"),
        (Page(BODY, has_length=False), InvalidData, "does not say how long it is"),
        (Page(BODY, encoding="gzip"), InvalidData, r"comes compressed \(gzip\)"),
        (Page(BODY, busy=99), StorageError, "answers 503"),
        (Page(BODY, login="me:secret"), StorageError, "answers 401"),
        (Page(BODY, moved_to="/a.csv"), StorageError, "answers 302"),
        (Page(BODY, moved_to="file:///etc/passwd"), StorageError, "answers 302 .* is not allowed"),
    ],
    ids=["half", "half chunked", "wrong md5", "no length", "gzip", "busy", "login", "loop", "to a file"],
)
def test_what_is_not_whole_or_not_there_is_not_kept(
    workspace: Workspace, site: Site, page: Page, error: type[MainspringError], said: str
) -> None:
    site.pages["/a.csv"] = page
    with pytest.raises(error, match=said) as caught:
        brought(workspace, site.url("/a.csv"))
    assert caught.value.hint
    assert is_untouched(workspace)


def test_few_redirects_are_followed(workspace: Workspace, site: Site) -> None:
    site.pages["/5"] = Page(BODY)
    for number in range(5):
        site.pages[f"/{number}"] = Page(b"", moved_to=f"/{number + 1}")
    assert brought(workspace, site.url("/1")).read_bytes() == BODY
    assert f"path: {site.url('/1')}\n" in (workspace.root / "in.dvc").read_text()
    site.pages["/6"] = Page(b"", moved_to="/0")
    site.pages["/7"] = Page(b"", moved_to="/6")
    with pytest.raises(StorageError, match="answers 302"):
        brought(workspace, site.url("/7"), "other")


def test_encryption_is_not_given_up_on_the_way() -> None:
    with pytest.raises(urllib.error.HTTPError, match="a redirect to http, which is not followed"):
        web._Redirects().redirect_request(
            urllib.request.Request("https://example.org/a"), None, 302, "Found", {}, "http://example.org/a"
        )


def test_a_compressed_file_stays_as_it_is(workspace: Workspace, site: Site) -> None:
    site.pages["/a.csv.gz"] = Page(BODY, encoding="gzip")
    assert brought(workspace, site.url("/a.csv.gz")).read_bytes() == BODY


def test_passwords_are_used_where_they_belong_and_written_nowhere(
    workspace: Workspace, site: Site, tmp_path: Path
) -> None:
    site.pages["/a"] = Page(BODY, login="me:s3cret+")
    brought(workspace, site.url("/a").replace("//", "//me:s3cret%2B@"))
    for file in workspace.root.rglob("*"):
        assert not file.is_file() or b"s3cret" not in file.read_bytes()
    assert f"path: {site.url('/a')}\n" in (workspace.root / "in.dvc").read_text()
    assert ask(workspace)[0].state == "unknown"
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret+\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert ask(workspace)[0].state == "unchanged"
    with serving() as elsewhere:
        elsewhere.pages["/a"] = Page(BODY, login="me:s3cret+")
        site.pages["/b"] = Page(b"", moved_to=elsewhere.url("/a"), login="me:s3cret+")
        with pytest.raises(StorageError, match="answers 401"):
            brought(workspace, site.url("/b"), "other")


def test_nobody_answers_and_nothing_is_there(workspace: Workspace, site: Site) -> None:
    with pytest.raises(NotFound, match=r"there is no http://.*/none \(404\)"):
        brought(workspace, site.url("/none"))
    with serving() as gone:
        address = gone.url("/a")
    with pytest.raises(StorageError, match="connection refused"):
        brought(workspace, address)
    assert is_untouched(workspace)


def changing(kind: str, tmp_path: Path, site: Site, request: pytest.FixtureRequest) -> tuple[str, Callable[[], object]]:
    """Return an address, and what changes the data there."""
    far = tmp_path / "far"
    if kind == "path":
        far.write_bytes(BODY)
        return str(far), lambda: far.write_bytes(b"another")
    if kind == "folder":
        far.mkdir()
        for number in range(300):
            (far / str(number)).write_bytes(BODY)
        return str(far), lambda: (far / "more").write_bytes(b"another")
    if kind.startswith("web"):
        site.pages["/a"] = Page(BODY, has_tag=kind == "web", written="Tue, 01 Dec 2026 00:00:00 GMT")
        return site.url("/a"), lambda: site.pages.update({"/a": Page(b"another", has_tag=kind == "web")})
    import obstore

    server: s3.Server = request.getfixturevalue("s3_server")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in {**s3.VARIABLES, "AWS_ENDPOINT_URL": server.endpoint}.items():
        monkeypatch.setenv(name, value)
    url = server.url()
    store = server.store(url)
    obstore.put(store, "far/0", BODY)
    if kind == "object":
        return f"{url}/far/0", lambda: obstore.put(store, "far/0", b"another")
    obstore.put(store, "far/1", BODY)
    return f"{url}/far", lambda: obstore.put(store, "far/2", b"another")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path", "folder", "web", "web without tags", "object", "prefix"])
def test_a_source_that_changes_while_it_is_read_is_not_kept(
    workspace: Workspace, tmp_path: Path, site: Site, request: pytest.FixtureRequest, kind: str
) -> None:
    address, change = changing(kind, tmp_path, site, request)
    changed: list[object] = []

    def once(*_: int) -> None:
        if not changed:
            changed.append(change() or True)

    with pytest.raises(Conflict, match="changed while it was being downloaded; nothing of it was kept"):
        importing.bring(workspace, address, workspace.root / "in", tick=once)
    assert changed
    assert is_untouched(workspace)
    importing.bring(workspace, address, workspace.root / "in")
    assert ask(workspace)[0].state == "unchanged"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["google", pytest.param("azure", marks=pytest.mark.xdist_group("azure"))])
def test_google_and_azure_are_sources_too(
    workspace: Workspace, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    import obstore

    if kind == "google":
        server: gcs.Server = request.getfixturevalue("gcs_server")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.service_account(tmp_path)))
        url, options = server.url(), f"endpoint: '{server.endpoint}'"
        store = server.store(url)
    else:
        endpoint: str = request.getfixturevalue("azure_endpoint")
        monkeypatch.setenv("AZURE_STORAGE_KEY", azure.KEY)
        url, options = f"az://{azure.CONTAINER}/{tmp_path.name}", f"endpoint: '{endpoint}', account: {azure.ACCOUNT}"
        known = {"account_name": azure.ACCOUNT, "account_key": azure.KEY, "client_options": {"allow_http": True}}
        store = AzureStore(azure.CONTAINER, prefix=tmp_path.name, endpoint=endpoint, **known)
    with (workspace.root / "mainspring.yaml").open("a") as settings:
        settings.write(f"remotes: {{near: {{url: '{url}', {options}}}}}\n")
    for name in ("in/a", "in/sub/b", "far"):
        obstore.put(store, name, BODY)
    assert brought(workspace, "remote://near/far", "far").read_bytes() == BODY
    folder = brought(workspace, "remote://near/in")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {"a", "sub/b"}
    [dep] = read_origin(workspace.root / "far")
    seen = obstore.head(store, "far")
    if kind == "google":
        assert dep["version_id"] == seen["version"]
    else:
        assert dep["etag"] == seen["e_tag"]
    assert [item.state for item in ask(workspace)] == ["unchanged", "unchanged"]
    obstore.put(store, "far", BODY)  # another version of the same
    obstore.put(store, "in/c", BODY)
    assert [item.state for item in ask(workspace)] == ["changed", "changed"]
    assert importing.again(workspace, workspace.root / "in").files == 3
    assert [item.state for item in ask(workspace)] == ["changed", "unchanged"]


@pytest.mark.slow
def test_half_answers_of_buckets_are_asked_for_again_and_damaged_ones_not_kept(
    workspace: Workspace, s3_server: s3.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    url = s3_server.url()
    obstore.put(s3_server.store(url), "far", BODY)
    for name, value in s3.VARIABLES.items():
        monkeypatch.setenv(name, value)
    with proxied(s3_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        proxy.fault = Fault("corrupt", of="GET", times=1)
        with pytest.raises(StorageError, match="came differently each time"):
            brought(workspace, f"{url}/far")
        assert is_untouched(workspace)
        proxy.fault = Fault("half", of="GET", times=1)
        assert brought(workspace, f"{url}/far").read_bytes() == BODY
        proxy.fault = Fault("status", answer=("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"))
        with pytest.raises(StorageError, match=rf"cannot read {url}/far: it does not allow this \(403\)"):
            brought(workspace, f"{url}/far", "other")
    with pytest.raises(NotFound, match="there is nothing at"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
        brought(workspace, f"{url}/fur", "other")
    with pytest.raises(StorageError, match="its bucket does not exist"):
        brought(workspace, "s3://no-such-bucket/far", "other")


def test_files_in_the_way_and_a_full_disk_leave_all_as_it_was(workspace: Workspace, tmp_path: Path, site: Site) -> None:
    site.pages["/a"] = Page(BODY)
    (workspace.root / "in").write_text("mine")
    with pytest.raises(Refused, match="would be lost"):
        brought(workspace, site.url("/a"))
    assert (workspace.root / "in").read_text() == "mine"
    assert not (workspace.root / "in.dvc").exists()
    importing.bring(workspace, site.url("/a"), workspace.root / "in", force=True)
    assert (workspace.root / "in").read_bytes() == BODY
    before = (workspace.root / "in.dvc").read_bytes()
    site.pages["/a"] = Page(BODY * 2)
    (workspace.root / "in").write_text("mine again")
    with pytest.raises(Refused, match="would be lost"):
        importing.again(workspace, workspace.root / "in")
    assert (workspace.root / "in.dvc").read_bytes() == before
    shutil.rmtree(workspace.objects.root)
    (workspace.root / "in").unlink()
    workspace.objects.root.parent.mkdir(exist_ok=True)
    workspace.objects.root.write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        importing.again(workspace, workspace.root / "in")
    assert (workspace.root / "in.dvc").read_bytes() == before
