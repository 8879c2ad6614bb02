"""Models that do not come back: the caller is told, the others are answered, and the worker is replaced."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.serving import predictions, releases
from mainspring.serving.calls import Calls, Hung
from mainspring.serving.problem import Problem
from serving.scene import add, make_workspace, server, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.serving.predictor import Predictor


def test_a_call_that_hangs_is_given_up_and_the_next_is_answered() -> None:
    leave = threading.Event()
    told: list[bool] = []
    predictor: Predictor = SimpleNamespace(  # type: ignore[assignment] # all that a call needs of one
        version="1.0.0", predict=lambda values: leave.wait(30) if values else "answer"
    )

    async def run() -> None:
        calls = Calls("model", 0.2, lambda: told.append(True))
        first = asyncio.ensure_future(calls.call(predictor, {"x": [1]}))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(calls.call(predictor, {}))
        with pytest.raises(Hung, match=r"did not answer within 0\.2 s") as hung:
            await first
        assert hung.value.status == 504
        answer: Any
        try:
            answer = await second
        except Problem as waited:  # it may have waited as long as the first ran
            assert waited.status == 503
            answer = await calls.call(predictor, {})
        assert answer == "answer"
        assert (calls.hung, told) == (1, [True])
        leave.set()
        calls.close()

    asyncio.run(run())


@pytest.mark.slow
def test_a_hanging_model_costs_its_caller_a_504_and_the_worker_its_place(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "serving: {timeout: 500ms}\n")
    releases.release(workspace, "m", add(workspace, "Slow"), reason="first", override="a test")
    with server(workspace, "--no-guard") as running:
        client = running.client()
        [before] = running.workers()
        status, answer, _ = client.post("/invocations", {"instances": [[15, 1]]})
        assert (status, answer["version"]) == (504, "1.0.0")
        assert "did not answer within 0.5 s" in answer["detail"]
        client.close()
        wait_until(lambda: running.workers() and running.workers() != [before], "another worker")
        assert _answered(running.port) == 200
        assert running.stop() == 0
    log = (workspace.root / "server.log").read_text()
    assert "a model hangs in worker process" in log
    assert predictions.predictions(workspace, "m").filter(status="error")["error"].to_list() == [
        "version 1.0.0 did not answer within 0.5 s"
    ]
    workspace.close()


@pytest.mark.slow
def test_a_worker_that_hangs_as_a_whole_is_ended_by_the_supervisor(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "serving: {timeout: 100ms}\n")
    releases.release(workspace, "m", add(workspace, "Odd"), reason="first", override="a test")
    with server(workspace, "--no-guard", workers=2) as running:
        before = set(running.workers())
        hanging = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
        hanging.request("POST", "/invocations", b'{"instances": [[16, 1]]}', {"content-type": "application/json"})
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            hanging.getresponse()
        hanging.close()
        wait_until(lambda: len(set(running.workers()) - before) == 1 and _answered(running.port) == 200, "a new worker")
    assert "no sign of life" in (workspace.root / "server.log").read_text()
    workspace.close()


def _answered(port: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("POST", "/invocations", b'{"instances": [[1, 1]]}', {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    return 0
