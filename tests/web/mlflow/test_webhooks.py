"""Webhooks are told what happens, signed; only hosts of the settings are ever called."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from mainspring.base import clock
from mainspring.base.errors import StorageError
from mainspring.store.schema.versioning import webhooks as table
from mainspring.store.workspace import Workspace
from mainspring.versioning import delivery, labels, webhooks
from mainspring.versioning.registration import Arrival, record_arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.web.mlflow.conftest import Caller

EVENTS = [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]


class Listener:
    """A host that keeps what it is told, and answers as it is asked to."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.arrived = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = listener.answers.pop(0) if listener.answers else 200
                listener.told.append((dict(self.headers), body))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
                listener.arrived.set()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mainspring.yaml").write_text(
        "project: x\ntracking: {webhook_hosts: [127.0.0.1, hooks.example.com, inside.example.com]}\n"
    )
    return tmp_path


def test_a_webhook_is_told_and_can_check_who_speaks(call: Caller, listener: Listener) -> None:
    made = call("POST", "webhooks", name="ours", url=listener.url, events=EVENTS, secret="s3cret")["webhook"]
    assert made["status"] == "ACTIVE"
    assert made["events"] == EVENTS
    call("POST", "registered-models/create", name="m", tags=[{"key": "k", "value": "v"}])
    assert listener.arrived.wait(10)
    headers, body = listener.told[0]
    told = json.loads(body)
    assert (told["entity"], told["action"]) == ("registered_model", "created")
    assert told["data"] == {"name": "m", "tags": {"k": "v"}, "description": None}
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
    assert headers["X-MLflow-Signature"] == f"v1,{expected}"


def test_the_secret_is_never_told(call: Caller, workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    made = call("POST", "webhooks", name="w", url="https://hooks.example.com/x", events=EVENTS, secret="s3cret")
    path = f"webhooks/{made['webhook']['webhook_id']}"
    changed = call("PATCH", path, name="other", status="DISABLED", secret="n3wer")
    assert changed["webhook"]["name"] == "other"
    assert changed["webhook"]["status"] == "DISABLED"
    wrong = call.ask("PATCH", path, secret=["n3wer"]), call.ask("PATCH", path, name="a b", secret="n3wer")
    assert [status for status, _ in wrong] == [400, 400]
    for answer in (made, changed, wrong, call("GET", path), call("GET", "webhooks")):
        assert "s3cret" not in json.dumps(answer)
        assert "n3wer" not in json.dumps(answer)
    held = webhooks.get_webhook(workspace, made["webhook"]["webhook_id"])
    assert "n3wer" not in repr(held)
    with workspace.database.read() as connection:
        assert connection.execute(select(table.c.secret)).scalars().all() == ["n3wer"]
    call("DELETE", path)
    with workspace.database.read() as connection:
        assert connection.execute(select(table.c.secret)).scalars().all() == []
    assert not {"s3cret", "n3wer"} & set(re.findall(r"\w+", caplog.text))
    assert call.refused("GET", path) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert call("GET", "webhooks") == {}


def test_webhooks_come_in_pages(call: Caller) -> None:
    for number in range(3):
        call("POST", "webhooks", name=f"w{number}", url="https://hooks.example.com/", events=EVENTS)
    first = call("GET", "webhooks", max_results=2)
    second = call("GET", "webhooks", max_results=2, page_token=first["next_page_token"])
    assert [webhook["name"] for webhook in first["webhooks"] + second["webhooks"]] == ["w0", "w1", "w2"]
    assert "next_page_token" not in second


ADDRESSES = [
    ("https://elsewhere.example.com/", 403),
    ("http://169.254.169.254/latest/meta-data", 403),
    ("http://localhost/", 403),
    ("http://[::1]/", 403),
    ("http://127.1/", 403),
    ("http://2130706433/", 403),
    ("http://hooks.example.com@elsewhere.example.com/", 400),
    ("https://user:pass@hooks.example.com/", 400),
    ("ftp://hooks.example.com/", 400),
    ("file:///etc/passwd", 400),
    ("hooks.example.com", 400),
    ("http://[bad", 400),
    ("https://hooks.example.com/\r\nX: y", 400),
    ("", 400),
]


def test_other_addresses_are_refused(call: Caller) -> None:
    for url, status in ADDRESSES:
        assert call.refused("POST", "webhooks", name="w", url=url, events=EVENTS)[0] == status
        made = call("POST", "webhooks", name="w", url="https://hooks.example.com/", events=EVENTS)["webhook"]
        if url:
            assert call.refused("PATCH", f"webhooks/{made['webhook_id']}", url=url)[0] == status


WRONG = [
    {"events": []},
    {"events": [{"entity": "PROMPT", "action": "CREATED"}]},
    {"events": [{"entity": "REGISTERED_MODEL", "action": "SET"}]},
    {"name": ""},
    {"name": "a b"},
    {"name": "n" * 64},
    {"status": "SLEEPING"},
]


def test_what_a_webhook_cannot_be(call: Caller) -> None:
    for wrong in WRONG:
        fields = {"name": "w", "url": "https://hooks.example.com/", "events": EVENTS} | wrong
        assert call.refused("POST", "webhooks", **fields) == (400, "INVALID_PARAMETER_VALUE")


def test_without_the_setting_there_are_no_webhooks(tmp_path: Path) -> None:
    (tmp_path / "mainspring.yaml").write_text("project: x\n")
    workspace = Workspace(tmp_path)
    with pytest.raises(webhooks.Refused) as refusal:
        webhooks.create_webhook(workspace, "w", "https://hooks.example.com", ["registered_model.created"])
    assert "tracking.webhook_hosts" in str(refusal.value.hint)
    workspace.close()


def test_a_name_that_leads_inside_is_not_called(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = webhooks.create_webhook(workspace, "w", "http://inside.example.com/", ["registered_model.created"])
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.0.0.7", 80))])
    answer = delivery.try_webhook(workspace, made.id)
    assert not answer.taken
    assert "private address" in str(answer.error)
    for address, allowed in (
        ("93.184.216.34", True),
        ("::ffff:10.0.0.7", False),
        ("127.0.0.1", True),
        ("fd00::1", False),
    ):
        assert webhooks.allowed_address(workspace, "inside.example.com", address) is allowed


def test_trying_says_what_the_host_said(call: Caller, listener: Listener) -> None:
    made = call("POST", "webhooks", name="w", url=listener.url, events=EVENTS)["webhook"]
    path = f"webhooks/{made['webhook_id']}/test"
    assert call("POST", path)["result"] == {"success": True, "response_status": 200, "response_body": "ok"}
    assert "X-MLflow-Signature" not in listener.told[0][0]
    listener.answers = [503, 302]
    event = {"entity": "MODEL_VERSION", "action": "CREATED"}
    assert call("POST", path, event=event)["result"]["success"] is False
    assert json.loads(listener.told[-1][1])["entity"] == "model_version"
    call("POST", path)
    assert len(listener.told) == 3, "a redirect is not followed"


def test_what_does_not_arrive_is_sent_again(
    workspace: Workspace, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.create_webhook(workspace, "w", listener.url, ["registered_model.created"])
    listener.answers = [503, 429, 400]
    later = 0
    real = clock.now
    monkeypatch.setattr(delivery, "now", lambda: real() + later)
    labels.create_model(workspace, "m")
    labels.create_model(workspace, "n")
    assert delivery.deliver(workspace) == 0
    assert delivery.deliver(workspace) == 0
    assert len(listener.told) == 2, "not before its time"
    later = 3_600_000
    assert delivery.deliver(workspace) == 1
    assert len(listener.told) == 4, "400 is an answer: that event is given up"
    assert delivery.deliver(workspace) == 0
    ids = [headers["X-MLflow-Delivery-Id"] for headers, _ in listener.told]
    assert ids[:2] == ids[2:]


def test_a_model_that_comes_with_its_first_version_is_told(workspace: Workspace, listener: Listener) -> None:
    webhooks.create_webhook(workspace, "w", listener.url, ["registered_model.created", "model_version.created"])
    arrivals = [
        Arrival(model="m", version=version, artifact="", evidence=None, metrics={}, source="x", history=None)
        for version in ("1.0.0", "1.1.0")
    ]
    record_arrivals(workspace, arrivals)
    delivery.deliver(workspace)
    told = [json.loads(body) for _, body in listener.told]
    assert [(one["entity"], one["data"]["name"]) for one in told] == [
        ("registered_model", "m"),
        ("model_version", "m"),
        ("model_version", "m"),
    ]


def test_what_is_undone_is_not_told(workspace: Workspace, listener: Listener) -> None:
    webhooks.create_webhook(workspace, "w", listener.url, ["registered_model.created"])
    with pytest.raises(RuntimeError), workspace.database.write() as connection:
        webhooks.announce(connection, "registered_model.created", {"name": "m"})
        raise RuntimeError
    deadline = time.monotonic() + 5
    assert delivery.deliver(workspace) == 0
    assert time.monotonic() < deadline
    assert listener.told == []


def test_a_database_that_breaks_meanwhile_is_told_and_nothing_else(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = Workspace(project)
    with workspace.database.read():
        pass
    workspace.close()
    for file in (project / ".mainspring").glob("mainspring.db*"):
        file.write_bytes(b"none" * 1024)
    with pytest.raises(StorageError, match="not a database"), workspace.database.read():
        pass
    delivery.deliver_in_background(workspace)
    for thread in threading.enumerate():
        if thread.name == "webhooks":
            thread.join(10)
    assert "webhooks wait until the database is there again" in caplog.text
