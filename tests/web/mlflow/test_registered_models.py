"""Registered models over MLflow's protocol: their names, labels, aliases, search, and who comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mainspring.versioning import catalogue, labels

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from tests.web.mlflow.conftest import Caller

S3 = "s3://bucket/model"


def names(answer: dict[str, Any]) -> list[str]:
    return [model["name"] for model in answer.get("registered_models", [])]


def test_a_model_is_made_described_renamed_and_removed(call: Caller) -> None:
    tags = [{"key": "team", "value": "risk"}]
    made = call("POST", "registered-models/create", name="Fraud, Europe", tags=tags, description="finds fraud")
    model = made["registered_model"]
    assert model["tags"] == tags
    assert model["description"] == "finds fraud"
    assert model == call("GET", "registered-models/get", name="Fraud, Europe")["registered_model"]
    assert call.refused("POST", "registered-models/create", name="Fraud, Europe") == (400, "RESOURCE_ALREADY_EXISTS")
    call("PATCH", "registered-models/update", name="Fraud, Europe", description="")
    assert call("GET", "registered-models/get", name="Fraud, Europe")["registered_model"]["description"] == ""
    call("POST", "model-versions/create", name="Fraud, Europe", source=S3)
    renamed = call("POST", "registered-models/rename", name="Fraud, Europe", new_name="fraud")["registered_model"]
    assert [version["name"] for version in renamed["latest_versions"]] == ["fraud"]
    assert call.refused("GET", "registered-models/get", name="Fraud, Europe")[0] == 404
    call("POST", "registered-models/create", name="other")
    call("POST", "registered-models/rename", name="fraud", new_name="fraud")
    taken = call.refused("POST", "registered-models/rename", name="fraud", new_name="other")
    assert taken == (400, "RESOURCE_ALREADY_EXISTS")
    call("DELETE", "registered-models/delete", name="fraud")
    assert call.refused("DELETE", "registered-models/delete", name="fraud") == (404, "RESOURCE_DOES_NOT_EXIST")
    again = call("POST", "registered-models/create", name="fraud")["registered_model"]
    assert "latest_versions" not in again


NAMES = ["", " ", "a/b", "a:b", "a@1", "..", "..a", "x\ny", "a\\b", "50%", "n" * 251, " a"]


def test_names_that_references_and_paths_cannot_hold(call: Caller) -> None:
    for name in NAMES:
        assert call.refused("POST", "registered-models/create", name=name) == (400, "INVALID_PARAMETER_VALUE")


def test_tags_of_models(call: Caller) -> None:
    call("POST", "registered-models/create", name="m")
    for value in ("1", "2"):
        call("POST", "registered-models/set-tag", name="m", key="k", value=value)
    assert call("GET", "registered-models/get", name="m")["registered_model"]["tags"] == [{"key": "k", "value": "2"}]
    for _ in range(2):
        call("DELETE", "registered-models/delete-tag", name="m", key="k")
    assert call.refused("POST", "registered-models/set-tag", name="no", key="k", value="")[0] == 404
    for key in ("", "k" * 251, "mainspring.version", "../k", "a//b"):
        assert call.refused("POST", "registered-models/set-tag", name="m", key=key, value="x")[0] == 400
    assert call.refused("POST", "registered-models/set-tag", name="m", key="k", value="x" * 100_001)[0] == 400


def test_aliases(call: Caller, workspace: Workspace) -> None:
    call("POST", "registered-models/create", name="m")
    for _ in range(2):
        call("POST", "model-versions/create", name="m", source=S3)
    for version in ("1", "2"):
        call("POST", "registered-models/alias", name="m", alias="best", version=version)
    found = call("GET", "registered-models/alias", name="m", alias="best")["model_version"]
    assert (found["version"], found["aliases"]) == ("2", ["best"])
    assert call("GET", "registered-models/get", name="m")["registered_model"]["aliases"] == [
        {"alias": "best", "version": "2"}
    ]
    assert call("GET", "registered-models/alias", name="m", alias="latest")["model_version"]["version"] == "2"
    for alias in ("latest", "Latest", "v1", "V12", "3", "1.0.0", "production", "a b", "", "a/b"):
        status, code = call.refused("POST", "registered-models/alias", name="m", alias=alias, version="1")
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE"), alias
    assert call.refused("POST", "registered-models/alias", name="m", alias="x", version="9")[0] == 404
    assert call.refused("GET", "registered-models/alias", name="m", alias="none") == (400, "INVALID_PARAMETER_VALUE")
    assert call.refused("GET", "registered-models/alias", name="no", alias="none")[0] == 404
    call("DELETE", "model-versions/delete", name="m", version="2")
    assert call.refused("GET", "registered-models/alias", name="m", alias="best")[0] == 400
    call("DELETE", "registered-models/alias", name="m", alias="best")
    assert catalogue.get_model(workspace, "m").aliases == {}


FOUND = [
    ("", ["a1", "a2", "b"]),
    ("name = 'b'", ["b"]),
    ("name LIKE 'a%'", ["a1", "a2"]),
    ("name LIKE 'A%'", []),
    ("name ILIKE 'A%'", ["a1", "a2"]),
    ("name IN ('b', 'a1')", ["a1", "b"]),
    ("name != 'b' AND tags.team = 'risk'", ["a1"]),
    ("tags.team != 'risk'", ["a2"]),
    ("tags.`mlflow.prompt.is_prompt` != 'true'", ["a1", "a2", "b"]),
    ("tags.`mlflow.prompt.is_prompt` = 'true'", ["prompt"]),
]


def test_models_are_found(call: Caller, workspace: Workspace) -> None:
    for name, tags in (
        ("b", {}),
        ("a1", {"team": "risk"}),
        ("a2", {"team": "sales"}),
        ("prompt", {"mlflow.prompt.is_prompt": "true"}),
    ):
        labels.create_model(workspace, name, tags=tags)
    for filter, found in FOUND:
        assert names(call("GET", "registered-models/search", filter=filter)) == found
        assert names(call("POST", "registered-models/search", filter=filter)) == found


def test_pages_of_models_stay_where_they_were(call: Caller, workspace: Workspace) -> None:
    for number in range(5):
        labels.create_model(workspace, f"m{number}")
    first = call("GET", "registered-models/search", max_results=2, order_by=["name DESC"])
    assert names(first) == ["m4", "m3"]
    labels.create_model(workspace, "m9")
    token = first["next_page_token"]
    second = call("GET", "registered-models/search", max_results=2, order_by=["name DESC"], page_token=token)
    assert names(second) == ["m2", "m1"]
    for wrong in (
        {"max_results": 2, "page_token": token},
        {"page_token": "zzz"},
        {"max_results": 1001},
        {"max_results": 0},
        {"filter": "name > 'a'"},
        {"filter": "colour = 'red'"},
        {"order_by": ["colour"]},
        {"order_by": ["name", "name DESC"]},
    ):
        assert call.refused("GET", "registered-models/search", **wrong) == (400, "INVALID_PARAMETER_VALUE"), wrong


def test_the_newest_of_each_stage(call: Caller) -> None:
    call("POST", "registered-models/create", name="m")
    for _ in range(3):
        call("POST", "model-versions/create", name="m", source=S3)
    call("POST", "model-versions/transition-stage", name="m", version="1", stage="Staging")
    for method in ("GET", "POST"):
        found = call(method, "registered-models/get-latest-versions", name="m")["model_versions"]
        assert {version["current_stage"]: version["version"] for version in found} == {"None": "3", "Staging": "1"}
        [staged] = call(method, "registered-models/get-latest-versions", name="m", stages=["staging"])["model_versions"]
        assert staged["version"] == "1"
    assert call("GET", "registered-models/get-latest-versions", name="m", stages=["Archived"]) == {}
    assert call.refused("GET", "registered-models/get-latest-versions", name="m", stages=["x"])[0] == 400


def test_of_those_who_make_a_model_at_once_one_does(call: Caller) -> None:
    def make(_: int) -> str:
        status, answer = call.ask("POST", "registered-models/create", name="m")
        return "made" if status == 200 else str(answer["error_code"])

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(make, range(8)))
    assert outcomes == ["RESOURCE_ALREADY_EXISTS"] * 7 + ["made"]
