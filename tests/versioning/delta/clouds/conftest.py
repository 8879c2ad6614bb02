"""Tables in the stores of three clouds, each on a server for tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from tests import azure, gcs, s3
from tests.versioning.delta.conftest import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Cloud(NamedTuple):
    """A store on this machine: an address in it, its endpoint, the option that names that, and variables that let us in.

    ``owner`` begins the names of its variables.
    """

    scheme: str
    owner: str
    url: str
    endpoint: str
    option: str
    variables: dict[str, str]


_ONE_SERVER = pytest.mark.xdist_group("azure")


@pytest.fixture(params=["s3", *(pytest.param(scheme, marks=_ONE_SERVER) for scheme in ("gs", "az", "abfss"))])
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A test may ask for one of them by ``parametrize(..., indirect=True)``."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    if request.param == "s3":
        bucket: s3.Server = request.getfixturevalue("s3_server")
        return Cloud("s3", "AWS", bucket.url(), bucket.endpoint, "aws_endpoint_url", s3.VARIABLES)
    if request.param == "gs":
        server: gcs.Server = request.getfixturevalue("gcs_server")
        known = {"GOOGLE_APPLICATION_CREDENTIALS": str(server.service_account(tmp_path))}
        return Cloud("gs", "GOOGLE", server.url(), server.endpoint, "google_base_url", known)
    endpoint: str = request.getfixturevalue("azure_endpoint")
    place = request.node.name.replace("[", "-").rstrip("]")
    known = {"AZURE_STORAGE_ACCOUNT": azure.ACCOUNT, "AZURE_STORAGE_KEY": azure.KEY}
    url = f"{request.param}://{azure.CONTAINER}/{place}"
    return Cloud(request.param, "AZURE", url, endpoint, "azure_storage_endpoint", known)


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
