"""One real server, asked in every way it knows and in many it does not."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.serving import predictions, releases
from mainspring.versioning import models
from serving.scene import Client, Running, add, make_workspace, server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("protocols")]  # one server for all of them
SPLIT = {"dataframe_split": {"columns": ["x", "z"], "data": [[0.1, 1], [2.0, 2]]}}
SETTINGS = """
serving: {max_body_bytes: 20000, max_rows: 50, routing_key: customer, event_time: when, allowed_hosts: [models.test]}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    workspace = make_workspace(tmp_path_factory.mktemp("protocols") / "w", SETTINGS)
    for name, kind in (("m", "Odd"), ("r", "regression"), ("k", "multiclass")):
        version = add(workspace, kind, name=name)
        releases.release(workspace, name, version, reason="first", override="a test")
    with server(workspace) as started:
        yield started
    workspace.close()


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    made = running.client()
    yield made
    made.close()


def ask(client: Client, body: Any, **headers: str) -> tuple[int, Any, dict[str, str]]:
    return client.post("/invocations", body, x_mainspring_endpoint="m", **headers)


def tensors(x: list[Any], z: list[Any], **more: Any) -> dict[str, Any]:
    columns = [("x", "FP64", x), ("z", "INT64", z)]
    made = [{"name": name, "shape": [len(data)], "datatype": kind, "data": data} for name, kind, data in columns]
    return {"inputs": made, **more}


def test_binary_tensors_are_read_and_written(client: Client) -> None:
    _, plain, _ = client.post("/v2/models/k/infer", tensors([0.5, -2.0], [1, 2]))
    values = {"x": np.array([0.5, -2.0], "<f4").tobytes(), "z": np.array([1, 2], "<i8").tobytes()}
    head: dict[str, Any] = {
        "inputs": [
            {"name": name, "shape": [2, 1], "datatype": kind, "parameters": {"binary_data_size": len(values[name])}}
            for name, kind in (("x", "FP32"), ("z", "INT64"))
        ],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(head).encode()
    sent = {"inference-header-content-length": str(len(text)), "content-type": "application/octet-stream"}
    body = text + values["x"] + values["z"]
    status, raw, headers = client.ask("POST", "/v2/models/k/infer", body, sent)
    length = int(headers["inference-header-content-length"])
    answer = json.loads(raw[:length])
    assert status == 200
    assert [output["parameters"]["binary_data_size"] for output in answer["outputs"]] == [10, 48]
    assert raw[length : length + 10] == b"".join(b"\x01\x00\x00\x00" + label.encode() for label in "ba")
    assert np.frombuffer(raw[length + 10 :], "<f8").tolist() == plain["outputs"][1]["data"]
    wrong = [
        (body[:-1], sent),
        (body + b"?", sent),
        (body, sent | {"inference-header-content-length": "99999"}),
        (json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}).encode(), {}),
    ]
    for what, how in wrong:
        status, said, _ = client.ask("POST", "/v2/models/k/infer", what, how)
        assert status == 400, said
        assert said["error"]


def test_csv(client: Client) -> None:
    def post(body: str, kind: str = "text/csv; charset=utf-8") -> tuple[int, Any, dict[str, str]]:
        return client.post("/invocations", body.encode(), content_type=kind, x_mainspring_endpoint="m")

    assert post("z,x\n1,0.1\n2,2.0\n")[1]["scores"] == ask(client, SPLIT)[1]["scores"]
    for body, said in (
        ("x,z\n", "there are no rows"),
        ("x,x\n1,2\n", "a name occurs twice"),
        ("x,z\n1\n", "row 0 has 1 values instead of 2"),
        ("x,z\nold,1\n", "the column 'x' expects a number, found the text"),
        ("x,z\n,1\n", "found null"),
        ("x\n1\n", "the column 'z' is missing"),
    ):
        status, answer, _ = post(body)
        assert status == 400
        assert said in answer["detail"]
    assert post("x,z\n1,1\n", "text/plain")[0] == 415


def test_a_bare_nan_is_null_and_what_is_compressed_is_refused(client: Client) -> None:
    for number, said in (("NaN", "found null in row 0"), ("Infinity", "Infinity is no number")):
        status, answer, _ = ask(client, f'{{"instances": [[{number}, 1]]}}'.encode())
        assert (status, said in answer["detail"]) == (400, True)
    status, answer, _ = ask(client, b"\x1f\x8b", content_encoding="gzip")
    assert (status, "compressed" in answer["detail"]) == (415, True)


def test_what_the_server_says_of_itself(client: Client) -> None:
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/ping", "/health", "/version", "/metrics"):
        assert client.get(path)[0] == 200, path
    status, model, _ = client.get("/v2/models/k")
    assert status == 200
    assert [(column["name"], column["datatype"]) for column in model["inputs"]] == [("x", "FP64"), ("z", "INT64")]
    assert model["outputs"][1]["shape"] == [-1, 3]
    assert client.get("/v2/models/m/ready")[0] == client.get("/v2/models/m/versions/1.0.0/ready")[0] == 200
    assert client.get("/v2/models/m/versions/9.9.9/ready")[0] == 404
    assert client.ask("HEAD", "/v2/health/live")[0] == 200


def test_every_form_gets_the_same_answer_as_the_model(client: Client, running: Running) -> None:
    artifact = models.load(running.workspace, models.resolve(running.workspace, "m@production"))
    expected = artifact.predict(pl.DataFrame({"x": [0.1, 2.0], "z": [1, 2]})).score.tolist()
    forms: list[Any] = [
        SPLIT,
        {"dataframe_records": [{"x": 0.1, "z": 1}, {"z": 2, "x": 2.0}]},
        {"instances": [[0.1, 1], [2.0, 2]]},
        {"inputs": {"z": [1, 2], "x": [0.1, 2.0]}},
    ]
    for form in forms:
        status, answer, headers = ask(client, form)
        assert status == 200, answer
        assert answer["scores"] == expected
        assert answer["predictions"] == [score > 0.5 for score in expected]
        assert len(set(answer["prediction_ids"])) == 2
        assert headers["x-mainspring-version"] == "1.0.0"
        assert headers["x-mainspring-role"] == "champion"
    matrix = {"inputs": [{"name": "input", "shape": [2, 2], "datatype": "FP64", "data": [0.1, 1, 2.0, 2]}]}
    for body in (tensors([0.1, 2.0], [1, 2]), matrix):
        for path in ("/v2/models/m/infer", "/v2/models/m/versions/1.0.0/infer"):
            status, answer, _ = client.post(path, body)
            assert status == 200, answer
            outputs = {output["name"]: output for output in answer["outputs"]}
            assert outputs["score"]["data"] == expected
            assert outputs["label"]["datatype"] == "BOOL"
            assert len(answer["parameters"]["prediction_ids"]) == 2


def test_regression_and_multiclass_answers(client: Client) -> None:
    status, answer, _ = client.post("/invocations", SPLIT, x_mainspring_endpoint="r")
    assert status == 200
    assert answer["predictions"] == answer["scores"] == pytest.approx([1.2, 6.0])
    status, answer, _ = client.post("/v2/models/k/infer", tensors([0.1, 2.0], [1, 2]))
    label, score = answer["outputs"]
    assert set(label["data"]) <= {"a", "b", "c"}
    assert label["datatype"] == "BYTES"
    assert score["shape"] == [2, 3]
    assert sum(score["data"][:3]) == pytest.approx(1)


def test_wanted_outputs_and_the_clients_id(client: Client) -> None:
    asked = tensors([0.1], [1], id="mine", outputs=[{"name": "score"}])
    status, answer, _ = client.post("/v2/models/m/infer", asked)
    assert (status, answer["id"], [output["name"] for output in answer["outputs"]]) == (200, "mine", ["score"])
    asked["outputs"] = [{"name": "nothing"}]
    assert client.post("/v2/models/m/infer", asked)[0] == 400


@pytest.mark.parametrize(
    ("columns", "row", "column"),
    [
        (["x"], [1.0], "z"),
        (["x", "z", "extra"], [1.0, 1, 1], "extra"),
        (["x", "z"], ["1.0", 1], "x"),
        (["x", "z"], [None, 1], "x"),
        (["x", "z"], [1.0, 1.5], "z"),
        (["X", "z"], [1.0, 1], "x"),
    ],
)
def test_a_refusal_names_the_column(client: Client, columns: list[str], row: list[Any], column: str) -> None:
    status, problem, headers = ask(client, {"dataframe_split": {"columns": columns, "data": [row]}})
    assert status == problem["status"] == 400
    assert headers["content-type"] == "application/problem+json"
    assert problem["column"] == column
    assert f"'{column}'" in problem["detail"]
    v2 = [{"name": n, "shape": [1], "datatype": "FP64", "data": [v]} for n, v in zip(columns, row, strict=True)]
    assert client.post("/v2/models/m/infer", {"inputs": v2})[1]["column"] == column


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/v2/", None, 404),
        ("GET", "/v2/models", None, 404),
        ("GET", "/v2/models/nothing", None, 404),
        ("POST", "/v2/models/nothing/infer", b"{}", 404),
        ("POST", "/v2/models/m/versions/7.0.0/infer", None, 404),
        ("GET", "/v2/models/m/../../../../etc/passwd", None, 404),
        ("GET", "/v2/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd", None, 404),
        ("GET", "/v2/models/..%5c..%5cm", None, 404),
        ("GET", "/v2/models/m;x=1", None, 404),
        ("GET", "/v2/models/m%00", None, 404),
        ("GET", "//v2/models/m", None, 404),
        ("GET", "/invocations", None, 405),
        ("DELETE", "/v2/models/m", None, 405),
        ("PUT", "/labels", b"{}", 405),
        ("OPTIONS", "/invocations", None, 405),
        ("POST", "/metrics", b"{}", 405),
        ("POST", "/invocations", b"{", 400),
        ("POST", "/invocations", b"\xff\xfe", 400),
        ("POST", "/invocations", b"", 400),
        ("POST", "/invocations", b'{"instances": [[1e999, 1]]}', 400),
        ("POST", "/invocations", b"[" * 19_000, 400),
        ("POST", "/invocations", b" " * 30_000, 413),
        ("POST", "/invocations", json.dumps({"instances": [[0.5, 1]] * 51}).encode(), 413),
        ("POST", "/labels", b'{"labels": []}', 400),
        ("POST", "/labels", b'{"labels": [{"prediction_id": "x", "label": true}]}', 400),
    ],
)
def test_hostile_and_mistaken_requests(client: Client, method: str, path: str, body: bytes | None, status: int) -> None:
    if "7.0.0" in path:
        body = json.dumps(tensors([1.0], [1])).encode()
    found, problem, _ = client.ask(method, path, body, {"x-mainspring-endpoint": "m"})
    assert found == status, problem
    assert problem["detail"]
    fresh = Client(client.port)
    assert ask(fresh, SPLIT)[0] == 200
    fresh.close()


def test_who_may_ask(client: Client) -> None:
    assert ask(client, SPLIT, host="evil.example")[0] == 421
    client.close()
    assert ask(client, SPLIT, host="models.test:80")[0] == 200
    assert ask(client, SPLIT, origin="http://evil.example")[0] == 403
    client.close()
    assert ask(client, SPLIT, origin="http://localhost:3000")[0] == 200
    assert ask(client, SPLIT, content_type="text/plain")[0] == 415


def test_several_models_have_to_be_named(client: Client) -> None:
    status, problem, _ = client.post("/invocations", SPLIT)
    assert (status, problem["models"]) == (400, ["k", "m", "r"])


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n" + b"x-filler: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000 + b"\r\n",
        b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\nabcde",
        b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-type: application/json\r\n\r\n{}{}{}{}",
        b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999999999\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_raw_bytes_never_bring_a_500(running: Running, client: Client, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except OSError:
            answer = b""
    assert answer == b"" or answer.split()[1].startswith(b"4"), answer
    assert ask(client, SPLIT)[0] == 200


def test_an_early_goodbye_is_no_harm(running: Running, client: Client) -> None:
    head = b"POST /invocations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
            connection.sendall(head)
    assert ask(client, SPLIT)[0] == 200


def test_a_model_that_raises_is_a_500_with_an_id_and_is_recorded(client: Client, running: Running) -> None:
    status, problem, _ = ask(client, {"instances": [[13, 1]]})
    assert status == 500
    assert "thirteen" not in json.dumps(problem)

    def recorded() -> bool:
        found = predictions.predictions(running.workspace, "m").filter(pl.col("prediction_id") == problem["id"])
        return found["status"].to_list() == ["error"] and "thirteen" in found["error"][0]

    wait_until(recorded, "the record")
    assert problem["id"] in (running.workspace.root / "server.log").read_text()


def test_predictions_are_recorded_with_their_inputs_times_and_keys(client: Client, running: Running) -> None:
    row = {"x": 0.25, "z": 3, "customer": "c-1", "when": "2026-01-31T12:00:00Z"}
    _, answer, _ = ask(client, {"dataframe_records": [row]})
    timed = tensors([0.5], [1], parameters={"event_time": 1000})
    other = client.post("/v2/models/m/infer", timed)[1]["parameters"]["prediction_ids"]

    def recorded() -> list[dict[str, Any]] | None:
        found = predictions.predictions(running.workspace, "m")
        wanted = found.filter(pl.col("prediction_id").is_in([*answer["prediction_ids"], *other]))
        return wanted.rows(named=True) if len(wanted) == 2 else None

    second, first = wait_until(recorded, "the record")
    assert (first["input.x"], first["input.z"], first["key"], first["event_time"]) == (0.25, 3, "c-1", 1769860800000)
    assert (first["status"], first["role"], first["version"]) == ("ok", "champion", "1.0.0")
    assert first["score"] == answer["scores"][0]
    assert first["latency_ms"] > 0
    assert second["event_time"] == 1000
    since = predictions.predictions(running.workspace, "m", since=1769860800000, until=1769860800001)
    assert since["prediction_id"].to_list() == answer["prediction_ids"]


def test_metrics_count_what_happened(client: Client) -> None:
    ask(client, SPLIT)
    ask(client, {"instances": [["x", 1]]})
    text = client.get("/metrics")[1].decode()
    assert 'mainspring_predictions_total{endpoint="m",role="champion",status="ok",version="1.0.0"}' in text
    assert 'status="invalid"' in text
    asked = 'http_request_method="POST",http_response_status_code="400",http_route="/invocations"'
    assert f"http_server_request_duration_seconds_count{{{asked}}}" in text
    assert 'mainspring_route_generation{endpoint="m",worker="0"} 1.0' in text
    assert "mainspring_worker_resident_memory_bytes" in text


def test_labels_are_checked_kept_and_replaced(client: Client, running: Running) -> None:
    ids = ask(client, SPLIT)[1]["prediction_ids"]
    status, problem, _ = client.post(
        "/labels", {"endpoint": "m", "labels": [{"prediction_id": ids[0], "label": "yes"}]}
    )
    assert (status, problem["column"]) == (400, "y")
    unknown = f"{1:032x}"
    sent = [
        {"prediction_id": ids[0], "label": True, "at": 1000},
        {"prediction_id": ids[1], "label": False},
        {"prediction_id": unknown, "label": True},
    ]
    for _ in range(2):
        assert client.post("/labels", {"endpoint": "m", "labels": sent})[:2] == (200, {"accepted": 3})
    corrected = [{"prediction_id": ids[0], "label": False, "at": "1970-01-01T00:00:02Z"}]
    assert client.post("/labels", {"endpoint": "m", "labels": corrected})[0] == 200
    kept = {row[0]: row[1:] for row in predictions.labels(running.workspace, "m").rows()}
    assert kept[ids[0]][:2] == (2000, 0.0)
    assert kept[ids[1]][1] == 0.0
    assert kept[unknown][1] == 1.0

    def joined() -> bool:
        found = predictions.labelled(running.workspace, "m").filter(pl.col("prediction_id").is_in(ids))
        return found["truth"].to_list() == [0.0, 0.0]

    wait_until(joined, "the join")
    wrong = [{"prediction_id": ids[0], "label": "1"}]
    assert client.post("/labels", {"endpoint": "r", "labels": wrong})[0] == 400
    assert client.post("/labels", {"endpoint": "k", "labels": [{"prediction_id": ids[0], "label": "b"}]})[0] == 200
    assert predictions.labels(running.workspace, "k")["truth"].to_list() == [1.0]
