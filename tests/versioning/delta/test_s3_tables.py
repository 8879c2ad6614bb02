"""Tables on a real S3 server."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import NotFound, StorageError
from mainspring.monitoring.data_diff import diff
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from tests import s3
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_credentials_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


@pytest.fixture
def remote(workspace: Workspace, s3_server: s3.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    monkeypatch.setenv("LAKE", s3_server.endpoint)
    (workspace.root / "mainspring.yaml").write_text(
        "project: x\ndatasets:\n  trips:\n"
        f"    path: {s3_server.url()}/trips\n    key: [id]\n    options: {{aws_endpoint_url: '${{LAKE}}'}}\n"
    )
    opened = Workspace(workspace.root)
    yield Table("trips", opened)
    opened.close()


@pytest.fixture
def trips(remote: Table, monkeypatch: pytest.MonkeyPatch) -> Table:
    for name, value in s3.VARIABLES.items():
        monkeypatch.setenv(name, value)
    table = Table("trips", remote.workspace)
    table.create(rows(1, 2, 3), change_feed=True)
    return table


def test_a_life_on_s3(trips: Table) -> None:
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
    trips.overwrite(rows(8))
    trips.overwrite(rows(9))
    done = trips.vacuum(retention_hours=0, remove=True)
    assert (len(done.files), done.kept) == (1, [0, 1])
    data.checkout(workspace, "trips", 1)
    assert data.open_dataset(workspace, "trips").frame()["id"].to_list() == [1, 2, 3]
    with pytest.raises(NotFound, match="files of it were removed"):
        trips.frame(version=2)


def test_rows_and_files_go_on_s3(trips: Table) -> None:
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


def test_credentials_that_are_refused(trips: Table, remote: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="refuses our credentials") as refused:
        data.open_dataset(remote.workspace, "trips")
    assert "wrong" not in str(refused.value) + str(refused.value.hint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.READER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.READER_SECRET)
    reader = Table("trips", remote.workspace)
    assert reader.frame().height == 3
    with pytest.raises(StorageError, match="refuses our credentials"):
        reader.append(rows(4))


def test_credentials_of_a_profile(remote: Table, trips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3.VARIABLES:
        monkeypatch.delenv(name)
    (tmp_path / "aws-credentials").write_text(
        f"[lake]\naws_access_key_id = {s3.KEY}\naws_secret_access_key = {s3.SECRET}\n"
    )
    (tmp_path / "aws-config").write_text("[profile lake]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_PROFILE", "lake")
    assert data.open_dataset(remote.workspace, "trips").frame().height == 3


def test_a_store_that_is_not_there(trips: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE", "http://127.0.0.1:1")
    gone = Workspace(trips.workspace.root)
    with pytest.raises(StorageError, match="cannot be reached: nobody answers there"):
        data.open_dataset(gone, "trips")
    assert [status.state for status in data.status(gone)] == ["damaged"]
    gone.close()
