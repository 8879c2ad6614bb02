"""Every endpoint of the MLflow face, sent what no client sends: it is refused, and never breaks the server."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from mainspring.web.mlflow import artifacts
from mainspring.web.mlflow.application import PREFIXES, endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from litestar.testing import TestClient

    from mainspring.store.workspace import Workspace
    from tests.web.mlflow.conftest import Caller

NASTY: list[Any] = [
    None,
    True,
    -1,
    2**63,
    2**70,
    -0.5,
    1e308,
    "",
    " ",
    "\x00",
    "a\nb",
    "\u202e\ud7ff",
    "x" * 10_000,
    "../../etc/passwd",
    "..\\..\\x",
    "file:///etc/passwd",
    "'; DROP TABLE runs; --",
    "{{7*7}}",
    "<script>alert(1)</script>",
    [],
    [None],
    [[]],
    ["x"] * 3,
    {},
    {"key": None},
    [{"key": 1, "value": []}],
    [{"key": "k", "value": "v", "timestamp": "x"}],
    "NaN",
    "1" * 5000,
]
FAMILIES = sorted({endpoint.path.split("/")[0] for endpoint in endpoints()})


@pytest.fixture
def base(call: Caller) -> dict[str, Any]:
    """What is there, so that requests get beyond the first look."""
    experiment = call("POST", "experiments/create", name="base")["experiment_id"]
    run = call("POST", "runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    model = call("POST", "logged-models", experiment_id=experiment, name="m")["model"]["info"]["model_id"]
    call("POST", "registered-models/create", name="reg")
    return {
        "experiment_id": experiment,
        "run_id": run,
        "run_ids": [run],
        "experiment_ids": [experiment],
        "model_id": model,
        "name": "reg",
        "key": "k",
        "value": "1",
        "timestamp": 1,
        "metric_key": "m",
        "version": "1",
    }


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_fields_of_the_wrong_kind(http: TestClient[Any], base: dict[str, Any], family: str) -> None:
    for endpoint in endpoints():
        if endpoint.path.split("/")[0] != family:
            continue
        names = [field.encode_name for field in msgspec.structs.fields(endpoint.request)]
        filled = {name: base[name] for name in names if name in base}
        path = endpoint.path
        for name in names:
            path = path.replace(f"{{{name}}}", str(base.get(name, "x")))
        for name in names:
            for value in NASTY:
                fields = filled | {name: value}
                if endpoint.method == "GET":
                    answer = http.get(PREFIXES[0] + path, params={k: v for k, v in fields.items() if v is not None})
                else:
                    answer = http.request(endpoint.method, PREFIXES[0] + path, json=fields)
                assert answer.status_code < 500 or answer.status_code == 501, (endpoint.path, fields, answer.text)
                assert isinstance(answer.json(), dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b'"x"',
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b'{"run_id": "a", "run_id": 3}',
    ],
)
def test_bodies_that_are_no_object(http: TestClient[Any], body: bytes) -> None:
    for endpoint in endpoints():
        if endpoint.method != "GET":
            answer = http.request(
                endpoint.method, PREFIXES[0] + endpoint.path.replace("{", "").replace("}", ""), content=body
            )
            assert answer.status_code < 500 or answer.status_code == 501, (endpoint.path, answer.text)


def test_paths_that_do_not_exist(http: TestClient[Any]) -> None:
    for path in (
        "",
        "runs",
        "runs/",
        "runs//get",
        "/runs/get",
        "runs/get/",
        "%72uns/get",
        "runs%2fget",
        "..",
        "%2e%2e/health",
        "\u00e9",
    ):
        for prefix in PREFIXES:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                assert 400 <= http.request(method, prefix + path, content=b"{}").status_code < 500, (method, path)


def test_families_that_are_not_here_say_so(http: TestClient[Any]) -> None:
    for path in ("traces", "traces/search", "scorers/list", "gateway/secrets/list", "workspaces"):
        answer = http.get(f"/api/3.0/mlflow/{path}")
        assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_every_endpoint_asks_for_the_token(workspace: Workspace) -> None:
    from litestar.testing import TestClient as Client

    from mainspring.web.app import build

    with Client(build(workspace, token_hash="0" * 64), base_url="http://127.0.0.1") as stranger:
        for endpoint in endpoints():
            answer = stranger.request(endpoint.method, PREFIXES[0] + endpoint.path)
            assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
        for proxied in [*artifacts.PROXY, *artifacts.STREAMS]:
            path = f"/api/2.0/mlflow-artifacts/{proxied.path}"
            assert stranger.request(proxied.method, path).status_code == 401


@contextmanager
def up(project: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(project), "up", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("listening on "))
        yield process, int(line.rsplit(":", 1)[1])
        if process.poll() is None:
            process.terminate()
            assert process.wait(30) == 0


def ask(port: int, method: str, path: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, PREFIXES[0] + path, None if fields is None else json.dumps(fields))
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 200, found
        return found


def new_run(port: int) -> str:
    return str(ask(port, "POST", "runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"])


@pytest.mark.slow
def test_a_client_that_dies_in_mid_upload_leaves_nothing(project: Path) -> None:
    with up(project) as (_, port):
        run = new_run(port)
        for _ in range(3):
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.putrequest("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/big.bin")
                connection.putheader("Content-Length", "50000000")
                connection.endheaders()
                connection.send(b"x" * 3_000_000)
        assert ask(port, "GET", f"artifacts/list?run_id={run}")["files"] == []
    objects = project / ".mainspring" / "objects"
    assert not [path for path in objects.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9(project: Path) -> None:
    with up(project) as (process, port):
        run = new_run(port)
        for step in range(300):
            point = {"key": "loss", "value": step, "timestamp": step, "step": step}
            params = [{"key": f"p{step}", "value": "x"}]
            ask(port, "POST", "runs/log-batch", {"run_id": run, "metrics": [point], "params": params})
        process.kill()
        process.wait()
    with up(project) as (_, port):
        history = ask(port, "GET", f"metrics/get-history?run_id={run}&metric_key=loss")["metrics"]
        assert [item["step"] for item in history] == list(range(300))
        assert len(ask(port, "GET", f"runs/get?run_id={run}")["run"]["data"]["params"]) == 300
