"""What tables do on every cloud."""

from __future__ import annotations

import multiprocessing
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from mainspring.automation.execute import execute
from mainspring.base.errors import NotFound, StorageError
from mainspring.monitoring.data_diff import diff
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from tests import azure, s3
from tests.certificates import Authority
from tests.faults import proxied
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.versioning.delta.clouds.conftest import Cloud

pytestmark = pytest.mark.slow


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


def test_rows_and_files_go(trips: Table) -> None:
    workspace = trips.workspace
    for number in range(4, 9):
        trips.append(rows(number))
    data.add(workspace, "trips")
    assert trips.compact().files == 1
    assert [status.state for status in data.status(workspace)] == ["up to date"]
    assert trips.delete("id = 2 OR id > 7").rows == 2
    data.add(workspace, "trips")
    assert [(each.version, each.rows) for each in trips.remains("id = 2")] == [(5, 1)]
    done = trips.vacuum(retention_hours=0, orphans=True, forget=[5], accept_lost=True, remove=True)
    assert len(done.files) == 8
    assert trips.remains("id = 2") == []
    assert data.verify(workspace) == []
    with pytest.raises(NotFound, match="it was given up by"):
        trips.frame(version=5)
    trips.source.store.put("_delta_log/00000000000000000003.json", b"")
    [damage] = data.verify(workspace)
    assert "the commit of version 3 cannot be read" in damage.problem


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


WRONG = {
    "AWS": {"AWS_SECRET_ACCESS_KEY": "wrong-secret"},
    "AZURE": {"AZURE_STORAGE_KEY": f"F{azure.KEY[1:]}"},
    "GOOGLE": {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"},
}


def test_credentials_that_are_refused(
    trips: Table, cloud: Cloud, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_google = cloud.scheme == "gs"
    for name, value in {} if is_google else WRONG[cloud.owner].items():
        monkeypatch.setenv(name, value)
    fresh = Workspace(trips.workspace.root)
    with (
        request.getfixturevalue("gcs_server").refusing() if is_google else nullcontext(),
        pytest.raises(StorageError, match="refuses our credentials") as refused,
    ):
        data.open_dataset(fresh, "trips")
    fresh.close()
    assert f"{cloud.owner}_" in str(refused.value.hint)
    said = str(refused.value) + str(refused.value.hint)
    assert all(secret not in said for secret in (azure.KEY[1:9], "wrong-secret"))


def test_credentials_of_the_options_go_before_the_environment(
    trips: Table, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "AWS": {"aws_access_key_id": s3.KEY, "aws_secret_access_key": "${SECRET}"},
        "AZURE": {"account_name": azure.ACCOUNT, "account_key": "${SECRET}"},
        "GOOGLE": {"google_service_account": cloud.variables.get("GOOGLE_APPLICATION_CREDENTIALS", "")},
    }[cloud.owner]
    monkeypatch.setenv("SECRET", s3.SECRET if cloud.owner == "AWS" else azure.KEY)
    for name, value in WRONG[cloud.owner].items():
        monkeypatch.setenv(name, value)
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
    assert [status.state for status in data.status(gone)] == ["damaged"]
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
