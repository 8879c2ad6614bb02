"""A disk that fills up in the midst of an upload in parts, and one that fills up beneath PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.disks import fill, small_disk
from tests.web.mlflow.conftest import API
from tests.web.mlflow.test_full_disk import ARTIFACTS, Client, history, point, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "24m") as folder:
        yield folder


def _new_run(client: Client) -> tuple[str, str]:
    """Return the id of a new run, and the place of its artifacts."""
    info = client.fine("runs/create", experiment_id="0")["run"]["info"]
    return info["run_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")


def _listed(client: Client, run_id: str) -> list[str]:
    answer = client.http.get(API + "artifacts/list", params={"run_id": run_id})
    return [file["path"] for file in answer.json().get("files", [])]


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_an_upload_in_parts_goes_on_when_there_is_room_again(small: Path, tmp_path: Path) -> None:
    (small / "mainspring.yaml").write_text("project: example\n")
    objects = small / ".mainspring" / "objects"
    pieces = [os.urandom(2_000_000), os.urandom(2_000_000)]
    with serving(small, tmp_path / "log") as client:
        run_id, place = _new_run(client)
        begun = client.http.post(f"{ARTIFACTS}mpu/create/{place}", json={"path": "w.bin", "num_parts": 2}).json()
        urls = [part["url"] for part in begun["credentials"]]
        wanted: dict[str, Any] = {"path": "w.bin", "upload_id": begun["upload_id"], "parts": []}

        def send(number: int) -> bool:
            return client.tried(client.http.put(urls[number], content=pieces[number]))

        def complete() -> bool:
            return client.tried(client.http.post(f"{ARTIFACTS}mpu/complete/{place}", json=wanted))

        assert send(0)
        held, filler = _files(objects), fill(small)
        assert not send(1)
        assert _files(objects) == held, "a part was half written"
        filler.unlink()
        assert client.http.post(f"{ARTIFACTS}mpu/complete/{place}", json=wanted).status_code == 400  # a part is missing
        assert send(1)

        held, filler = _files(objects), fill(small)
        assert not complete()
        assert _files(objects) == held, "the joined file was half written"
        assert _listed(client, run_id) == []
        filler.unlink()
        assert complete()
        assert _listed(client, run_id) == ["w.bin"]
        assert client.http.get(f"{ARTIFACTS}artifacts/{place}/w.bin").content == b"".join(pieces)
        assert not _files(objects / "uploads")
        assert len(client.refusals) == 2
        assert all("free some space" in text for text in client.refusals), client.refusals
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.fixture
def beneath(postgres_server: Server) -> Iterator[Path]:
    """A small disk where the server may write."""
    with small_disk(postgres_server.folder / "small", "24m") as folder:
        tables = folder / "tables"
        tables.mkdir()
        about = postgres_server.folder.stat()
        os.chown(tables, about.st_uid, about.st_gid)
        yield folder


@pytest.fixture
def cramped(beneath: Path, postgres_server: Server) -> Iterator[str]:
    """Give the URL of a database whose tables lie on the small disk."""
    postgres_server.say(f"CREATE TABLESPACE cramped LOCATION '{beneath / 'tables'}'")
    postgres_server.say("CREATE DATABASE cramped TEMPLATE migrated TABLESPACE cramped")
    try:
        yield postgres_server.url("cramped")
    finally:
        postgres_server.say("DROP DATABASE cramped WITH (FORCE)")
        postgres_server.say("DROP TABLESPACE cramped")


def test_a_full_disk_beneath_postgresql_is_told_and_loses_nothing(beneath: Path, cramped: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "mainspring.yaml").write_text(f"project: example\nstate: {{database: '{cramped}'}}\n")
    with serving(project, tmp_path / "log") as client:
        run_id, place = _new_run(client)
        filler = fill(beneath)
        kept, params = [], []
        for step in range(200):
            batch = [point(1000 * step + each) for each in range(500)]
            if client.post("runs/log-batch", run_id=run_id, metrics=batch):
                kept += [item["step"] for item in batch]
            if client.post("runs/log-parameter", run_id=run_id, key=f"p{step}", value=os.urandom(2000).hex()):
                params.append(f"p{step}")
            if len(client.refusals) > 10:
                break
        assert client.refusals, "the disk was never full"
        assert all("free some space" in text for text in client.refusals), client.refusals
        assert sorted(history(client, run_id)) == sorted(kept)

        filler.unlink()
        assert client.post("runs/log-metric", run_id=run_id, **point(10**6))
        assert client.put(f"{place}/after.bin", b"after")
        assert client.post("runs/update", run_id=run_id, status="FINISHED", end_time=1_700_000_100_000)
        found = client.http.get(API + "runs/get", params={"run_id": run_id}).json()["run"]
        assert {item["key"] for item in found["data"].get("params", [])} == set(params)
        assert sorted(history(client, run_id)) == sorted([*kept, 10**6])
    assert "Traceback" not in (tmp_path / "log").read_text()
