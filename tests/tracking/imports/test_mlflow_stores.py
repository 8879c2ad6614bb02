"""MLflow servers of two generations whose artifacts lie on S3, with the server between and without, and not readable for it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mainspring.tracking.imports.mlflow import import_mlflow
from mainspring.tracking.query import list_runs
from mainspring.tracking.search import history
from mainspring.versioning import catalogue, registry
from mainspring.versioning.trees import list_files
from scripts.environments import Unavailable, environment
from tests import s3
from tests.peers import MLFLOW, MLFLOW_2
from tests.tracking.imports.mlflow_peer import fill, stock_server, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

CONTENT = Path(__file__).parent / "mlflow_registered.py"
VERSIONS = {
    "2.22": MLFLOW_2,
    "3.17": MLFLOW,
}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow stores")]


class Peers(NamedTuple):
    """Two servers of the same records, only one of which may read the store, and the runs of the content by experiment."""

    able: str
    unable: str
    runs: dict[str, str]


@pytest.fixture(scope="module", params=VERSIONS)
def peers(
    request: pytest.FixtureRequest, s3_server: s3.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peers]:
    try:
        python = environment(*VERSIONS[request.param])
    except Unavailable as reason:
        pytest.skip(f"no environment for mlflow: {reason}")
    folder = tmp_path_factory.mktemp("mlflow")
    folder_of_bucket = s3_server.url()
    place = f"{folder_of_bucket}/proxied"
    stranger = surroundings(folder) | {
        "MLFLOW_S3_ENDPOINT_URL": s3_server.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    trusted = stranger | s3.VARIABLES
    with ExitStack() as stack:
        able = stack.enter_context(stock_server(python, folder, trusted, place))
        fill(python, folder, trusted | {"MLFLOW_TRACKING_URI": able}, str(CONTENT), f"{folder_of_bucket}/direct")
        unable = stack.enter_context(stock_server(python, folder, stranger, place))
        yield Peers(able, unable, json.loads((folder / "runs.json").read_text()))


def _files(workspace: Workspace, model: str) -> dict[int, set[str]]:
    """Return the files of each version of a model by its number."""
    versions = registry.versions(workspace, model)
    return {item.number: {file.path for file in list_files(workspace, item)} for item in versions if item.artifact}


def _is_whole(workspace: Workspace, peers: Peers) -> None:
    """Check everything that the content made."""
    from mainspring.tracking.artifacts import read_artifact

    found = {run.name: run for run in list_runs(workspace)}
    assert {name: run.id for name, run in found.items()} == peers.runs
    for name, run_id in peers.runs.items():
        assert found[name].params == {"name": "größe"}
        assert history(workspace, run_id, "loss").values == [i / 2 for i in range(1000)]
        assert read_artifact(workspace, run_id, "notes/a b.txt") == f"hello {name}".encode()
        files = _files(workspace, name)
        assert files.keys() == {1, 3}
        assert files[1] == files[3] >= {"MLmodel", "requirements.txt"}
        assert _files(workspace, f"copy of {name}") == {1: files[1]}
        assert catalogue.get_model(workspace, name).aliases == {"champion": 3}
        assert catalogue.get_version(workspace, name, "1").version.stage == "production"


def test_everything_is_taken_once_wherever_its_files_are(peers: Peers, workspace: Workspace) -> None:
    report = import_mlflow(workspace, peers.able)
    assert report.left_out == []
    assert (report.taken["experiments"], report.taken["runs"], report.taken["model versions"]) == (3, 2, 6)
    _is_whole(workspace, peers)
    again = import_mlflow(workspace, peers.able)
    assert (again.taken, again.unchanged, again.left_out) == ({}, report.taken, [])


def test_files_that_the_server_may_not_read_are_told_run_by_run_and_taken_later(
    peers: Peers, workspace: Workspace
) -> None:
    report = import_mlflow(workspace, peers.unable)
    assert (report.taken["experiments"], report.taken["runs"], report.taken["model versions"]) == (3, 2, 6)
    for name, run_id in peers.runs.items():
        [told] = [line for line in report.left_out if line.startswith(f"run {run_id}, artifacts: ")]
        assert "credentials" in told
        assert "<" not in told
        assert ("s3://" in told) == (name == "direct")
        assert history(workspace, run_id, "loss").values == [i / 2 for i in range(1000)]
        assert _files(workspace, name) == {}
        assert catalogue.get_version(workspace, name, "1").version.stage == "production"
    later = import_mlflow(workspace, peers.able)
    assert later.left_out == []
    assert (later.taken["runs"], later.taken["model versions"]) == (2, 6)
    _is_whole(workspace, peers)
    assert import_mlflow(workspace, peers.able).taken == {}
