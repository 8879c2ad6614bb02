"""Workspaces with remotes: folders and a real S3 server; and the real DVC."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.store.workspace import Workspace
from tests import azure, gcs, s3
from tests.faults import Proxy, proxied
from tests.versioning.remotes.scene import FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _no_credentials_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials of the S3 server in the environment."""
    for name, value in s3.VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def proxy(s3_server: s3.Server) -> Iterator[Proxy]:
    """A line to the S3 server that can fail."""
    with proxied(s3_server.port) as made:
        yield made


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    """Make a workspace with a remote ``store`` (its settings given) and some files that are not added yet."""
    made: list[Workspace] = []

    def workspace(name: str = "ours", *, files: dict[str, str] | None = None, **remote: object) -> Workspace:
        root = tmp_path / name
        root.mkdir()
        said = "".join(f"    {key}: {value}\n" for key, value in remote.items())
        (root / "mainspring.yaml").write_text(f"project: x\nremotes:\n  store:\n{said}" if said else "project: x\n")
        for path, text in (FILES if files is None else files).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        made.append(Workspace(root))
        return made[-1]

    yield workspace
    for opened in made:
        opened.close()


@pytest.fixture(
    params=["folder", "s3", *(pytest.param(kind, marks=pytest.mark.xdist_group("azure")) for kind in ("gs", "azure"))]
)
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of an empty remote, of each kind; what lets us in is in the environment."""
    if request.param == "folder":
        (tmp_path / "store").mkdir()
        return {"url": str(tmp_path / "store")}
    if request.param == "gs":
        google: gcs.Server = request.getfixturevalue("gcs_server")
        monkeypatch.setenv(*gcs.PLAIN_CLIENT)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(google.service_account(tmp_path)))
        return {"url": google.url(), "endpoint": google.endpoint}
    if request.param == "azure":
        said = azure.connection(request.getfixturevalue("azure_endpoint"))
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", said)
        return {"url": f"azure://{azure.CONTAINER}/{tmp_path.name}"}
    request.getfixturevalue("keys")
    server: s3.Server = request.getfixturevalue("s3_server")
    return {"url": server.url(), "endpoint": server.endpoint}
