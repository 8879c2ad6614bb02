"""Endpoints of metric histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import UsageError
from mainspring.tracking import history
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.runs import ById
from mainspring.web.mlflow.wire import number_out

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.points import Columns

_RUNS = 100
_POINTS = 2500


class History(ById):
    """The history of a metric of a run, or a page of it."""

    metric_key: str = ""
    max_results: int | None = None
    page_token: str = ""


class Interval(msgspec.Struct):
    """A metric of several runs, with as many points as a picture needs."""

    run_ids: list[str]
    metric_key: str
    start_step: int | None = None
    end_step: int | None = None
    max_results: int = _POINTS


def get_history(workspace: Workspace, request: History) -> dict[str, Any]:
    """Return points by moment."""
    if not request.metric_key:
        raise UsageError("Missing value for required parameter 'metric_key'.")
    token = request.page_token
    if token and not (token.isascii() and token.isdigit() and len(token) < 16):
        raise UsageError("the page token is none of this server's", hint="begin without one")
    found = history.page(workspace, request.id, request.metric_key, start=int(token or 0), most=request.max_results)
    answer: dict[str, Any] = {"metrics": _points(request.metric_key, found.points)}
    return answer if found.next is None else answer | {"next_page_token": str(found.next)}


def get_interval(workspace: Workspace, request: Interval) -> dict[str, Any]:
    """Return an even sample of the points of each run, by step."""
    if not 0 < len(request.run_ids) <= _RUNS:
        raise UsageError(f"name between 1 and {_RUNS} runs in 'run_ids'")
    if not 1 <= request.max_results <= _POINTS:
        raise UsageError(f"max_results must be between 1 and {_POINTS}.")
    if (request.start_step is None) != (request.end_step is None):
        raise UsageError("give both start_step and end_step, or neither")
    points: list[dict[str, Any]] = []
    for run_id in request.run_ids:
        found = history.sampled(
            workspace,
            run_id,
            request.metric_key,
            most=request.max_results,
            first_step=request.start_step,
            last_step=request.end_step,
        )
        points += [item | {"run_id": run_id} for item in _points(request.metric_key, found)]
    return {"metrics": points}


def _points(key: str, points: Columns) -> list[dict[str, Any]]:
    columns = zip(points.steps.tolist(), points.at.tolist(), points.values.tolist(), strict=True)
    return [{"key": key, "value": number_out(value), "timestamp": at, "step": step} for step, at, value in columns]


ENDPOINTS = [
    Endpoint("GET", "metrics/get-history", History, get_history),
    Endpoint("GET", "metrics/get-history-bulk-interval", Interval, get_interval),
]
