"""The life of an alert, whoever races, and how people are told of it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base import clock
from mainspring.monitoring import alerts
from mainspring.monitoring.channels import webhook
from mainspring.monitoring.channels.delivery import ATTEMPTS, deliver
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.monitoring.conftest import Scene


class Receiver:
    """A real HTTP server that keeps what is posted to it."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = kept.answers.pop(0) if kept.answers else 200
                if answer < 300:
                    kept.received.append({"path": self.path, **body})
                self.send_response(answer)
                if answer == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=secret"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def fire(workspace: Workspace, monitor: str = "drift", event_time: int | None = None) -> alerts.Alert:
    return alerts.fire(workspace, monitor, "drift", summary="it drifted", evidence={"n": 5}, event_time=event_time)


def pass_time(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    later = clock.now() + milliseconds
    monkeypatch.setattr(clock, "now", lambda: later)


def test_one_alert_fires_and_is_resolved(scene: Scene) -> None:
    workspace = scene.open()
    first = fire(workspace)
    assert fire(workspace).id == first.id
    assert [alert.status for alert in alerts.list_alerts(workspace)] == ["firing"]
    resolved = alerts.resolve(workspace, "drift", reason="all is well")
    assert resolved is not None
    assert resolved.evidence == {"n": 5, "resolution": {"reason": "all is well", "event_time": None, "final": False}}
    assert alerts.resolve(workspace, "drift", reason="again") is None
    assert alerts.list_alerts(workspace, status="firing") == []
    assert alerts.list_alerts(workspace) == [resolved]


def test_whoever_races_there_is_one(scene: Scene) -> None:
    scene.open()
    spaces = [Workspace(scene.root) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: fire(spaces[place % 4]).id, range(24)))
    for space in spaces:
        space.close()
    assert len(set(found)) == 1


def test_what_fires_again_at_once_is_the_same_alert(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = scene.open(channels=[{"type": "log"}])
    first = fire(workspace, event_time=1000)
    deliver(workspace)
    alerts.resolve(workspace, "drift", reason="ok", event_time=2000)
    again = fire(workspace, event_time=3000)
    assert again.id == first.id
    assert again.evidence["reopened"] == 1
    assert deliver(workspace) == 0
    alerts.resolve(workspace, "drift", reason="ok", event_time=4000)
    pass_time(monkeypatch, alerts.COOLDOWN + 1)
    assert fire(workspace, event_time=5000).id != first.id


def test_what_fires_on_later_data_is_a_new_alert(scene: Scene) -> None:
    workspace = scene.open()
    first = fire(workspace, event_time=0)
    alerts.resolve(workspace, "drift", reason="ok", event_time=0)
    assert fire(workspace, event_time=alerts.COOLDOWN).id != first.id


def test_what_was_closed_on_purpose_stays_closed(scene: Scene) -> None:
    workspace = scene.open()
    first = fire(workspace)
    alerts.resolve(workspace, "drift", reason="a new version is in production", final=True)
    assert fire(workspace).id != first.id


def test_channels_are_told_once_of_each(scene: Scene, receiver: Receiver) -> None:
    channels = [{"type": "log"}, {"type": "webhook", "url": receiver.url}, {"type": "webhook", "url": receiver.url + "2",
                                                                            "monitors": ["other"]}]  # fmt: skip
    workspace = scene.open(channels=channels, monitors={"other": {"type": "resources"}})
    fire(workspace)
    assert deliver(workspace) == 2
    assert deliver(workspace) == 0
    alerts.resolve(workspace, "drift", reason="all is well")
    assert deliver(workspace) == 2
    fired, over = receiver.received
    assert (fired["monitor"], fired["kind"], fired["status"], fired["summary"]) == (
        "drift",
        "drift",
        "firing",
        "it drifted",
    )
    assert fired["text"] == "[trial] drift firing: it drifted"
    assert (over["status"], over["path"]) == ("resolved", "/hook?token=secret")
    assert over["text"] == "[trial] drift resolved: all is well"
    assert over["resolved_at"] is not None
    lines = (workspace.state / "alerts.log").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["firing", "resolved"]
    fire(workspace, "other")
    assert deliver(workspace) == 3
    assert "secret" not in str(alerts.list_alerts(workspace))


def test_a_failed_webhook_is_recorded_and_tried_again(scene: Scene, receiver: Receiver) -> None:
    workspace = scene.open(channels=[{"type": "webhook", "url": receiver.url}])
    receiver.answers = [500, 302, 200]
    fire(workspace)
    for said, arrived in (("it answered 500", 0), ("it answered 302", 0), (None, 1)):
        assert deliver(workspace) == arrived
        assert alerts.list_alerts(workspace)[0].deliveries[0].error == said
    assert alerts.list_alerts(workspace)[0].deliveries[0].attempts == 3
    assert [each["path"] for each in receiver.received] == ["/hook?token=secret"]


def test_it_gives_up_at_some_time(scene: Scene) -> None:
    workspace = scene.open(channels=[{"type": "webhook", "url": "ftp://127.0.0.1/x"}])
    fire(workspace)
    for _ in range(ATTEMPTS + 3):
        deliver(workspace)
    delivery = alerts.list_alerts(workspace)[0].deliveries[0]
    assert (delivery.attempts, delivery.due) == (ATTEMPTS, False)
    assert "http" in str(delivery.error)


def test_a_channel_that_is_gone_is_not_tried(scene: Scene) -> None:
    fire(scene.open(channels=[{"type": "webhook", "url": "http://127.0.0.1:9/x"}]))
    workspace = scene.open()
    deliver(workspace)
    assert not alerts.list_alerts(workspace)[0].deliveries[0].due


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/secret", "file:///etc/hostname", "http://", "http://[::1/secret", "http://a b"]
)
def test_what_cannot_be_posted_to(url: str) -> None:
    with pytest.raises(webhook.NotDelivered) as refused:
        webhook.post(url, {"text": "x"}, timeout=1)
    assert "secret" not in refused.value.message


def test_the_channels_can_be_tried(scene: Scene, receiver: Receiver) -> None:
    channels = [{"type": "log", "monitors": ["drift"]}, {"type": "webhook", "url": receiver.url}]
    workspace = scene.open(monitors={"drift": {"type": "data_drift"}}, channels=channels)
    receiver.answers = [200, 500]
    assert [each.delivered_at is not None for each in alerts.rehearse(workspace)] == [True, True]
    assert receiver.received[0]["text"] == "[trial] channels firing: a test of the channels, nothing is wrong"
    assert [each.error for each in alerts.rehearse(workspace)] == [None, "it answered 500"]
    assert {alert.status for alert in alerts.list_alerts(workspace)} == {"resolved"}
    assert alerts.list_alerts(workspace, status="firing") == []
