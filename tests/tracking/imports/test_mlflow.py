"""A real MLflow server, filled by its own client, imported; both servers then have to say the same."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.store.workspace import Workspace
from mainspring.tracking.imports.mlflow import import_mlflow
from mainspring.tracking.imports.mlflow_server import MlflowServer
from mainspring.tracking.query import list_runs
from mainspring.tracking.runs import create_run
from scripts.environments import Unavailable, environment
from tests.peers import MLFLOW
from tests.tracking.imports.mlflow_peer import fill, stock_server, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.tracking.search import RunInfo

CONTENT = Path(__file__).parent / "mlflow_content.py"
MANY = 30
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow import")]
"""Tests of this file share a server."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        python = environment(*MLFLOW)
    except Unavailable as reason:
        pytest.skip(f"no environment for mlflow: {reason}")
    folder = tmp_path_factory.mktemp("mlflow")
    environ = surroundings(folder)
    with stock_server(python, folder, environ, f"{folder}/art") as address:
        fill(python, folder, environ | {"MLFLOW_TRACKING_URI": address}, str(CONTENT), str(MANY))
        yield address


def test_everything_is_taken_and_a_second_import_changes_nothing(
    address: str, workspace: Workspace, tmp_path: Path
) -> None:
    report = import_mlflow(workspace, address)
    assert report.taken == {
        "experiments": 3,
        "runs": 7 + MANY,
        "logged models": 1,
        "registered models": 4,
        "model versions": 5,
    }
    [left] = report.left_out
    assert "version 1 of 'wine', stage Production" in left
    before = _records(workspace)
    again = import_mlflow(workspace, address)
    assert again.taken == {}
    assert again.unchanged == report.taken
    assert _records(workspace) == before
    theirs = _seen(address)
    for version in theirs["versions"]:
        if (version["name"], version["version"]) == ("wine", "1"):
            version["current_stage"] = "Archived"  # a model has one version in production here
    assert len(theirs["runs"]) == 7 + MANY
    assert len(theirs["history"]) > MANY
    with _up(workspace.root) as ours:
        seen = _seen(ours)
    for part, told in theirs.items():
        assert seen[part] == told, part


def test_an_import_that_was_killed_goes_on(address: str, workspace: Workspace, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "import", "mlflow", address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _until(lambda: len(_held(workspace)) >= 10, seconds=60)
        process.kill()
    held = len(_held(workspace))
    assert 10 <= held < 7 + MANY, "it was over before it was killed"
    report = import_mlflow(workspace, address)
    assert report.unchanged["runs"] >= held
    assert report.taken["runs"] + report.unchanged["runs"] == 7 + MANY
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "mainspring.yaml").write_text("project: whole\n")
    whole = Workspace(tmp_path / "whole")
    import_mlflow(whole, address)
    with _up(workspace.root) as resumed, _up(whole.root) as at_once:
        assert _seen(resumed) == _seen(at_once)
    whole.close()


def test_what_changed_there_is_taken_again_and_what_was_added_here_stays(address: str, workspace: Workspace) -> None:
    import_mlflow(workspace, address)
    server = MlflowServer(address)
    [running] = [run for run in _held(workspace) if run.name == "still running"]
    server.ask("POST", "runs/log-metric", run_id=running.id, key="loss", value=3, timestamp=5, step=2)
    server.ask("POST", "runs/update", run_id=running.id, status="FINISHED", end_time=99)
    from mainspring.tracking.batch import log_batch
    from mainspring.tracking.search import get_run, history

    log_batch(workspace, running.id, tags={"mine": "stays"})
    report = import_mlflow(workspace, address)
    assert report.taken == {"runs": 1}
    found = get_run(workspace, running.id)
    assert (found.status, found.ended_at, found.tags["mine"]) == ("finished", 99, "stays")
    assert history(workspace, running.id, "loss").values == [3.0]
    server.ask("POST", "runs/update", run_id=running.id, status="RUNNING")
    server.close()


def test_a_model_of_ours_is_never_touched(address: str, workspace: Workspace) -> None:
    from mainspring.versioning.catalogue import get_model
    from mainspring.versioning.labels import create_model

    create_model(workspace, "wine", description="ours")
    report = import_mlflow(workspace, address)
    assert "registered model 'wine': there is a model of this name here; rename one of them" in report.left_out
    assert (get_model(workspace, "wine").description, get_model(workspace, "wine").latest) == ("ours", [])


def test_a_command_says_what_was_taken(address: str, workspace: Workspace) -> None:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "import", "mlflow", address]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["taken"]["runs"] == 7 + MANY
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"runs: 0 taken, {7 + MANY} were here already" in done.stdout


def test_taken_ids_are_not_overwritten(address: str, workspace: Workspace) -> None:
    from mainspring.store.schema import tracking
    from mainspring.tracking.experiments import create_experiment

    server = MlflowServer(address)
    [whole] = [run for run in _runs(server) if run["info"]["run_name"] == "whole"]
    group = create_experiment(workspace, "ours")
    mine = create_run(workspace, group.id, name="mine")
    with workspace.database.write() as connection:
        connection.execute(tracking.tags.delete())
        connection.execute(tracking.runs.update().values(id=whole["info"]["run_id"]))
    del mine
    import_mlflow(workspace, address)
    found = {run.name: run for run in _held(workspace)}
    assert found["mine"].id == whole["info"]["run_id"]
    assert found["whole"].id != whole["info"]["run_id"]
    assert found["whole"].metrics.keys() == {"loss", "long", "odd", "auc"}
    assert import_mlflow(workspace, address).taken == {}
    server.close()


def _until(true: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _held(workspace: Workspace) -> list[RunInfo]:
    return list_runs(workspace, view="all", limit=None)


@contextlib.contextmanager
def _up(root: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(root), "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
        finally:
            process.terminate()
        assert process.wait(30) == 0


def _runs(server: MlflowServer) -> list[dict[str, Any]]:
    ids = [item["experiment_id"] for item in _experiments(server)]
    searched = {"experiment_ids": ids, "run_view_type": "ALL", "max_results": 50}
    return sorted(server.pages("POST", "runs/search", "runs", **searched), key=lambda run: run["info"]["run_id"])


def _experiments(server: MlflowServer) -> list[dict[str, Any]]:
    return list(server.pages("POST", "experiments/search", "experiments", max_results=2, view_type="ALL"))


def _records(workspace: Workspace) -> dict[str, list[Any]]:
    from mainspring.store.schema.metadata import metadata

    with workspace.database.read() as connection:
        return {
            name: sorted(map(repr, connection.execute(table.select()).all())) for name, table in metadata.tables.items()
        }


def _pairs(items: list[dict[str, str]] | None) -> dict[str, str]:
    ours = ("mainspring.",)
    return {item["key"]: item.get("value", "") for item in items or () if not item["key"].startswith(ours)}


def _seen(address: str) -> dict[str, Any]:
    """Return what a server tells of everything, in comparable form."""
    server = MlflowServer(address)
    seen: dict[str, Any] = {"runs": {}, "history": {}, "files": {}, "models": {}, "model files": {}}
    seen["experiments"] = sorted(
        (item["experiment_id"], item["name"], item["lifecycle_stage"], sorted(_pairs(item.get("tags")).items()))
        for item in _experiments(server)
        if item["name"] != "ours"
    )
    for run in _runs(server):
        info, data, run_id = run["info"], run.get("data", {}), run["info"]["run_id"]
        named = ("run_name", "experiment_id", "user_id", "status", "start_time", "end_time", "lifecycle_stage")
        inputs = [
            {key: item["dataset"].get(key) for key in ("name", "digest", "source_type", "source", "schema", "profile")}
            | _pairs(item.get("tags"))
            for item in run.get("inputs", {}).get("dataset_inputs", ())
        ]
        made = [item["model_id"] for item in run.get("outputs", {}).get("model_outputs", ())]
        metrics = {
            item["key"]: (str(item["value"]), int(item["step"]), int(item["timestamp"]))
            for item in data.get("metrics", ())
        }
        seen["runs"][run_id] = [
            {name: info.get(name) for name in named},
            _pairs(data.get("params")),
            _pairs(data.get("tags")),
            inputs,
            made,
            metrics,
        ]
        for key in metrics:
            points = server.pages(
                "GET", "metrics/get-history", "metrics", run_id=run_id, metric_key=key, max_results=300
            )
            seen["history"][run_id, key] = sorted(
                (int(point["step"]), int(point["timestamp"]), str(float(point["value"]))) for point in points
            )
        for path in server.files_of_run(run_id):
            seen["files"][run_id, path] = _bytes(server.fetch_of_run, run_id, info["artifact_uri"], path)
    _see_models(server, seen)
    server.close()
    return seen


def _see_models(server: MlflowServer, seen: dict[str, Any]) -> None:
    ids = [item[0] for item in seen["experiments"]]
    for model in server.pages("POST", "logged-models/search", "models", experiment_ids=ids, max_results=1):
        info, data = model["info"], model["data"]
        named = ("name", "status", "experiment_id", "source_run_id", "creation_timestamp_ms")
        metrics = sorted((item["key"], item["value"], item["run_id"]) for item in data.get("metrics", ()))
        about = [info[name] for name in named]
        seen["models"][info["model_id"]] = [about, _pairs(info["tags"]), _pairs(data["params"]), metrics]
        for path in server.files_of_model(info["model_id"]):
            content = _bytes(server.fetch_of_model, info["model_id"], info["artifact_uri"], path)
            seen["model files"][info["model_id"], path] = content
    models = server.pages("GET", "registered-models/search", "registered_models", max_results=1)
    seen["registered"] = [
        (
            item["name"],
            item.get("description", ""),
            item["creation_timestamp"],
            _pairs(item.get("tags")),
            sorted((alias["alias"], alias["version"]) for alias in item.get("aliases", ())),
        )
        for item in models
    ]
    named = ("name", "version", "current_stage", "source", "run_id", "creation_timestamp")
    versions = server.pages("GET", "model-versions/search", "model_versions", max_results=1)
    seen["versions"] = sorted(
        (
            {name: item.get(name) or "" for name in named}
            | {"tags": _pairs(item.get("tags")), "description": item.get("description", "")}
            for item in versions
        ),
        key=lambda item: (item["name"], item["version"]),
    )


def _bytes(fetch: Any, owner: str, root: str, path: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        fetch(owner, root, path, target)
        return target.read_bytes()


def test_an_experiment_that_was_renamed_there_is_renamed_here(address: str, workspace: Workspace) -> None:
    from mainspring.tracking.experiments import create_experiment, list_experiments

    import_mlflow(workspace, address)
    server = MlflowServer(address)
    before = {experiment.id: experiment.name for experiment in list_experiments(workspace, deleted=True)}
    [chosen] = {run.experiment_id for run in _held(workspace) if run.name == "whole"}
    for name in ("called otherwise", before[chosen]):
        server.ask("POST", "experiments/update", experiment_id=chosen, new_name=name)
        import_mlflow(workspace, address)
        after = {experiment.id: experiment.name for experiment in list_experiments(workspace, deleted=True)}
        assert after == before | {chosen: name}
    create_experiment(workspace, "taken here")
    server.ask("POST", "experiments/update", experiment_id=chosen, new_name="taken here")
    import_mlflow(workspace, address)
    server.ask("POST", "experiments/update", experiment_id=chosen, new_name=before[chosen])
    server.close()
    assert {run.experiment_id for run in _held(workspace) if run.name == "whole"} == {chosen}
