"""Data imported from addresses: the pointers are those of ``dvc import-url``, whichever tool wrote them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.testing import CliRunner

from mainspring.base.errors import Conflict, MainspringError, NotFound, UsageError
from mainspring.cli.main import app
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange, pull
from mainspring.versioning.bringing import bring
from mainspring.versioning.origins import importing
from mainspring.versioning.origins.asking import ask
from tests import azure, gcs, s3
from tests.pages import Page, Site, serving
from tests.versioning.dvc.repository import Repository, states
from tests.versioning.remotes.scene import git, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("azure")]

KINDS = ["path", "folder", "web", "web without tags", "object", "large object", "prefix", "remote", "versions"]
KINDS += ["azure", "azure prefix"]
VERSIONED = "versioned"
FILES = {"a.csv": b"a\n1\n", "sub/\xc3\xbc b.csv".encode("latin-1").decode(): b"b\n2\n", "sub/empty": b""}


KEEP_VERSIONS = f"""
try:
    client.create_bucket(Bucket={VERSIONED!r})
except client.exceptions.ClientError:
    pass
client.put_bucket_versioning(Bucket={VERSIONED!r}, VersioningConfiguration={{"Status": "Enabled"}})
"""


def client(repository: Repository, server: s3.Server, program: str) -> None:
    """Ask the S3 server for what our own client cannot, with that of DVC's environment."""
    made = (
        f"import botocore.session as s; client = s.get_session().create_client('s3', endpoint_url={server.endpoint!r})"
    )
    run(repository.program.with_name("python"), "-c", f"{made}\n{program}", folder=repository.root)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3.VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as made:
        yield made


@dataclass
class Origin:
    """An address with data in it: how to write there, and what it should be when it was imported."""

    address: str
    write: Callable[[bytes], None]
    is_folder: bool = False

    def expected(self, text: bytes) -> dict[str, bytes]:
        return FILES | {"a.csv": text} if self.is_folder else {"": text}


@pytest.fixture(params=KINDS)
def origin(request: pytest.FixtureRequest, repository: Repository, tmp_path: Path, site: Site) -> Origin:
    """One of each kind."""
    kind = request.param
    far = tmp_path / "far"
    if kind == "path":
        return Origin("../far", lambda text: _replace(far, text))
    if kind == "folder":
        for name, content in FILES.items():
            (far / name).parent.mkdir(parents=True, exist_ok=True)
            (far / name).write_bytes(content)
        return Origin(str(far), lambda text: _replace(far / "a.csv", text), is_folder=True)
    if kind.startswith("web"):
        tagged = kind == "web"

        def publish(text: bytes) -> None:
            site.pages["/x/far?v=1"] = Page(
                text, has_tag=tagged, written=f"Tue, 01 Dec 2026 0{len(text) % 10}:00:00 GMT"
            )

        return Origin(site.url("/x/far?v=1"), publish)
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    if kind.startswith("azure"):
        return _on_azure(kind, request.getfixturevalue("azure_endpoint"), tmp_path.name, monkeypatch)
    return _stored(kind, request.getfixturevalue("s3_server"), repository, monkeypatch)


def _on_azure(kind: str, endpoint: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> Origin:
    import obstore
    from obstore.store import AzureStore

    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure.connection(endpoint))
    known: dict[str, Any] = {
        "account_name": azure.ACCOUNT,
        "account_key": azure.KEY,
        "client_options": {"allow_http": True},
    }
    store = AzureStore(azure.CONTAINER, prefix=folder, endpoint=endpoint, **known)
    url = f"azure://{azure.CONTAINER}/{folder}"
    if kind == "azure":
        return Origin(f"{url}/far", lambda text: obstore.put(store, "far", text) and None)
    for name, content in FILES.items():
        obstore.put(store, name, content)
    return Origin(url, lambda text: obstore.put(store, "a.csv", text) and None, is_folder=True)


def _stored(kind: str, server: s3.Server, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Origin:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    import obstore

    url = f"s3://{VERSIONED}/{repository.root.parent.name}" if kind == "versions" else server.url()
    if kind == "versions":
        client(repository, server, KEEP_VERSIONS)
    store = server.store(url)
    if kind == "prefix":
        for name, content in FILES.items():
            obstore.put(store, name, content)
        return Origin(f"{url}", lambda text: obstore.put(store, "a.csv", text) and None, is_folder=True)
    if kind == "remote":
        repository.dvc("remote", "add", "near", url)
        repository.dvc("remote", "modify", "near", "endpointurl", server.endpoint)
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        return Origin("remote://near/deep/far", lambda text: obstore.put(store, "deep/far", text) and None)
    filling = b"." * (9 << 20) if kind == "large object" else b""
    parts = {"use_multipart": True, "chunk_size": 5 << 20} if filling else {}
    write = lambda text: obstore.put(store, "far", text + filling, **parts) and None  # noqa: E731 - as short as the others
    made = Origin(f"{url}/far", write)
    made.expected = lambda text: {"": text + filling}  # type: ignore[method-assign] # this one is larger
    return made


def _replace(path: Path, text: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(text)


def said(pointer: Path) -> str:
    """Return what a pointer says, in its order; long lines are broken in different places."""
    return json.dumps(yaml.safe_load(pointer.read_text()), indent=1)


def held(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix().removeprefix("."): file.read_bytes() for file in files}


def test_pointers_are_the_same_and_both_follow_the_source(
    origin: Origin, repository: Repository, opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.write(b"one\n")
    monkeypatch.chdir(repository.root)
    repository.dvc("import-url", origin.address, "in")
    theirs = said(repository.root / "in.dvc")
    assert states(data.status(Workspace.open(repository.root))) == {"in": "up to date"}
    assert [(item.state, item.dataset, item.what) for item in ask(opened)] == [("unchanged", "in", "")]
    (repository.root / "in.dvc").unlink()
    shutil.rmtree(repository.root / ".dvc" / "cache")
    repository.remove("in")
    first = bring(opened, origin.address, out="in")
    assert said(repository.root / "in.dvc") == theirs
    assert held(repository.root / "in") == origin.expected(b"one\n")
    assert not repository.root.joinpath(".gitignore").read_text().count("in\n") > 1
    assert "up to date" in repository.dvc("status")
    assert "didn't change" in repository.dvc("update", "in.dvc")
    origin.write(b"another\n")
    [asked] = ask(opened, ["in.dvc"])
    assert (asked.state, asked.source) == ("changed", origin.address)
    assert asked.what.endswith("take it: mainspring data import in")
    repository.dvc("update", "in.dvc")
    assert held(repository.root / "in") == origin.expected(b"another\n")
    assert ask(opened)[0].state == "unchanged"
    origin.write(b"and a third one\n")
    third = bring(opened, "in")
    assert (first.number, third.number) == (1, 2)
    assert held(repository.root / "in") == origin.expected(b"and a third one\n")
    assert "didn't change" in repository.dvc("update", "in.dvc")
    assert "up to date" in repository.dvc("status")
    assert data.checkout(opened, "in", 1).md5 == first.md5
    assert held(repository.root / "in") == origin.expected(b"one\n")


def test_what_was_imported_is_pushed_and_pulled(
    origin: Origin, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    origin.write(b"one\n")
    monkeypatch.chdir(repository.root)
    workspace = Workspace.open(repository.root)
    bring(workspace, origin.address, out="in")
    repository.dvc("import-url", origin.address, "theirs")
    (tmp_path / "store").mkdir()
    exchange.push(workspace)
    assert "up to date" in repository.dvc("push")
    repository.commit()
    origin.write(b"another\n")
    for name in ("ours", "dvc"):
        git(tmp_path, "clone", "-q", str(repository.root), name)
        clone = Repository(repository.program, tmp_path / name)
        clone.dvc("pull") if name == "dvc" else pull.pull(Workspace.open(clone.root))
        assert held(clone.root / "in") == held(clone.root / "theirs") == origin.expected(b"one\n")
        assert name == "dvc" or "changed outs" not in clone.dvc("status")  # it does not cache what has versions there
        assert not git(clone.root, "status", "--porcelain")


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_stays_in_a_bucket_with_versions_comes_from_there(
    s3_server: s3.Server, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    client(repository, s3_server, KEEP_VERSIONS)
    url = f"s3://{VERSIONED}/{tmp_path.name}"
    import obstore

    store = s3_server.store(url)
    for name, content in (FILES if is_folder else {"a.csv": b"a\n1\n"}).items():
        obstore.put(store, name, content)
    repository.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    monkeypatch.chdir(repository.root)
    repository.dvc("import-url", "--version-aware", url if is_folder else f"{url}/a.csv", "in")
    repository.commit()
    before = yaml.safe_load((repository.root / "in.dvc").read_text())
    assert before["outs"][0]["push"] is False
    expected = FILES if is_folder else {"": b"a\n1\n"}
    obstore.put(store, "a.csv", b"another\n")
    git(tmp_path, "clone", "-q", str(repository.root), "clone")
    clone = Repository(repository.program, tmp_path / "clone")
    workspace = Workspace.open(clone.root)
    pull.pull(workspace)
    assert held(clone.root / "in") == expected
    (tmp_path / "store").mkdir()
    assert exchange.push(workspace).objects == 0
    assert not list((tmp_path / "store").iterdir())
    [asked] = ask(workspace)
    assert asked.state == "changed"
    assert asked.what.startswith("+0 ~1 -0") == is_folder
    monkeypatch.chdir(clone.root)
    bring(workspace, "in")
    after = yaml.safe_load((clone.root / "in.dvc").read_text())
    clone.dvc("update", "in.dvc")
    assert yaml.safe_load((clone.root / "in.dvc").read_text()) == after
    assert after["deps"] != before["deps"]
    assert held(clone.root / "in") == (FILES | {"a.csv": b"another\n"} if is_folder else {"": b"another\n"})
    assert "up to date" in clone.dvc("status")


@pytest.mark.parametrize("name", ["far", "in"])
def test_pointers_of_google_are_the_same_but_for_the_tags_of_the_test_server(
    gcs_server: gcs.Server,
    repository: Repository,
    opened: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Its tags are not made as Google makes them; those are compared in ``store.sources.buckets``."""
    import obstore

    monkeypatch.setenv(*gcs.PLAIN_CLIENT)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(gcs_server.service_account(tmp_path)))
    url = gcs_server.url()
    store = gcs_server.store(url)
    for path in ("far", "in/a", "in/sub/b"):
        obstore.put(store, path, path.encode())
    repository.dvc("remote", "add", "near", url)
    repository.dvc("remote", "modify", "near", "endpointurl", gcs_server.endpoint)
    monkeypatch.chdir(repository.root)
    repository.dvc("import-url", f"remote://near/{name}", "theirs")
    bring(opened, f"remote://near/{name}", out="ours")
    theirs, ours = (yaml.safe_load((repository.root / f"{tool}.dvc").read_text()) for tool in ("theirs", "ours"))
    for pointer in (theirs, ours):
        del pointer["md5"], pointer["deps"][0]["etag" if name == "far" else "md5"], pointer["outs"][0]["path"]
    assert list(theirs["deps"][0]) == list(ours["deps"][0])
    assert theirs == ours
    assert held(repository.root / "theirs") == held(repository.root / "ours")
    assert "up to date" in repository.dvc("status", "ours.dvc") or name == "far"
    told = {item.dataset: item.state for item in ask(opened)}
    assert told["ours"] == "unchanged"
    assert name == "in" or told["theirs"] == "unchanged"  # its version is the same


def test_what_dvc_only_noted_is_imported_when_it_is_asked_for(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far").write_text("1")
    monkeypatch.chdir(repository.root)
    repository.dvc("import-url", "--no-download", "../far", "in")
    workspace = Workspace.open(repository.root)
    [status] = data.status(workspace)
    assert (status.state, status.problem) == ("missing", "import it: mainspring data import in")
    assert [item.state for item in ask(workspace)] == ["unchanged"]
    assert bring(workspace, "in").number == 1
    assert (repository.root / "in").read_text() == "1"
    assert "up to date" in repository.dvc("status")


def test_folders_that_tools_mark_in_buckets_are_no_files(
    s3_server: s3.Server, repository: Repository, opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    url = s3_server.url()
    for name in ("", "mark/", "alone/"):
        key = f"{url.rpartition('/')[2]}/in/{name}"
        client(repository, s3_server, f"client.put_object(Bucket={s3.BUCKET!r}, Key={key!r}, Body=b'')")
    import obstore

    obstore.put(s3_server.store(url), "in/mark/z", b"z")
    obstore.put(s3_server.store(url), "in/empty", b"")
    monkeypatch.chdir(repository.root)
    bring(opened, f"{url}/in")
    assert held(repository.root / "in") == {"mark/z": b"z", "empty": b""}
    ours = said(repository.root / "in.dvc")
    (repository.root / "in.dvc").unlink()
    repository.remove("in")
    repository.dvc("import-url", f"{url}/in")
    assert said(repository.root / "in.dvc") == ours


def test_repositories_are_asked_too(
    repository: Repository, opened: Workspace, dvc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Repository.make(dvc, tmp_path / "source")
    source.write({"data/x": "1"})
    source.dvc("add", "data")
    source.commit()
    git(source.root, "tag", "-a", "v1", "-m", "x")
    branch = git(source.root, "branch", "--show-current").strip()
    commit = git(source.root, "rev-parse", "HEAD").strip()
    monkeypatch.chdir(repository.root)
    named = {
        "default": None,
        "branch": branch,
        "tag": "v1",
        "commit": commit,
        "head": "HEAD",
        "reckoned": f"{branch}~0",
    }
    for out, rev in named.items():
        bring(opened, str(source.root), "data", out, rev=rev)
    told = {item.dataset: item for item in ask(opened)}
    assert told.pop("reckoned").state == "unknown"
    assert {name: item.state for name, item in told.items()} == dict.fromkeys(told, "unchanged")
    source.write({"data/x": "2"})
    source.dvc("add", "data")
    source.commit()
    asked = {item.dataset: item for item in ask(opened)}
    assert {name: item.state for name, item in asked.items()} == {
        "default": "changed", "branch": "changed", "tag": "unchanged", "commit": "unchanged", "head": "changed",
        "reckoned": "unknown",
    }  # fmt: skip
    assert f"was at {commit[:12]}" in asked["branch"].what
    assert bring(opened, "branch").number == 2
    assert ask(opened, ["branch"])[0].state == "unchanged"
    git(source.root, "tag", "-d", "v1")
    assert ask(opened, ["tag"])[0].state == "gone"
    shutil.rmtree(source.root)
    assert {item.state for item in ask(opened)} == {"unknown"}
    with pytest.raises(NotFound, match="'brunch' was not imported"):
        ask(opened, ["brunch"])


def test_the_commands(repository: Repository, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site.pages["/far.csv"] = Page(b"1\n")
    (tmp_path / "near").write_text("1")
    monkeypatch.chdir(repository.root)
    runner = CliRunner()

    def run_data(*words: str, code: int = 0) -> Any:
        done = runner.invoke(app, ["data", *words])
        assert done.exit_code == code, done.output
        return done.output

    assert "nothing was imported" in run_data("sources")
    assert "far.csv is version 1 of far.csv" in run_data("import", site.url("/far.csv"))
    assert "sub/near is version 1 of sub/near" in run_data("import", f"file://{tmp_path}/near", "-o", "sub/near")
    before = len(site.lines)
    run_data("status")
    run_data("log", "far.csv")
    assert len(site.lines) == before, "nobody asks the source unasked"
    assert {item["state"] for item in json.loads(run_data("sources", "--fail", "--json"))} == {"unchanged"}
    site.pages["/far.csv"] = Page(b"2\n")
    assert "take it: mainspring data import far.csv" in run_data("sources", "far.csv", "--json")
    run_data("sources", "--fail", code=1)
    assert "version 2" in run_data("import", "far.csv")
    site.pages.clear()
    told = {item["dataset"]: item for item in json.loads(run_data("sources", "--json"))}
    assert (told["far.csv"]["state"], told["sub/near"]["state"]) == ("gone", "unchanged")


def test_what_cannot_be_meant_is_refused(
    opened: Workspace, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.root)
    repository.write({"here": "1", "other": "2"})
    (tmp_path / "far").write_text("1")
    git(tmp_path, "init", "-q", "git")
    data.add(opened, repository.root / "other")
    for words, said in (
        (("here",), "is not outside of the workspace"),
        (("ftp://example.org/x",), "no address that data can be imported from"),
        (("s3:///x",), "no address"),
        (("s3://bucket",), "does not say how to call it"),
        (("s3://bucket/x?versionId=1",), "names one version"),
        (("https://bucket.s3.amazonaws.com/x?X-Amz-Signature=secret",), "is signed"),
        (("https://example.org/x.git",), "is a git repository"),
        (("../git",), "is a git repository"),
        (("s3://bucket/x", "y", "z"), "both PATH and --out"),
    ):
        with pytest.raises(UsageError, match=said) as caught:
            bring(opened, *words)
        assert "secret" not in f"{caught.value.message} {caught.value.hint}"
    with pytest.raises(UsageError, match="--rev is of git repositories"):
        bring(opened, "../far", rev="main")
    with pytest.raises(Conflict, match="did not come from there"):
        bring(opened, "../far", out="other")
    with pytest.raises(NotFound):
        bring(opened, "../fur")
    with pytest.raises(NotFound, match="no remote 'fur'"):
        bring(opened, "remote://fur/x")
    with pytest.raises(NotFound, match="was not imported"):
        importing.again(opened, repository.root / "other")
    (tmp_path / "odd" / ".dvc").mkdir(parents=True)
    (tmp_path / "odd" / ".dvc" / "x").write_text("1")
    with pytest.raises(MainspringError):
        bring(opened, "../odd")
