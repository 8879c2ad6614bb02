"""Tables on Google Cloud Storage and on Azure, each on a server for tests."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mainspring.automation.execute import execute
from mainspring.base.errors import NotFound, StorageError
from mainspring.monitoring.data_diff import diff
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from mainspring.versioning.delta.sources import storage_options
from tests import azure, gcs
from tests.certificates import Authority
from tests.faults import proxied
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("azure")]


class Cloud(NamedTuple):
    """A store on this machine: an address in it, its endpoint, the option that names that, and variables that let us in."""

    url: str
    endpoint: str
    option: str
    variables: dict[str, str]


@pytest.fixture(params=["gs", "az", "abfss"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name in list(os.environ):
        if name.startswith(("AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    if request.param == "gs":
        server: gcs.Server = request.getfixturevalue("gcs_server")
        known = {"GOOGLE_APPLICATION_CREDENTIALS": str(server.service_account(tmp_path))}
        return Cloud(server.url(), server.endpoint, "google_base_url", known)
    endpoint: str = request.getfixturevalue("azure_endpoint")
    place = request.node.name.replace("[", "-").rstrip("]")
    known = {"AZURE_STORAGE_ACCOUNT": azure.ACCOUNT, "AZURE_STORAGE_KEY": azure.KEY}
    return Cloud(f"{request.param}://{azure.CONTAINER}/{place}", endpoint, "azure_storage_endpoint", known)


@pytest.fixture
def remote(workspace: Workspace, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """The table, not made yet."""
    monkeypatch.setenv("LAKE", cloud.endpoint)
    (workspace.root / "mainspring.yaml").write_text(
        "project: x\ndatasets:\n  trips:\n"
        f"    path: {cloud.url}/trips\n    key: [id]\n    options: {{{cloud.option}: '${{LAKE}}'}}\n"
    )
    opened = Workspace(workspace.root)
    yield Table("trips", opened)
    opened.close()


@pytest.fixture
def trips(remote: Table, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Table:
    for name, value in cloud.variables.items():
        monkeypatch.setenv(name, value)
    table = Table("trips", remote.workspace)
    table.create(rows(1, 2, 3), change_feed=True)
    return table


HOST = {"account_name": "a", "endpoint": "http://a.example/a", "allow_http": "true"}
OURS = HOST | {"account_key": "k=="}
"""What the environment says."""


@pytest.mark.parametrize(
    ("uri", "given", "reached"),
    [
        ("az://c/t", {}, OURS),
        (
            "az://c/t",
            {"azure_endpoint": "https://e"},
            {"account_name": "a", "account_key": "k==", "azure_endpoint": "https://e"},
        ),
        ("az://c/t", {"sas_token": "own"}, HOST | {"sas_token": "own"}),
        ("az://c/t", {"account_name": "a"}, OURS),
        ("az://c/t", {"account_name": "b"}, {"account_name": "b"}),
        ("az://c/t", {"use_emulator": "true"}, {"use_emulator": "true"}),
        (
            "abfss://c@a.dfs.core.windows.net/t",
            {},
            {"account_key": "k==", "endpoint": "http://a.example/a", "allow_http": "true"},
        ),
        ("abfss://c@b.dfs.core.windows.net/t", {}, {}),
        ("gs://b/t", {"base_url": "http://e"}, {"base_url": "http://e", "allow_http": "true"}),
        ("gs://b/t", {}, {}),
    ],
)
def test_what_the_environment_says_is_of_one_account(
    uri: str, given: dict[str, str], reached: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("AZURE_"):
            monkeypatch.delenv(name)
    said = "AccountName=a;AccountKey=k==;BlobEndpoint=http://a.example/a"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
    assert storage_options(uri, given) == reached


def test_a_life(trips: Table) -> None:
    workspace = trips.workspace
    first = data.open_dataset(workspace, "trips")
    assert (first.version.path, first.version.files) == (trips.source.uri, 1)
    assert (workspace.root / "data/trips.delta").is_file()
    trips.merge(rows(3, 4, price=100.0))
    assert first.frame()["id"].to_list() == [1, 2, 3]
    [status] = data.status(workspace)
    assert status.state == "modified"
    found = diff(workspace, "trips")
    assert found.rows is not None
    assert (found.rows.added, found.rows.removed, found.rows.changed) == (1, 0, 1)
    assert data.add(workspace, trips.source.uri).table_version == 1
    trips.append(rows(5))
    trips.overwrite(rows(8))
    trips.overwrite(rows(9))
    assert [commit.version for commit in trips.history()][:2] == [4, 3]
    done = trips.vacuum(retention_hours=0, remove=True)
    assert len(done.files) == 2
    assert data.verify(workspace) == []
    data.checkout(workspace, "trips", 1)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [1, 2, 3]
    with pytest.raises(NotFound, match="files of it were removed"):
        trips.frame(version=3)


PIPELINE = """
import polars as pl
from mainspring import pipeline

@pipeline
def count(trips: pl.DataFrame) -> None:
    with open("seen", "a") as seen:
        seen.write(str(sorted(trips["id"])))
"""


def test_a_pipeline_reads_what_its_run_pinned(trips: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trips.workspace.root
    (root / "counting.py").write_text(PIPELINE)
    monkeypatch.chdir(root)
    execute(trips.workspace, entrypoint="counting:count", progress=False)
    trips.append(rows(7))
    execute(trips.workspace, entrypoint="counting:count", progress=False)
    assert (root / "seen").read_text() == "[1, 2, 3][1, 2, 3, 7]"
    assert [version.table_version for version in data.log(trips.workspace, "trips")] == [0, 1]


def _append(root: Path, start: int) -> None:
    workspace = Workspace(root)
    table = Table("trips", workspace)
    for number in range(5):
        table.append(rows(start + number))
    workspace.close()


def test_two_processes_append_at_once_without_a_lock(trips: Table) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append, args=(trips.workspace.root, start)) for start in (100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert sorted(trips.frame()["id"]) == [1, 2, 3, *range(100, 105), *range(200, 205)]
    assert trips.version == 10


def test_credentials_that_are_refused(
    trips: Table, cloud: Cloud, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", f"F{azure.KEY[1:]}")
    is_google = cloud.url.startswith("gs:")
    fresh = Workspace(trips.workspace.root)
    with (
        request.getfixturevalue("gcs_server").refusing() if is_google else nullcontext(),
        pytest.raises(StorageError, match="refuses our credentials") as refused,
    ):
        data.open_dataset(fresh, "trips")
    fresh.close()
    assert ("GOOGLE_" if is_google else "AZURE_") in str(refused.value.hint)
    assert azure.KEY[1:9] not in str(refused.value) + str(refused.value.hint)


def test_credentials_of_the_options_go_before_the_environment(
    trips: Table, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cloud.url.startswith("gs:"):
        options = {"google_service_account": cloud.variables["GOOGLE_APPLICATION_CREDENTIALS"]}
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    else:
        options = {"account_name": azure.ACCOUNT, "account_key": "${SECRET}"}
        monkeypatch.setenv("SECRET", azure.KEY)
        monkeypatch.setenv("AZURE_STORAGE_KEY", f"F{azure.KEY[1:]}")
    said = "".join(f", {name}: '{value}'" for name, value in options.items())
    settings = trips.workspace.root / "mainspring.yaml"
    settings.write_text(settings.read_text().replace("'${LAKE}'}", f"'${{LAKE}}'{said}}}"))
    fresh = Workspace(trips.workspace.root)
    assert data.open_dataset(fresh, "trips").frame().height == 3
    Table("trips", fresh).append(rows(4))
    fresh.close()


def test_a_bucket_that_is_not_there(trips: Table, cloud: Cloud) -> None:
    settings = trips.workspace.root / "mainspring.yaml"
    settings.write_text(settings.read_text().replace(f"//{azure.CONTAINER}/", "//nowhere/"))
    fresh = Workspace(trips.workspace.root)
    with pytest.raises(StorageError, match="its bucket does not exist"):
        Table("trips", fresh).create(rows(1))
    fresh.close()


def test_a_store_that_is_not_there(trips: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE", "http://127.0.0.1:1")
    gone = Workspace(trips.workspace.root)
    with pytest.raises(StorageError, match="cannot be reached: nobody answers there"):
        data.open_dataset(gone, "trips")
    gone.close()


def test_a_company_s_own_authority(trips: Table, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    port = int(cloud.endpoint.split(":")[2].partition("/")[0])
    with proxied(port, authority.server()) as line:
        monkeypatch.setenv("LAKE", line.endpoint + cloud.endpoint.partition(str(port))[2])
        fresh = Workspace(trips.workspace.root)
        with pytest.raises(StorageError, match="its certificate is not trusted") as refused:
            data.open_dataset(fresh, "trips")
        assert "SSL_CERT_FILE" in str(refused.value.hint)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        Table("trips", fresh).append(rows(4))
        assert data.open_dataset(fresh, "trips").frame().height == 4
        fresh.close()
