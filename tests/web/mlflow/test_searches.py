"""Searches, as MLflow's clients send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from litestar.testing import TestClient

    from tests.web.mlflow.conftest import Caller

BAD = (400, "INVALID_PARAMETER_VALUE")


@pytest.fixture
def experiment(call: Caller) -> str:
    return str(call("POST", "experiments/create", name="wine")["experiment_id"])


@pytest.fixture
def runs(call: Caller, experiment: str) -> list[str]:
    made = []
    for number in range(5):
        run = call("POST", "runs/create", experiment_id=experiment, start_time=number, run_name=f"run {number}")
        made.append(str(run["run"]["info"]["run_id"]))
        metric = {"key": "auc", "value": "NaN" if number == 2 else number / 10, "timestamp": 5, "step": 1}
        call("POST", "runs/log-batch", run_id=made[-1], metrics=[metric], params=[{"key": "p", "value": str(number)}])
    return made


def names(answer: dict[str, Any]) -> list[str]:
    return [run["info"]["run_name"][-1] for run in answer["runs"]]


def test_runs_come_as_they_are_read(call: Caller, experiment: str, runs: list[str]) -> None:
    answer = call("POST", "runs/search", experiment_ids=[experiment])
    assert names(answer) == ["4", "3", "2", "1", "0"]
    assert "next_page_token" not in answer
    assert answer["runs"][2] == call("GET", "runs/get", run_id=runs[2])["run"]
    assert answer["runs"][2]["data"]["metrics"] == [{"key": "auc", "value": "NaN", "timestamp": 5, "step": 1}]
    answer = call("POST", "runs/search", experiment_ids=[experiment], filter=None, page_token=None, run_view_type=1)
    assert len(answer["runs"]) == 5


def test_filters_orders_and_pages(call: Caller, experiment: str, runs: list[str]) -> None:
    asked = {"experiment_ids": [experiment], "filter": "metrics.auc != 0", "order_by": ["metrics.auc DESC"]}
    first = call("POST", "runs/search", **asked, max_results=3)
    assert names(first) == ["4", "3", "1"]
    call("POST", "runs/create", experiment_id=experiment, start_time=9, run_name="late")
    assert names(call("POST", "runs/search", **asked, page_token=first["next_page_token"])) == ["2"]
    asked["order_by"] = ["metrics.auc"]
    assert call.refused("POST", "runs/search", **asked, page_token=first["next_page_token"]) == BAD
    call("POST", "runs/delete", run_id=runs[0])
    found = call("POST", "runs/search", experiment_ids=[experiment], run_view_type="DELETED_ONLY")
    assert names(found) == ["0"]
    assert found["runs"][0]["info"]["lifecycle_stage"] == "deleted"


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": "metrics.auc => 1"},
        {"filter": 5},
        {"order_by": ["nothing"]},
        {"order_by": "start_time"},
        {"order_by": ["metrics.a", "metrics.a DESC"]},
        {"max_results": 0},
        {"max_results": 50_001},
        {"max_results": "many"},
        {"page_token": "x"},
        {"run_view_type": "SOME"},
        {"filter": "tags.a = '\u0000'"},
    ],
)
def test_bad_searches(call: Caller, experiment: str, fields: dict[str, Any]) -> None:
    assert call.refused("POST", "runs/search", experiment_ids=[experiment], **fields) == BAD


def test_inputs_and_outputs_are_on_the_wire(call: Caller, experiment: str, runs: list[str]) -> None:
    dataset = {"name": "train", "digest": "d1", "source_type": "local", "source": "{}", "schema": "[]"}
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    model = call("POST", "logged-models", experiment_id=experiment, name="m", source_run_id=runs[0])
    model_id = model["model"]["info"]["model_id"]
    read = {"datasets": [{"dataset": dataset, "tags": tags}], "models": [{"model_id": model_id}]}
    call("POST", "runs/log-inputs", run_id=runs[0], **read)
    call("POST", "runs/outputs", run_id=runs[0], models=[{"model_id": model_id, "step": 7}])
    [found] = call("POST", "runs/search", experiment_ids=[experiment], filter="dataset.context = 'training'")["runs"]
    assert found["inputs"] == {
        "dataset_inputs": [{"dataset": dataset, "tags": tags}],
        "model_inputs": [{"model_id": model_id}],
    }
    assert found["outputs"] == {"model_outputs": [{"model_id": model_id, "step": 7}]}
    assert found == call("GET", "runs/get", run_id=runs[0])["run"]
    summaries = call("POST", "experiments/search-datasets", experiment_ids=[experiment])["dataset_summaries"]
    assert summaries == [{"experiment_id": experiment, "name": "train", "digest": "d1", "context": "training"}]
    for wrong in ([], ["0"] * 21):
        assert call.refused("POST", "experiments/search-datasets", experiment_ids=wrong) == BAD


def test_experiments(call: Caller, http: TestClient[Any], experiment: str) -> None:
    call("POST", "experiments/create", name="beer", tags=[{"key": "team", "value": "red"}])
    for method in ("GET", "POST"):
        found = call(method, "experiments/search", filter="name != 'Default'", order_by=["name"], max_results=1)
        assert [item["name"] for item in found["experiments"]] == ["beer"]
        rest = call(
            method,
            "experiments/search",
            filter="name != 'Default'",
            order_by=["name"],
            page_token=found["next_page_token"],
        )
        assert [item["experiment_id"] for item in rest["experiments"]] == [experiment]
    call("POST", "experiments/delete", experiment_id=experiment)
    for view in ("DELETED_ONLY", "2"):
        found = call("GET", "experiments/search", view_type=view, max_results=1000)
        assert [item["name"] for item in found["experiments"]] == ["wine"]
    assert call.refused("GET", "experiments/search", filter="nothing = 'x'") == BAD
    assert http.post("/ajax-api/2.0/mlflow/experiments/search", json={}).status_code == 200


def test_logged_models(call: Caller, experiment: str, runs: list[str]) -> None:
    ids = []
    for name in ("a", "b"):
        made = call("POST", "logged-models", experiment_id=experiment, name=name, params=[{"key": "p", "value": name}])
        ids.append(made["model"]["info"]["model_id"])
        metric = {"key": "auc", "value": 0.5 if name == "a" else 0.7, "timestamp": 5, "model_id": ids[-1]}
        call("POST", "runs/log-batch", run_id=runs[0], metrics=[metric | {"dataset_name": "d", "dataset_digest": "1"}])
    order = [{"field_name": "metrics.auc", "ascending": False, "dataset_name": "d"}]
    asked = {"experiment_ids": [experiment], "datasets": [{"dataset_name": "d"}], "order_by": order}
    first = call("POST", "logged-models/search", **asked, max_results=1)
    assert [item["info"]["model_id"] for item in first["models"]] == [ids[1]]
    rest = call("POST", "logged-models/search", **asked, page_token=first["next_page_token"])
    assert rest["models"] == [call("GET", f"logged-models/{ids[0]}")["model"]]
    found = call("POST", "logged-models/search", experiment_ids=[experiment], filter="params.p = 'b'")
    assert [item["info"]["name"] for item in found["models"]] == ["b"]
    assert call.refused("POST", "logged-models/search") == BAD
    for wrong in ({"filter": "foo = 'x'"}, {"order_by": [{"field_name": "foo"}]}, {"datasets": [{}]}):
        assert call.refused("POST", "logged-models/search", experiment_ids=[experiment], **wrong) == BAD
