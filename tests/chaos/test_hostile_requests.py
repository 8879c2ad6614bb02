"""Whatever is sent to a server, it answers as it should or closes, and goes on answering others."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving.scene import Running, add, make_workspace, server

from chaos.wire import head, send, shapes, status
from mainspring.serving import releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTS = ("/invocations", "/v2/models/m/infer", "/labels")
ODD_BODIES = [
    b"", b"null", b"[]", b"\xff\xfe", b"\0", b'"x"', b"{" * 50_000, b"[" * 100_000 + b"]" * 100_000,
    b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"inputs":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    b'{"dataframe_records":[{}]}', b'{"dataframe_records":[{"\\u0000":1}]}', b'{"instances":[[]]}', b'{"instances":[{}]}',
    b'{"dataframe_split":{"columns":[],"data":[[]]}}', b'{"dataframe_split":{"columns":["a","a"],"data":[[1,2]]}}',
    b'{"inputs":{"x":[],"z":[]}}', b'{"inputs":[{"name":"a","datatype":"FP64","shape":[0,2],"data":[]}]}',
    b'{"inputs":[{"name":"a","datatype":"FP64","shape":[9223372036854775807,2],"data":[1,2]}]}',
    b'{"labels":[{"prediction_id":"0123456789abcdef0123456789abcdef","label":[]}],"endpoint":"../../x"}',
]  # fmt: skip
ODD_VALUES = [
    "NaN",
    "Infinity",
    "1e400",
    "1" + "0" * 400,
    str(2**1024),
    '"1"',
    "null",
    "[1]",
    "{}",
    '"\\ud800"',
    "true",
]


@pytest.fixture(scope="module")
def prediction_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    workspace = make_workspace(tmp_path_factory.mktemp("served") / "w")
    releases.release(workspace, "m", add(workspace), reason="first", override="a test")
    with server(workspace, "--no-guard") as running:
        yield running.port
        log = (workspace.root / "server.log").read_text()
    workspace.close()
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def control_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("controlled")
    (folder / "mainspring.yaml").write_text("project: example\n")
    with (folder / "up.log").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "mainspring", "up", "--port", "0"],
            cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on"), (folder / "up.log").read_text()
        yield int(line.rsplit(":", 1)[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert "Traceback" not in (folder / "up.log").read_text()


@pytest.fixture(params=["prediction_port", "control_port"])
def port(request: pytest.FixtureRequest) -> int:
    return int(request.getfixturevalue(request.param))


def post(path: str, body: bytes, *lines: str) -> bytes:
    return head(path, "Content-Type: application/json", f"Content-Length: {len(body)}", *lines, method="POST") + body


@pytest.mark.parametrize("shape", shapes("/"))
def test_requests_that_are_not_what_they_seem_are_refused(port: int, shape: str) -> None:
    answer = send(port, shapes("/invocations")[shape])
    assert status(answer) == 0 or 400 <= status(answer) < 500, answer[:300]
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert status(send(port, head("/health"))) == 200


def test_lines_after_a_body_change_nothing_before_it(port: int) -> None:
    chunks = b"0\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n\r\n"
    assert status(send(port, head("/health", "Transfer-Encoding: chunked") + chunks)) == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize(
    "path",
    ["/", "//", "/%00", "/%ff", "/%2e%2e/x", "/static/style.css%00", f"/static/{'a' * 5000}", "/v2/models/%0d%0aX:y"],
)
def test_odd_paths_and_methods_break_nothing(port: int, method: str, path: str) -> None:
    for verb in ("GET", method):
        answer = send(port, head(path, method=verb))
        assert 200 <= status(answer) < 500, answer[:300]
        assert not re.search(rb"(?m)^X:y", answer)


@pytest.mark.parametrize("path", POSTS)
def test_odd_bodies_are_refused(prediction_port: int, path: str) -> None:
    tensor = '{"inputs":[{"name":"a","datatype":"FP64","shape":[1,2],"data":[%s,1]}]}'
    row = '{"instances":[[%s,1]]}' if path == "/invocations" else tensor
    for body in [*ODD_BODIES, *((row % value).encode() for value in ODD_VALUES)]:
        answer = send(prediction_port, post(path, body))
        assert 400 <= status(answer) < 500, (body[:100], answer[:300])
        assert b"Traceback" not in answer


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["inputs", "instances", "dataframe_split", "columns", "data", "name", "shape", "datatype", "x", "z", ""]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_JSON, path=st.sampled_from(POSTS))
def test_any_json_gets_an_answer(prediction_port: int, body: object, path: str) -> None:
    answer = send(prediction_port, post(path, json.dumps(body).encode()))
    assert 200 <= status(answer) < 500, (body, answer[:300])


def test_slow_callers_keep_nobody_waiting(port: int) -> None:
    import socket

    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    try:
        for number, caller in enumerate(slow):
            caller.sendall(b"GET /hea" if number % 2 else post("/invocations", b"{}")[:-1])
        assert status(send(port, head("/health"))) == 200
    finally:
        for caller in slow:
            caller.close()


def test_callers_on_kept_connections_are_let_go_in_order(tmp_path: Path) -> None:
    """Asked to stop, a server answers what comes on the connections there are, and says that each was the last time."""
    workspace = make_workspace(tmp_path / "w")
    releases.release(workspace, "m", add(workspace), reason="first", override="a test")
    with server(workspace, "--no-guard") as running:
        told: list[tuple[int, str | None]] = []
        refused = ask_until_refused(running, told)
        assert running.process.wait(60) == 0
    workspace.close()
    assert {code for code, _ in told} == {200}
    assert told[-1][1] == "close"
    assert isinstance(refused, ConnectionRefusedError)


def ask_until_refused(running: Running, told: list[tuple[int, str | None]]) -> Exception:
    client = running.client()
    try:
        while True:
            code, _, headers = client.post("/invocations", {"instances": [[0.5, 1]]})
            told.append((code, headers.get("connection")))
            if len(told) == 50:
                running.process.send_signal(signal.SIGTERM)
    except OSError as error:
        return error
    finally:
        client.close()
