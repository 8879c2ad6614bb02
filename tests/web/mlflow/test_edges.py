"""Moments and steps at the ends of what 64 bits hold, and texts of all kinds of characters, over the wire and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.web.mlflow.conftest import Caller

LAST = 2**63 - 1
REFUSED = (400, "INVALID_PARAMETER_VALUE")


@pytest.fixture
def run(call: Caller) -> str:
    return str(call("POST", "runs/create", experiment_id="0")["run"]["info"]["run_id"])


def test_points_of_clocks_and_steps_at_the_ends_come_back(call: Caller, run: str) -> None:
    points = [(0, -(2**63)), (1, 0), (4_102_444_800_000, 5), (LAST, LAST)]
    batch = [{"key": "loss", "value": 1.5, "timestamp": at, "step": step} for at, step in points]
    call("POST", "runs/log-batch", run_id=run, metrics=batch)
    history = call("GET", "metrics/get-history", run_id=run, metric_key="loss")["metrics"]
    assert [(int(point["timestamp"]), int(point["step"])) for point in history] == points
    [newest] = call("GET", "runs/get", run_id=run)["run"]["data"]["metrics"]
    assert (int(newest["timestamp"]), int(newest["step"])) == (LAST, LAST)
    for wrong in ({"timestamp": LAST + 1}, {"timestamp": -(2**63) - 1}, {"step": LAST + 1, "timestamp": 1}):
        assert call.refused("POST", "runs/log-metric", run_id=run, key="loss", value=1, **wrong) == REFUSED


@pytest.mark.parametrize(("start", "end"), [(0, LAST), (4_102_444_800_000, 1), (LAST, 0)])
def test_a_run_whose_clock_is_wrong_is_kept_as_it_says(call: Caller, start: int, end: int) -> None:
    info = call("POST", "runs/create", experiment_id="0", start_time=start)["run"]["info"]
    call("POST", "runs/update", run_id=info["run_id"], status="FINISHED", end_time=end)
    kept = call("GET", "runs/get", run_id=info["run_id"])["run"]["info"]
    assert (int(kept["start_time"]), int(kept["end_time"])) == (start, end)
    found = call("POST", "runs/search", experiment_ids=["0"], order_by=["attributes.start_time DESC"])["runs"]
    assert [item["info"]["run_id"] for item in found] == [info["run_id"]]
    assert call.refused("POST", "runs/create", experiment_id="0", start_time=LAST + 1) == REFUSED


@pytest.mark.parametrize("name", ["größe 🍇", "日本語/損失", "e\u0301te\u0301", "\u05d0\u05d1", 'it\'s "x" `y` %s'])
def test_texts_of_any_language_come_back(call: Caller, run: str, name: str) -> None:
    long = f"{name}\n\ttwo lines"
    experiment = call("POST", "experiments/create", name=name)["experiment_id"]
    assert call("GET", "experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"] == experiment
    call("POST", "runs/log-metric", run_id=run, key=name, value=2, timestamp=1)
    call("POST", "runs/log-parameter", run_id=run, key=name, value=long)
    call("POST", "runs/set-tag", run_id=run, key=name, value=long)
    data = call("GET", "runs/get", run_id=run)["run"]["data"]
    assert [(data[kind][0]["key"]) for kind in ("metrics", "params")] == [name, name]
    assert data["params"][0]["value"] == long
    assert {"key": name, "value": long} in data["tags"]
    if "`" not in name:
        found = call("POST", "runs/search", experiment_ids=["0"], filter=f"metrics.`{name}` = 2")["runs"]
        assert [item["info"]["run_id"] for item in found] == [run]


@pytest.mark.parametrize("name", ["a\x00b", "a\x1b[31mb", "a\nb", "\u202eb", "\u2028", "\x7f", "\ufeffb"])
def test_names_with_characters_that_cannot_be_seen_are_refused(call: Caller, run: str, name: str) -> None:
    assert call.refused("POST", "experiments/create", name=name) == REFUSED
    assert call.refused("POST", "registered-models/create", name=name) == REFUSED
    assert call.refused("POST", "runs/log-metric", run_id=run, key=name, value=1, timestamp=1) == REFUSED
    assert call.refused("POST", "runs/log-parameter", run_id=run, key=name, value="1") == REFUSED
    assert call.refused("POST", "runs/set-tag", run_id=run, key=name, value="1") == REFUSED
