"""Versions over MLflow's protocol are our versions: numbered, kept whole, moved with a history, one in production."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import Refused
from mainspring.store.workspace import Workspace
from mainspring.testing import gate
from mainspring.tracking import artifacts, runs
from mainspring.versioning import described, models, registry, removal
from mainspring.versioning.semver import parse_version
from tests.versioning.versioning_samples import make_candidate

if TYPE_CHECKING:
    from pathlib import Path

    from litestar.testing import TestClient

    from tests.web.mlflow.conftest import Caller

S3 = "s3://bucket/model"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def run_id(workspace: Workspace, call: Caller) -> str:
    """A run that stored a folder such as MLflow's clients store for a model; there is a model ``m`` without versions."""
    made = runs.create_run(workspace, "0").id
    for name, data in (("MLmodel", b"flavors: {}"), ("data/model.bin", b"weights")):
        artifacts.store_bytes(workspace, made, f"model/{name}", data)
    call("POST", "registered-models/create", name="m")
    return made


def register(call: Caller, name: str = "m", **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = call("POST", "model-versions/create", name=name, **{"source": S3} | fields)
    return answer["model_version"]


def move(call: Caller, version: str, stage: str, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = call(
        "POST", "model-versions/transition-stage", name="m", version=version, stage=stage, **fields
    )
    return answer["model_version"]


def test_a_version_is_ours_too(call: Caller, workspace: Workspace, run_id: str) -> None:
    first = register(
        call,
        source=f"runs:/{run_id}/model",
        run_id=run_id,
        tags=[{"key": "k", "value": "v"}],
        description="one",
        run_link="http://there/run",
    )
    assert first | {"creation_timestamp": 0, "last_updated_timestamp": 0, "user_id": ""} == {
        "name": "m",
        "version": "1",
        "creation_timestamp": 0,
        "last_updated_timestamp": 0,
        "user_id": "",
        "current_stage": "None",
        "description": "one",
        "source": f"runs:/{run_id}/model",
        "run_id": run_id,
        "run_link": "http://there/run",
        "status": "READY",
        "tags": [{"key": "k", "value": "v"}, {"key": "mainspring.version", "value": "1.0.0"}],
    }
    assert register(call, source=f"mlflow-artifacts:/0/{run_id}/artifacts/model")["version"] == "2"
    for reference in ("m@1.1.0", "m@2", "m"):
        found = registry.resolve(workspace, reference)
        assert (found.version, found.number, found.run_id) == ("1.1.0", 2, run_id)
    assert [item.to_stage for item in registry.history(workspace, "m")] == ["development", "development"]
    assert described.describe(workspace, "m@1")["files"].keys() == {"MLmodel", "data/model.bin"}


def test_our_versions_are_seen_by_clients(call: Caller, http: TestClient[Any], workspace: Workspace) -> None:
    ours = models.register(workspace, "ours", make_candidate())
    assert ours.number == 1
    models.register(workspace, "ours", make_candidate(), version="3.0.0")
    [newest, first] = call("GET", "model-versions/search", filter="name = 'ours'")["model_versions"]
    assert (newest["version"], first["version"]) == ("2", "1")
    assert {"key": "mainspring.version", "value": "3.0.0"} in newest["tags"]
    [same] = call("GET", "model-versions/search", filter="tags.`mainspring.version` = '3.0.0'")["model_versions"]
    assert same == newest
    uri = call("GET", "model-versions/get-download-uri", name="ours", version="1")["artifact_uri"]
    assert uri == "mlflow-artifacts:/models/ours/1"
    listed = http.get(PROXY, params={"path": "models/ours/1"}).json()["files"]
    assert "manifest.json" in [file["path"] for file in listed]
    assert register(call, "ours")["tags"] == [{"key": "mainspring.version", "value": "3.1.0"}]
    assert models.register(workspace, "ours", make_candidate(), bump="minor").version == "3.2.0"


def test_a_version_outlives_its_run(call: Caller, http: TestClient[Any], workspace: Workspace, run_id: str) -> None:
    register(call, source=f"runs:/{run_id}/model")
    artifacts.store_bytes(workspace, run_id, "model/MLmodel", b"something else")
    artifacts.delete_artifacts(workspace, run_id, "model/data")
    runs.delete_run(workspace, run_id)
    uri = call("GET", "model-versions/get-download-uri", name="m", version="1")["artifact_uri"]
    place = uri.removeprefix("mlflow-artifacts:/")
    assert http.get(f"{PROXY}/{place}/MLmodel").content == b"flavors: {}"
    assert http.get(f"{PROXY}/{place}/data/model.bin").content == b"weights"
    assert http.get(PROXY, params={"path": f"{place}/data"}).json()["files"] == [
        {"path": "model.bin", "is_dir": False, "file_size": 7}
    ]
    assert http.put(f"{PROXY}/{place}/MLmodel", content=b"x").status_code == 403
    assert http.delete(f"{PROXY}/{place}/MLmodel").status_code == 403
    assert http.get(f"{PROXY}/models/m/9/MLmodel").status_code == 404
    assert http.get(f"{PROXY}/{place}/none").status_code == 404


def test_a_version_is_made_of_a_version(call: Caller, workspace: Workspace, run_id: str) -> None:
    register(call, source=f"runs:/{run_id}/model")
    call("POST", "registered-models/alias", name="m", alias="best", version="1")
    call("POST", "registered-models/create", name="copy")
    tags = [{"key": "mainspring.version", "value": "7.0.0"}]
    for source in (
        "models:/m/1",
        "models:/m@best",
        "models:/m/None",
        "models:/m/latest",
        "mlflow-artifacts:/models/m/1",
    ):
        register(call, "copy", source=source, tags=tags)
    copies = registry.versions(workspace, "copy")
    assert [copy.version for copy in copies] == ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]
    assert {copy.artifact for copy in copies} == {registry.resolve(workspace, "m@1").artifact}
    assert call.refused("POST", "model-versions/create", name="copy", source="models:/m/9")[0] == 404


ASTRAY = [
    "/etc/passwd",
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    "file:etc",
    "../secret",
    "C:\\secret",
    "",
    "runs:/none/model",
    "runs:/RUN/../other",
    "runs:/RUN/%2e%2e/other",
    "runs:/RUN/a\\..\\b",
    "runs://host/RUN/model",
    "models:/m-none",
    "mlflow-artifacts:/0/RUN/model",
    "mlflow-artifacts:/9/RUN/artifacts/model",
    "mlflow-artifacts:/0/RUN/artifacts/../../x",
    "mlflow-artifacts://host/0/RUN/artifacts/model",
    "mlflow-artifacts:/",
    "s3://bucket/../other",
    "s3://bucket/%2e%2e/other",
    "http://host/%252e%252e/x",
    "http://host/x\x00y",
    "local:///etc",
    "s3://" + "x" * 3000,
]


def test_sources_that_lead_astray(call: Caller, run_id: str) -> None:
    for source in ASTRAY:
        source = source.replace("RUN", run_id)
        refusal = call.refused("POST", "model-versions/create", name="m", source=source)
        assert refusal == (400, "INVALID_PARAMETER_VALUE")


def test_a_source_belongs_to_the_run_that_is_named(call: Caller, workspace: Workspace, run_id: str) -> None:
    other = runs.create_run(workspace, "0").id
    wrong = {"name": "m", "source": f"runs:/{run_id}/model", "run_id": other}
    assert call.refused("POST", "model-versions/create", **wrong)[0] == 400
    assert call.refused("POST", "model-versions/create", name="no", source=S3) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_what_lies_elsewhere_is_named_and_never_loaded(call: Caller, workspace: Workspace, run_id: str) -> None:
    register(call)
    register(call, source=f"runs:/{run_id}/model")
    assert call("GET", "model-versions/get-download-uri", name="m", version="1")["artifact_uri"] == S3
    for reference, said in (("m@1", "has no files here"), ("m@2", "files of another tool")):
        version = registry.resolve(workspace, reference)
        for work in (models.load, models.materialise, gate.judge):
            with pytest.raises(Refused, match=said) as refusal:
                work(workspace, version)
            assert "mainspring models register" in str(refusal.value.hint)
        assert described.describe(workspace, reference)["signature"] is None
    assert models.register(workspace, "m", make_candidate()).version == "1.2.0"


def test_stages_have_a_history(call: Caller, workspace: Workspace, run_id: str) -> None:
    for _ in range(3):
        register(call)
    assert move(call, "1", "Staging")["current_stage"] == "Staging"
    move(call, "1", "staging")
    move(call, "2", "Staging")
    move(call, "3", "Staging", archive_existing_versions=True)
    assert [version.stage for version in registry.versions(workspace, "m")] == ["archived", "archived", "staging"]
    move(call, "3", "Production")
    move(call, "2", "Production")
    assert [version.stage for version in registry.versions(workspace, "m")] == ["archived", "production", "archived"]
    told = [(item.version, item.from_stage, item.to_stage) for item in registry.history(workspace, "m")][3:]
    assert told == [
        ("1.0.0", "development", "staging"),
        ("1.1.0", "development", "staging"),
        ("1.0.0", "staging", "archived"),
        ("1.1.0", "staging", "archived"),
        ("1.2.0", "development", "staging"),
        ("1.2.0", "staging", "production"),
        ("1.2.0", "production", "archived"),
        ("1.1.0", "archived", "production"),
    ]
    assert registry.history(workspace, "m")[-1].reason == "by an MLflow client"
    for fields in ({"stage": "Nope"}, {"stage": ""}, {"stage": "Archived", "archive_existing_versions": True}):
        assert call.refused("POST", "model-versions/transition-stage", name="m", version="1", **fields)[0] == 400
    assert call.refused("POST", "model-versions/transition-stage", name="m", version="9", stage="Staging")[0] == 404


def test_one_is_in_production_whoever_races(call: Caller, workspace: Workspace, run_id: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        numbers = list(threads.map(lambda _: register(call)["version"], range(6)))
        assert sorted(numbers) == ["1", "2", "3", "4", "5", "6"]
        list(threads.map(lambda number: move(call, number, "Production"), numbers))
    versions = registry.versions(workspace, "m")
    assert [version.version for version in versions] == [f"1.{minor}.0" for minor in range(6)]
    assert sorted(version.stage for version in versions) == ["archived"] * 5 + ["production"]
    inside = 0
    for item in registry.history(workspace, "m"):
        inside += (item.to_stage == "production") - (item.from_stage == "production")
        assert inside in (0, 1)


def test_production_needs_the_gate_that_the_settings_ask_for(project: Path) -> None:
    from litestar.testing import TestClient

    from mainspring.web.app import build
    from tests.web.mlflow.conftest import Caller

    (project / "mainspring.yaml").write_text(
        "project: x\nmodel: {name: m}\nchecks: [{type: metric, metric: accuracy, min: 0.5}]\n"
    )
    workspace = Workspace(project)
    with TestClient(build(workspace, token_hash=None), base_url="http://127.0.0.1") as http:
        call = Caller(http)
        version = models.register(workspace, "m", make_candidate())
        fields = {"name": "m", "version": "1", "stage": "Production"}
        assert call.refused("POST", "model-versions/transition-stage", **fields) == (403, "PERMISSION_DENIED")
        move(call, "1", "Staging")
        judged = gate.judge(workspace, version)
        status, _ = call.ask("POST", "model-versions/transition-stage", **fields)
        assert (status == 200) == (judged.outcome == "pass")
        assert judged.outcome == "pass"
        call("POST", "registered-models/create", name="other")
        register(call, "other")
        call("POST", "model-versions/transition-stage", **fields | {"name": "other"})
    workspace.close()


def test_numbers_and_versions_never_come_back(call: Caller, workspace: Workspace, run_id: str) -> None:
    for _ in range(2):
        register(call)
    call("DELETE", "model-versions/delete", name="m", version="2")
    assert call.refused("DELETE", "model-versions/delete", name="m", version="2")[0] == 404
    assert call.refused("GET", "model-versions/get", name="m", version="2") == (404, "RESOURCE_DOES_NOT_EXIST")
    third = register(call)
    assert third["version"] == "3"
    assert parse_version(registry.resolve(workspace, "m").version) == (1, 2, 0)
    last = [item for item in registry.history(workspace, "m") if item.version == "1.1.0"][-1]
    assert (last.to_stage, last.reason) == ("deleted", "deleted by an MLflow client")


def test_what_is_in_production_cannot_be_deleted(call: Caller, workspace: Workspace, run_id: str) -> None:
    register(call)
    move(call, "1", "Production")
    for method, path, fields in (
        ("DELETE", "model-versions/delete", {"name": "m", "version": "1"}),
        ("DELETE", "registered-models/delete", {"name": "m"}),
    ):
        status, answer = call.ask(method, path, **fields)
        assert status == 400
        assert "m@1.0.0 is in production" in answer["message"]
    move(call, "1", "Archived")
    removal.delete_model(workspace, "m")
    assert registry.names(workspace) == []


def test_descriptions_tags_and_what_a_client_gets_wrong(call: Caller, run_id: str) -> None:
    register(call)
    call("PATCH", "model-versions/update", name="m", version="1", description="better")
    call("POST", "model-versions/set-tag", name="m", version="1", key="k", value="v")
    found = call("GET", "model-versions/get", name="m", version="1")["model_version"]
    assert found["description"] == "better"
    assert {"key": "k", "value": "v"} in found["tags"]
    call("DELETE", "model-versions/delete-tag", name="m", version="1", key="k")
    for version in ("x", "1.0.0", "-1", "", "1" * 20):
        assert call.refused("GET", "model-versions/get", name="m", version=version)[0] == 400, version
    wrong = {"name": "m", "version": "1", "key": "mainspring.version", "value": "9.9.9"}
    assert call.refused("POST", "model-versions/set-tag", **wrong)[0] == 400


def test_versions_are_found_page_by_page(call: Caller, workspace: Workspace, run_id: str) -> None:
    for number in range(4):
        register(call, run_id=run_id if number else "", tags=[{"key": "odd", "value": str(number % 2)}])
    for filter, numbers in (
        ("version_number > 2", ["4", "3"]),
        ("version_number = '1'", ["1"]),
        (f"run_id = '{run_id}'", ["4", "3", "2"]),
        ("source_path LIKE 's3:%' AND tags.odd = '1'", ["4", "2"]),
        ("name IN ('m') AND tags.odd != '1'", ["3", "1"]),
    ):
        found = call("GET", "model-versions/search", filter=filter, order_by=["version_number DESC"])
        assert [version["version"] for version in found["model_versions"]] == numbers, filter
    seen, token = [], ""
    while True:
        page = call("GET", "model-versions/search", max_results=3, order_by=["version_number ASC"], page_token=token)
        seen += [version["version"] for version in page["model_versions"]]
        if not (token := page.get("next_page_token", "")):
            break
    assert seen == ["1", "2", "3", "4"]
    assert call("GET", "model-versions/search", filter="name = 'none'") == {}
    for wrong in ({"filter": "version_number LIKE '1'"}, {"max_results": 0}, {"max_results": 200_001}):
        assert call.refused("GET", "model-versions/search", **wrong)[0] == 400
