"""What we push the real DVC pulls, and the other way round."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from mainspring.versioning import data, exchange, pull
from tests import azure, gcs, s3
from tests.versioning.dvc.repository import empty
from tests.versioning.remotes.scene import FILES, run, tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.store.workspace import Workspace

    Make = Callable[..., Workspace]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("azure")]


def dvc_repository(dvc: Path, folder: Path, remote: dict[str, str]) -> Path:
    """Make a repository of DVC's whose default remote is the one given."""
    shutil.copytree(empty(dvc), folder, dirs_exist_ok=True)
    run(dvc, "remote", "add", "-d", "store", remote["url"], folder=folder)
    if "endpoint" in remote:
        run(dvc, "remote", "modify", "store", "endpointurl", remote["endpoint"], folder=folder)
    return folder


def test_dvc_pulls_what_we_pushed(make: Make, remote: dict[str, str], dvc: Path, tmp_path: Path) -> None:
    ours = make(**remote)
    for path in ("data/months", "data/airports.csv"):
        data.add(ours, ours.root / path)
    pushed = exchange.push(ours)
    assert (pushed.objects, pushed.present, pushed.lost) == (4, 0, [])
    theirs = dvc_repository(dvc, tmp_path / "theirs", remote)
    (theirs / "data").mkdir()
    for pointer in ("months.dvc", "airports.csv.dvc"):
        shutil.copy(ours.root / "data" / pointer, theirs / "data" / pointer)
    run(dvc, "pull", folder=theirs)
    assert tree(theirs) == FILES
    assert "up to date" in run(dvc, "status", folder=theirs)
    assert "in sync" in run(dvc, "status", "-c", folder=theirs)


def test_we_pull_what_dvc_pushed(make: Make, remote: dict[str, str], dvc: Path, tmp_path: Path) -> None:
    theirs = make("theirs").root
    dvc_repository(dvc, theirs, remote)
    run(dvc, "add", "data/months", "data/airports.csv", folder=theirs)
    run(dvc, "push", folder=theirs)
    ours = make("ours", files={}, **remote)
    (ours.root / "data").mkdir()
    for pointer in ("months.dvc", "airports.csv.dvc"):
        shutil.copy(theirs / "data" / pointer, ours.root / "data" / pointer)
    pulled = pull.pull(ours)
    assert (pulled.objects, pulled.present) == (4, 0)
    assert tree(ours.root) == FILES
    assert {item.state for item in data.status(ours)} == {"up to date"}
    assert exchange.push(ours).objects == 0


def test_the_remotes_of_a_dvc_repository_are_ours_too(
    make: Make, remote: dict[str, str], dvc: Path, tmp_path: Path
) -> None:
    ours = make()
    dvc_repository(dvc, ours.root, remote)
    run(dvc, "add", "data/months", "data/airports.csv", folder=ours.root)
    run(dvc, "push", folder=ours.root)
    shutil.rmtree(ours.root / "data" / "months")
    shutil.rmtree(ours.root / ".dvc" / "cache")
    pull.pull(ours)
    assert tree(ours.root) == FILES


def test_a_key_file_is_where_the_configuration_says(
    make: Make, gcs_server: gcs.Server, dvc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*gcs.PLAIN_CLIENT)
    ours = make()
    dvc_repository(dvc, ours.root, {"url": gcs_server.url(), "endpoint": gcs_server.endpoint})
    file = gcs_server.service_account(tmp_path)
    run(dvc, "remote", "modify", "--local", "store", "credentialpath", f"../{file.name}", folder=ours.root)
    assert f"credentialpath = ../../{file.name}" in (ours.root / ".dvc/config.local").read_text()
    for path in ("data/months", "data/airports.csv"):
        data.add(ours, ours.root / path)
    monkeypatch.chdir(tmp_path)
    assert exchange.push(ours).objects == 4
    run(dvc, "fetch", folder=ours.root)
    assert "in sync" in run(dvc, "status", "-c", folder=ours.root)


@pytest.mark.parametrize("profile", [None, "lake"])
def test_keys_stand_where_the_configuration_says(
    make: Make, s3_server: s3.Server, dvc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str | None
) -> None:
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    keys = f"aws_access_key_id = {s3.KEY}\naws_secret_access_key = {s3.SECRET}\n"
    (tmp_path / "keys").write_text(f"[{profile or 'default'}]\n{keys}")
    ours = make()
    dvc_repository(dvc, ours.root, {"url": s3_server.url(), "endpoint": s3_server.endpoint})
    run(dvc, "remote", "modify", "--local", "store", "credentialpath", "../keys", folder=ours.root)
    if profile:
        run(dvc, "remote", "modify", "--local", "store", "profile", profile, folder=ours.root)
    for path in ("data/months", "data/airports.csv"):
        data.add(ours, ours.root / path)
    assert exchange.push(ours).objects == 4
    run(dvc, "fetch", folder=ours.root)
    assert "in sync" in run(dvc, "status", "-c", folder=ours.root)


def test_an_account_is_the_one_that_the_configuration_names(
    make: Make, azure_endpoint: str, dvc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=another;AccountKey=a2V5")
    ours = make()
    dvc_repository(dvc, ours.root, {"url": f"azure://{azure.CONTAINER}/named"})
    said = azure.connection(azure_endpoint)
    run(dvc, "remote", "modify", "--local", "store", "connection_string", said, folder=ours.root)
    for path in ("data/months", "data/airports.csv"):
        data.add(ours, ours.root / path)
    assert exchange.push(ours).objects == 4
    run(dvc, "fetch", folder=ours.root)
    assert "in sync" in run(dvc, "status", "-c", folder=ours.root)
