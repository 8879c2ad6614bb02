"""Experiments and runs, as MLflow's clients see them."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from litestar.testing import TestClient

    from tests.web.mlflow.conftest import Caller


@pytest.fixture
def experiment(call: Caller) -> str:
    made = call("POST", "experiments/create", name="wine", tags=[{"key": "team", "value": "red"}])
    return str(made["experiment_id"])


@pytest.fixture
def run(call: Caller, experiment: str) -> str:
    made = call("POST", "runs/create", experiment_id=experiment, start_time=5, run_name="first", user_id="ada")
    return str(made["run"]["info"]["run_id"])


def metrics(run: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]: item["value"] for item in run["run"]["data"]["metrics"]}


def test_the_default_experiment_is_there(call: Caller) -> None:
    found = call("GET", "experiments/get", experiment_id="0")["experiment"]
    assert (found["name"], found["lifecycle_stage"]) == ("Default", "active")


def test_the_life_of_an_experiment(call: Caller, experiment: str) -> None:
    found = call("GET", "experiments/get-by-name", experiment_name="wine")["experiment"]
    assert found["experiment_id"] == experiment
    assert found["tags"] == [{"key": "team", "value": "red"}]
    call("POST", "experiments/set-experiment-tag", experiment_id=experiment, key="team", value="white")
    call("POST", "experiments/update", experiment_id=experiment, new_name="wines")
    found = call("GET", "experiments/get", experiment_id=experiment)["experiment"]
    assert (found["name"], found["tags"]) == ("wines", [{"key": "team", "value": "white"}])
    call("POST", "experiments/delete-experiment-tag", experiment_id=experiment, key="team")
    call("POST", "experiments/delete", experiment_id=experiment)
    found = call("GET", "experiments/get", experiment_id=experiment)["experiment"]
    assert (found["lifecycle_stage"], found["tags"]) == ("deleted", [])
    assert call.refused("POST", "runs/create", experiment_id=experiment)[0] == 400
    call("POST", "experiments/restore", experiment_id=experiment)
    call("POST", "runs/create", experiment_id=experiment)


def test_a_deleted_experiment_takes_nothing_more(call: Caller, experiment: str) -> None:
    run_id = call("POST", "runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    call("POST", "experiments/delete", experiment_id=experiment)
    metric = {"run_id": run_id, "key": "loss", "value": 1, "timestamp": 1}
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    for path, fields in (
        ("runs/log-metric", metric),
        ("runs/set-tag", {"run_id": run_id, "key": "a", "value": "b"}),
        ("runs/update", {"run_id": run_id, "status": "FINISHED"}),
        ("runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset}]}),
    ):
        assert call.refused("POST", path, **fields) == (400, "INVALID_PARAMETER_VALUE"), path
    call("POST", "experiments/restore", experiment_id=experiment)
    call("POST", "runs/log-metric", **metric)


def test_names_of_experiments(call: Caller, experiment: str) -> None:
    assert call.refused("POST", "experiments/create", name="wine") == (400, "RESOURCE_ALREADY_EXISTS")
    assert call.refused("POST", "experiments/create", name="") == (400, "INVALID_PARAMETER_VALUE")
    assert call.refused("POST", "experiments/create") == (400, "INVALID_PARAMETER_VALUE")
    assert call.refused("GET", "experiments/get-by-name", experiment_name="beer")[1] == "RESOURCE_DOES_NOT_EXIST"
    assert call.refused("GET", "experiments/get-by-name", experiment_name=experiment)[0] == 404
    assert call.refused("GET", "experiments/get", experiment_id="wine")[0] == 404
    for place in ("/etc", "file:///tmp/x", "../x", "C:\\x", "http://evil/x"):
        assert call.refused("POST", "experiments/create", name="x", artifact_location=place)[0] == 400
    made = call("POST", "experiments/create", name="far", artifact_location="s3://bucket/x")["experiment_id"]
    run = call("POST", "runs/create", experiment_id=made)["run"]["info"]
    assert run["artifact_uri"] == f"s3://bucket/x/{run['run_id']}/artifacts"


def test_two_clients_make_one_experiment(http: TestClient[Any]) -> None:
    seen: list[int] = []

    def make() -> None:
        answer = http.post("/api/2.0/mlflow/experiments/create", json={"name": "same"})
        seen.append(answer.status_code)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200, *[400] * 7]


def test_a_run_from_start_to_end(call: Caller, run: str, experiment: str) -> None:
    found = call("GET", "runs/get", run_id=run)["run"]
    info = found["info"]
    assert (info["run_name"], info["user_id"], info["start_time"]) == ("first", "ada", 5)
    assert (info["status"], info["lifecycle_stage"], info["experiment_id"]) == ("RUNNING", "active", experiment)
    assert info["artifact_uri"] == f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    assert {"key": "mlflow.runName", "value": "first"} in found["data"]["tags"]
    answer = call("POST", "runs/update", run_id=run, status="FINISHED", end_time=9, run_name="last")
    assert answer["run_info"]["status"] == "FINISHED"
    info = call("GET", "runs/get", run_uuid=run)["run"]["info"]
    assert (info["end_time"], info["run_name"]) == (9, "last")
    call("POST", "runs/delete", run_id=run)
    assert call("GET", "runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "deleted"
    assert call.refused("POST", "runs/log-metric", run_id=run, key="a", value=1, timestamp=1)[0] == 400
    assert call.refused("POST", "runs/update", run_id=run, status="FAILED")[0] == 400
    call("POST", "runs/restore", run_id=run)
    call("POST", "runs/log-metric", run_id=run, key="a", value=1, timestamp=1)


def test_what_a_run_logs(call: Caller, run: str) -> None:
    call("POST", "runs/log-metric", run_id=run, key="loss", value=0.5, timestamp="7", step="1")
    call("POST", "runs/log-metric", run_id=run, key="loss", value=0.4, timestamp=8, step=2)
    call("POST", "runs/log-metric", run_id=run, key="loss", value=0.9, timestamp=9, step=1)
    for value in ("NaN", "Infinity", "-Infinity"):
        call("POST", "runs/log-metric", run_id=run, key=value, value=value, timestamp=1)
    call("POST", "runs/log-parameter", run_id=run, key="depth", value="3")
    call("POST", "runs/log-parameter", run_id=run, key="depth", value="3")
    call("POST", "runs/set-tag", run_id=run, key="kind", value="a")
    call("POST", "runs/set-tag", run_id=run, key="kind", value="b")
    found = call("GET", "runs/get", run_id=run)
    assert metrics(found) == {"loss": 0.4, "NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}
    assert found["run"]["data"]["params"] == [{"key": "depth", "value": "3"}]
    assert {"key": "kind", "value": "b"} in found["run"]["data"]["tags"]
    call("POST", "runs/delete-tag", run_id=run, key="kind")
    assert call.refused("POST", "runs/delete-tag", run_id=run, key="kind") == (404, "RESOURCE_DOES_NOT_EXIST")
    assert call.refused("POST", "runs/delete-tag", run_id=run) == (400, "INVALID_PARAMETER_VALUE")
    assert call.refused("POST", "runs/log-parameter", run_id=run, key="depth", value="4")[0] == 400


@pytest.mark.parametrize("key", ["../x", "a/../b", "/abs", "a//b"])
def test_names_that_are_others_as_paths(call: Caller, run: str, experiment: str, key: str) -> None:
    for path, fields in {
        "runs/log-metric": {"run_id": run, "value": 1, "timestamp": 1},
        "runs/log-parameter": {"run_id": run, "value": "1"},
        "runs/set-tag": {"run_id": run, "value": "1"},
        "experiments/set-experiment-tag": {"experiment_id": experiment, "value": "1"},
    }.items():
        assert call.refused("POST", path, key=key, **fields) == (400, "INVALID_PARAMETER_VALUE"), path
    made = call("GET", "runs/get", run_id=run)["run"]["data"]
    assert (made.get("metrics", []), made.get("params", [])) == ([], [])


def test_a_metric_before_1970(call: Caller, run: str) -> None:
    fields = {"run_id": run, "key": "loss", "value": 1}
    assert call.refused("POST", "runs/log-metric", timestamp=-1, **fields) == (400, "INVALID_PARAMETER_VALUE")
    call("POST", "runs/log-metric", timestamp=0, **fields)


def test_a_batch_is_taken_whole_or_not_at_all(call: Caller, run: str) -> None:
    call("POST", "runs/log-parameter", run_id=run, key="depth", value="3")
    batch = {
        "metrics": [{"key": "auc", "value": 1, "timestamp": 1}],
        "params": [{"key": "depth", "value": "4"}],
        "tags": [{"key": "t", "value": "v"}],
    }
    assert call.refused("POST", "runs/log-batch", run_id=run, **batch)[0] == 400
    found = call("GET", "runs/get", run_id=run)
    assert metrics(found) == {}
    assert {"key": "t", "value": "v"} not in found["run"]["data"]["tags"]


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 1001},
        {"params": [{"key": f"p{number}", "value": "x"} for number in range(101)]},
        {"tags": [{"key": f"t{number}", "value": "x"} for number in range(101)]},
        {"params": [{"key": "p", "value": "x" * 6001}]},
        {"params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]},
        {"tags": [{"key": "k" * 251, "value": "x"}]},
        {"tags": [{"key": "t", "value": "x" * 8001}]},
        {"metrics": [{"key": "m", "value": "x", "timestamp": 1}]},
        {"metrics": [{"key": "m", "timestamp": 1}]},
        {"metrics": [{"key": "m", "value": 1, "timestamp": 2**70}]},
        {"metrics": [{"key": "m\x00", "value": 1, "timestamp": 1}]},
        {"metrics": [{"key": "m", "value": 1, "timestamp": -1}]},
        {"metrics": [{"key": "../m", "value": 1, "timestamp": 1}]},
        {"params": [{"key": "a/../b", "value": "x"}]},
        {"tags": [{"key": "a//b", "value": "x"}]},
        {"metrics": {"key": "m"}},
        {"metrics": [{"key": "m", "value": 1, "timestamp": 1, "model_id": "m-none"}]},
    ],
)
def test_what_a_batch_cannot_hold(call: Caller, run: str, fields: dict[str, Any]) -> None:
    status, code = call.refused("POST", "runs/log-batch", run_id=run, **fields)
    assert (status, code) in [(400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST")]
    assert metrics(call("GET", "runs/get", run_id=run)) == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b'"x"', b"{", b"\xff\xfe", b"{}", b"null", b'{"run_id": 3}'])
def test_bodies_that_are_no_request(http: TestClient[Any], body: bytes) -> None:
    for path in ("runs/create", "runs/log-batch", "runs/log-metric", "experiments/create", "runs/log-inputs"):
        answer = http.post(f"/api/2.0/mlflow/{path}", content=body)
        assert answer.status_code < 500, (path, answer.text)
        if answer.status_code != 200:
            assert answer.json()["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


def test_what_does_not_exist(call: Caller, http: TestClient[Any]) -> None:
    assert call.refused("GET", "runs/get", run_id="none")[0] == 404
    assert call.refused("POST", "runs/log-metric", run_id="none", key="a", value=1, timestamp=1)[0] == 404
    assert call.refused("GET", "nothing/at-all")[0] == 404
    assert call.refused("GET", "runs/create")[0] == 404
    assert http.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0").status_code == 200


def test_a_body_beyond_the_limit(http: TestClient[Any]) -> None:
    answer = http.post("/api/2.0/mlflow/runs/log-batch", content=b"[" + b" " * 1_000_001)
    assert answer.status_code == 400
    assert "bytes" in answer.json()["message"]


def test_a_history_in_pages(call: Caller, run: str) -> None:
    values = [float(number) for number in range(997)] + [math.inf]
    for start in range(0, 998, 499):
        points = [
            {"key": "m", "value": "Infinity" if value == math.inf else value, "timestamp": index, "step": index % 7}
            for index, value in list(enumerate(values))[start : start + 499]
        ]
        call("POST", "runs/log-batch", run_id=run, metrics=points)
        call("POST", "runs/log-batch", run_id=run, metrics=points)  # sent again: a retry changes nothing
    whole = call("GET", "metrics/get-history", run_id=run, metric_key="m")
    assert [item["timestamp"] for item in whole["metrics"]] == list(range(998))
    assert whole["metrics"][-1]["value"] == "Infinity"
    assert "next_page_token" not in whole
    seen, token = [], {}
    while True:
        answer = call("GET", "metrics/get-history", run_id=run, metric_key="m", max_results=100, **token)
        seen += answer["metrics"]
        if "next_page_token" not in answer:
            break
        token = {"page_token": answer["next_page_token"]}
    assert seen == whole["metrics"]
    assert call.refused("GET", "metrics/get-history", run_id=run, metric_key="m", page_token="-1")[0] == 400
    assert call.refused("GET", "metrics/get-history", run_id=run, metric_key="m", max_results=0)[0] == 400
    assert call("GET", "metrics/get-history", run_id=run, metric_key="none") == {"metrics": []}


def test_a_sampled_history(call: Caller, run: str) -> None:
    points = [{"key": "m", "value": index, "timestamp": index, "step": index} for index in range(900)]
    call("POST", "runs/log-batch", run_id=run, metrics=points)
    path = "metrics/get-history-bulk-interval"
    found = call("GET", path, run_ids=[run], metric_key="m", max_results=10)["metrics"]
    assert [item["step"] for item in found] == [0, 100, 200, 300, 400, 499, 599, 699, 799, 899]
    assert {item["run_id"] for item in found} == {run}
    within = call("GET", path, run_ids=[run], metric_key="m", start_step=10, end_step=12)["metrics"]
    assert [item["step"] for item in within] == [10, 11, 12]
    assert call.refused("GET", path, run_ids=[run], metric_key="m", start_step=5)[0] == 400
    assert call.refused("GET", path, run_ids=[run], metric_key="m", start_step=5, end_step=4)[0] == 400
    assert call.refused("GET", path, run_ids=["none"], metric_key="m")[0] == 404


def test_logged_models(call: Caller, run: str, experiment: str) -> None:
    made = call(
        "POST",
        "logged-models",
        experiment_id=experiment,
        name="tree",
        model_type="Classifier",
        source_run_id=run,
        params=[{"key": "depth", "value": "3"}],
    )["model"]["info"]
    model = made["model_id"]
    assert made["status"] == "LOGGED_MODEL_PENDING"
    assert made["artifact_uri"] == f"mlflow-artifacts:/{experiment}/models/{model}/artifacts"
    call("PATCH", f"logged-models/{model}", status="LOGGED_MODEL_READY")
    call("PATCH", f"logged-models/{model}/tags", tags=[{"key": "a", "value": "b"}, {"key": "c", "value": "d"}])
    call("DELETE", f"logged-models/{model}/tags/c")
    call("POST", "runs/outputs", run_id=run, models=[{"model_id": model, "step": 4}])
    point = {"key": "auc", "value": 0.9, "timestamp": 3, "step": 2, "model_id": model, "dataset_name": "test"}
    call("POST", "runs/log-batch", run_id=run, metrics=[point])
    found = call("GET", f"logged-models/{model}")["model"]
    assert found["info"]["status"] == "LOGGED_MODEL_READY"
    assert found["info"]["tags"] == [{"key": "a", "value": "b"}]
    assert found["data"]["params"] == [{"key": "depth", "value": "3"}]
    [metric] = found["data"]["metrics"]
    assert (metric["key"], metric["value"], metric["run_id"], metric["dataset_name"]) == ("auc", 0.9, run, "test")
    assert call.refused("POST", f"logged-models/{model}/params", params=[{"key": "depth", "value": "4"}])[0] == 400
    call("DELETE", f"logged-models/{model}")
    assert call.refused("GET", f"logged-models/{model}")[0] == 404
    assert call.refused("POST", "logged-models", experiment_id=experiment, name="a/b")[0] == 400
    assert call.refused("POST", "runs/outputs", run_id=run, models=[{"model_id": "m-none"}])[0] == 404


def test_inputs_of_a_run(call: Caller, run: str) -> None:
    data = {"name": "wine", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{}"}
    tags = [{"key": "mlflow.data.context", "value": "train"}]
    call("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": data, "tags": tags}])
    call("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": data, "tags": tags}])
    long = data | {"digest": "d" * 37}
    assert call.refused("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": long}])[0] == 400
    assert call.refused("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": {"name": "x"}}])[0] == 400


def test_what_was_said_first_of_a_dataset_stays(call: Caller, run: str) -> None:
    data = {"name": "wine", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{}"}

    def said(context: str | None, **more: str) -> tuple[str, list[str]]:
        tags = [{"key": "mlflow.data.context", "value": context}] if context else []
        call("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": data | more, "tags": tags}])
        [held] = call("GET", "runs/get", run_id=run)["run"]["inputs"]["dataset_inputs"]
        return held["dataset"]["schema"], [tag["value"] for tag in held["tags"]]

    assert said(None) == ("{}", [])
    assert said("train", schema="[]") == ("[]", ["train"])
    assert said(None, schema="{}") == ("[]", ["train"])
    assert said("eval", schema="{}") == ("[]", ["train"])


@pytest.mark.parametrize(
    ("values", "newest"), [((5, "NaN"), 5), ((-5, "NaN"), "NaN"), ((0, "NaN"), 0), (("NaN", "-Infinity"), "NaN")]
)
def test_the_newest_of_points_of_one_moment_is_the_same_in_any_order(
    call: Caller, experiment: str, values: tuple[Any, Any], newest: Any
) -> None:
    for given in (values, values[::-1]):
        points = [{"key": "loss", "value": value, "timestamp": 1, "step": 1} for value in given]
        for together in (points,), ([point] for point in points):
            run = call("POST", "runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
            for batch in together:
                call("POST", "runs/log-batch", run_id=run, metrics=batch)
            assert metrics(call("GET", "runs/get", run_id=run))["loss"] == newest


def test_null_is_as_if_nothing_was_said(call: Caller, run: str, experiment: str) -> None:
    call("POST", "experiments/create", name="x", artifact_location=None, tags=None)
    found = call("POST", "runs/search", experiment_ids=[experiment], order_by=None, run_view_type=None)["runs"]
    assert [item["info"]["run_id"] for item in found] == [run]
    call("POST", "runs/create", experiment_id=experiment, tags=None, user_id=None)
    call("POST", "runs/set-tag", run_id=run, key="empty", value=None)
    call("POST", "logged-models", experiment_id=experiment, tags=None, params=None)
    call("POST", "runs/log-inputs", run_id=run, datasets=None)
    assert call.refused("POST", "runs/log-metric", run_id=run, key="loss", value=None, timestamp=1)[0] == 400
    assert call.refused("POST", "runs/log-batch", run_id=run, metrics=[None])[0] == 400


def test_a_run_is_nobodys_unless_the_client_says_whose(call: Caller, experiment: str) -> None:
    def user(**fields: Any) -> str:
        return str(call("POST", "runs/create", experiment_id=experiment, **fields)["run"]["info"]["user_id"])

    assert user() == ""
    assert user(user_id="ada") == "ada"
    assert user(tags=[{"key": "mlflow.user", "value": "ada"}]) == "ada"


def test_a_run_comes_back_only_with_its_experiment(call: Caller, run: str, experiment: str) -> None:
    call("POST", "runs/delete", run_id=run)
    call("POST", "experiments/delete", experiment_id=experiment)
    assert call.refused("POST", "runs/restore", run_id=run)[0] == 400
    call("POST", "experiments/restore", experiment_id=experiment)
    assert call("GET", "runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "deleted"
    call("POST", "runs/restore", run_id=run)
    assert call("GET", "runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "active"


def test_statuses_may_be_numbers(call: Caller, run: str) -> None:
    assert call("POST", "runs/update", run_id=run, status=3)["run_info"]["status"] == "FINISHED"
    assert call.refused("POST", "runs/update", run_id=run, status=6)[0] == 400


def test_queries_and_bodies_of_get(call: Caller, http: TestClient[Any], run: str) -> None:
    answer = http.request("GET", "/api/2.0/mlflow/runs/get", json={"run_id": run})
    assert answer.json()["run"]["info"]["run_id"] == run
    answer = http.get("/api/2.0/mlflow/runs/get?" + "a=b&" * 2001)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_models_of_clients_before_logged_models(call: Caller, run: str) -> None:
    model = '{"artifact_path": "m", "flavors": {}, "utc_time_created": "x", "run_id": "r"}'
    call("POST", "runs/log-model", run_id=run, model_json=model)
    call("POST", "runs/log-model", run_id=run, model_json=model)
    tags = {tag["key"]: tag["value"] for tag in call("GET", "runs/get", run_id=run)["run"]["data"]["tags"]}
    assert tags["mlflow.log-model.history"].count("artifact_path") == 2
    for wrong in ("", "[]", "{}", "{"):
        assert call.refused("POST", "runs/log-model", run_id=run, model_json=wrong)[0] == 400
    for _ in range(4):
        call("POST", "runs/log-model", run_id=run, model_json=model.replace('"x"', f'"{"x" * 3000}"'))
    call("POST", "runs/set-tag", run_id=run, key="mlflow.log-model.history", value="a note")
    status, answer = call.ask("POST", "runs/log-model", run_id=run, model_json=model)
    assert (status, "holds no list of models" in answer["message"]) == (400, True)
