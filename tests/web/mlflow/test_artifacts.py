"""Artifacts through the proxy: what clients send comes back, and no path leads out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from litestar.testing import TestClient

    from mainspring.store.workspace import Workspace
    from tests.web.mlflow.conftest import Caller

PROXY = "/api/2.0/mlflow-artifacts/"


@pytest.fixture
def root(call: Caller) -> str:
    info = call("POST", "runs/create", experiment_id="0")["run"]["info"]
    return f"0/{info['run_id']}/artifacts"


def put(http: TestClient[Any], path: str, data: bytes = b"x") -> int:
    return http.put(f"{PROXY}artifacts/{path}", content=data).status_code


def listed(http: TestClient[Any], path: str) -> list[tuple[str, bool]]:
    answer = http.get(f"{PROXY}artifacts", params={"path": path})
    assert answer.status_code == 200, answer.text
    return [(file["path"], file["is_dir"]) for file in answer.json()["files"]]


def test_files_come_back(http: TestClient[Any], call: Caller, root: str) -> None:
    data = os.urandom(3_000_001)
    assert put(http, f"{root}/model/weights.bin", data) == 200
    assert put(http, f"{root}/notes é ü.txt", b"") == 200
    assert put(http, f"{root}/model/MLmodel", b"flavors") == 200
    assert listed(http, root) == [("model", True), ("notes é ü.txt", False)]
    assert listed(http, f"{root}/model") == [("MLmodel", False), ("weights.bin", False)]
    assert listed(http, f"{root}/model/MLmodel") == []
    answer = http.get(f"{PROXY}artifacts/{root}/model/weights.bin")
    assert answer.content == data
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"] == "application/octet-stream"
    run_id = root.split("/")[1]
    whole = call("GET", "artifacts/list", run_id=run_id, path="model")
    assert whole["root_uri"] == f"mlflow-artifacts:/{root}"
    assert whole["files"] == [
        {"path": "model/MLmodel", "is_dir": False, "file_size": 7},
        {"path": "model/weights.bin", "is_dir": False, "file_size": 3_000_001},
    ]
    assert call("GET", "artifacts/list", run_id=run_id, path="none") | {"files": []} == {
        "root_uri": f"mlflow-artifacts:/{root}",
        "files": [],
    }


def test_long_paths(http: TestClient[Any], root: str) -> None:
    path = f"{root}/{'/'.join(['a folder'] * 40)}/weights.bin"
    assert put(http, path) == 200
    assert http.get(f"{PROXY}artifacts/{path}").content == b"x"
    answer = http.put(f"{PROXY}artifacts/{root}/{'x' * 600}", content=b"x")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_files_are_replaced_and_removed(http: TestClient[Any], root: str) -> None:
    for data in (b"one", b"two"):
        assert put(http, f"{root}/a/b.txt", data) == 200
    assert http.get(f"{PROXY}artifacts/{root}/a/b.txt").content == b"two"
    assert put(http, f"{root}/a") == 400
    assert put(http, f"{root}/a/b.txt/c") == 400
    assert put(http, f"{root}/c.txt") == 200
    assert http.delete(f"{PROXY}artifacts/{root}/a").status_code == 200
    assert listed(http, root) == [("c.txt", False)]
    assert http.delete(f"{PROXY}artifacts/{root}/a").status_code == 404
    assert http.get(f"{PROXY}artifacts/{root}/a/b.txt").status_code == 404


def test_files_of_a_logged_model(http: TestClient[Any], call: Caller) -> None:
    model = call("POST", "logged-models", experiment_id="0", name="m")["model"]["info"]["model_id"]
    path = f"0/models/{model}/artifacts/sub/model.pkl"
    assert put(http, path, b"bytes") == 200
    assert http.get(f"{PROXY}artifacts/{path}").content == b"bytes"
    found = call("GET", f"logged-models/{model}/artifacts/directories")["files"]
    assert found == [{"path": "sub", "is_dir": True}]
    assert put(http, "0/models/m-none/artifacts/x") == 404


@pytest.mark.parametrize(
    "path",
    [
        "{root}/../../etc/passwd",
        "{root}/..%2f..%2fetc/passwd",
        "{root}/%2e%2e/%2e%2e/x",
        "{root}/%252e%252e/x",
        "{root}/%252e%252e%252fx",
        "{root}/..%5c..%5cx",
        "{root}/a%5c..%5cx",
        "{root}//etc/passwd",
        "%2fetc%2fpasswd",
        "/etc/passwd",
        "C:%5cx",
        "c:/x",
        "{root}/a%00b",
        "{root}/a%0ab",
        "{root}/%2e/x",
        "{root}/",
        "{root}",
        "file:///etc/passwd",
        "http://evil.example/x",
        "0/../artifacts/x",
        "{root}/%ff%fe",
        "{root}/" + "a" * 600,
    ],
)
def test_no_path_leads_out(http: TestClient[Any], workspace: Workspace, root: str, path: str) -> None:
    place = path.replace("{root}", root)
    before = sorted(workspace.root.rglob("*.txt"))
    for answer in (
        http.put(f"{PROXY}artifacts/{place}", content=b"x"),
        http.get(f"{PROXY}artifacts/{place}"),
        http.get(f"{PROXY}artifacts", params={"path": place}),
        http.get("/api/2.0/mlflow/artifacts/list", params={"run_id": root.split("/")[1], "path": place}),
    ):
        if answer.status_code == 200:  # a listing of the root itself, or of a folder that is not there
            assert answer.json().get("files") == []
        else:
            assert 400 <= answer.status_code < 500, answer.text
    assert not workspace.objects.files.exists() or not list(workspace.objects.files.rglob("*"))
    assert sorted(workspace.root.rglob("*.txt")) == before


def test_a_damaged_file_is_not_sent(http: TestClient[Any], workspace: Workspace, root: str) -> None:
    assert put(http, f"{root}/a.txt", b"good bytes") == 200
    [stored] = [path for path in workspace.objects.files.rglob("*") if path.is_file()]
    stored.chmod(0o644)
    stored.write_bytes(b"evil bytes")
    answer = http.get(f"{PROXY}artifacts/{root}/a.txt")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "DATA_LOSS")
    assert put(http, f"{root}/a.txt", b"good bytes") == 200
    assert http.get(f"{PROXY}artifacts/{root}/a.txt").content == b"good bytes"


def test_a_file_in_parts(http: TestClient[Any], root: str) -> None:
    pieces = [os.urandom(1_500_000), os.urandom(1_500_000), b"end"]
    begun = http.post(f"{PROXY}mpu/create/{root}/big", json={"path": "/home/ada/w.bin", "num_parts": 3}).json()
    etags = {}
    for credential, piece in reversed(list(zip(begun["credentials"], pieces, strict=True))):
        answer = http.put(credential["url"], content=piece, headers=credential["headers"])
        etags[credential["part_number"]] = answer.headers["etag"]
    wanted = {"path": "/home/ada/w.bin", "upload_id": begun["upload_id"]}
    parts = [{"part_number": number, "etag": etag, "url": ""} for number, etag in etags.items()]
    wrong = [{"part_number": 1, "etag": "0" * 32}]
    assert http.post(f"{PROXY}mpu/complete/{root}/big", json=wanted | {"parts": wrong}).status_code == 400
    assert http.post(f"{PROXY}mpu/complete/{root}/other", json=wanted | {"parts": parts}).status_code == 404
    assert http.post(f"{PROXY}mpu/complete/{root}/big", json=wanted | {"parts": parts}).status_code == 200
    assert http.get(f"{PROXY}artifacts/{root}/big/w.bin").content == b"".join(pieces)
    assert http.put(begun["credentials"][0]["url"], content=b"late").status_code == 404


def test_an_upload_in_parts_that_is_given_up(http: TestClient[Any], workspace: Workspace, root: str) -> None:
    begun = http.post(f"{PROXY}mpu/create/{root}", json={"path": "w.bin", "num_parts": 2}).json()
    http.put(begun["credentials"][0]["url"], content=b"part")
    wanted = {"path": "w.bin", "upload_id": begun["upload_id"]}
    assert http.post(f"{PROXY}mpu/complete/{root}", json=wanted | {"parts": []}).status_code == 400
    assert http.post(f"{PROXY}mpu/abort/{root}", json=wanted).status_code == 200
    assert not list((workspace.objects.root / "uploads").iterdir())
    assert http.post(f"{PROXY}mpu/abort/{root}", json=wanted).status_code == 404
    for wrong in ("..", "../..", "x" * 40, "%2e%2e"):
        assert http.put(f"{PROXY}mpu/parts/{wrong}/1", content=b"x").status_code == 404
    for parts in (0, -1, 10_001):
        answer = http.post(f"{PROXY}mpu/create/{root}", json={"path": "w.bin", "num_parts": parts})
        assert answer.status_code == 400
