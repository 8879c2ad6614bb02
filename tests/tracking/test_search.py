from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from mainspring.base import owner
from mainspring.base.errors import Conflict, NotFound, UsageError
from mainspring.tracking import search
from mainspring.tracking.query import list_runs
from mainspring.tracking.run import start_run
from mainspring.tracking.search import get_run, history

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


def make(
    workspace: Workspace, name: str, auc: float | None = None, experiment: str | None = None, depth: int = 0
) -> str:
    with start_run(workspace, name=name, experiment=experiment, params={"depth": depth}, snapshot=False) as run:
        if auc is not None:
            run.log_metric("auc", auc)
    time.sleep(0.002)  # no two begin in one millisecond
    return run.id


def names(runs: list[search.RunInfo]) -> list[str]:
    return [run.name for run in runs]


def test_order_limit_and_experiment(workspace: Workspace) -> None:
    assert list_runs(workspace) == []
    make(workspace, "a", 0.7, depth=2)
    make(workspace, "b", 0.9, depth=1)
    make(workspace, "c", None, depth=3)
    make(workspace, "d", 0.8, experiment="other")
    make(workspace, "e", math.nan)
    assert names(list_runs(workspace)) == ["e", "d", "c", "b", "a"]
    assert names(list_runs(workspace, order_by=["run_name"], limit=2)) == ["a", "b"]
    assert names(list_runs(workspace, order_by=["metrics.auc DESC"])) == ["b", "d", "a", "e", "c"]
    assert names(list_runs(workspace, order_by=["metrics.auc"])) == ["a", "d", "b", "e", "c"]
    assert names(list_runs(workspace, order_by=["params.depth DESC"])) == ["c", "a", "b", "e", "d"]
    assert names(list_runs(workspace, "other")) == ["d"]
    assert names(list_runs(workspace, limit=None)) == ["e", "d", "c", "b", "a"]
    assert list_runs(workspace, limit=0) == []


def test_bad_questions(workspace: Workspace) -> None:
    make(workspace, "a")
    for order in ("", "nothing", "metrics.", "metrics", "error; drop table runs", "start_time DESC ASC", "-start_time"):
        with pytest.raises(UsageError, match="the order"):
            list_runs(workspace, order_by=[order])
    with pytest.raises(UsageError, match="'done' is no status"):
        list_runs(workspace, status="done")
    with pytest.raises(UsageError, match="negative"):
        list_runs(workspace, limit=-1)
    with pytest.raises(NotFound) as caught:
        list_runs(workspace, "wina")
    assert caught.value.hint == "did you mean 'wine'?"
    with pytest.raises(NotFound, match="no metric 'loss'"):
        history(workspace, "a", "loss")


def test_status(workspace: Workspace) -> None:
    make(workspace, "a")
    with pytest.raises(ValueError, match="x"), start_run(workspace, name="b", snapshot=False):
        raise ValueError("x")
    with start_run(workspace, name="c", snapshot=False):
        assert names(list_runs(workspace, status="running")) == ["c"]
        assert list_runs(workspace, status="lost") == []
    assert names(list_runs(workspace, status="finished")) == ["c", "a"]
    assert names(list_runs(workspace, status="failed")) == ["b"]


def test_references(workspace: Workspace) -> None:
    first, second = make(workspace, "a"), make(workspace, "b")
    assert get_run(workspace, first).id == first
    assert get_run(workspace, "b").id == second
    assert get_run(workspace, second[:-1]).id == second
    assert get_run(workspace, second[:-1].upper()).id == second
    with pytest.raises(Conflict) as caught:
        get_run(workspace, first[:4])
    assert caught.value.details["candidates"] == [second, first]
    make(workspace, "a")
    with pytest.raises(Conflict, match="'a' can mean several runs"):
        get_run(workspace, "a")
    for reference in ("c", first[:3], "%", "f" * 33, "zzzz", ""):
        with pytest.raises(NotFound):
            get_run(workspace, reference)


def test_a_name_goes_before_a_prefix(workspace: Workspace) -> None:
    first = make(workspace, "a")
    second = make(workspace, first[:8])
    assert get_run(workspace, first[:8]).id == second


def test_which_process_is_gone() -> None:
    host, pid, started = owner.describe().rsplit(" ", 2)
    assert host == socket.gethostname()
    assert not owner.is_gone(f"{host} {pid} {started}")
    assert not owner.is_gone(f"elsewhere {2**22 + 1} {started}")
    assert owner.is_gone(f"{host} {2**22 + 1} {started}")  # beyond the largest pid of Linux
    assert owner.is_gone(f"{host} {pid} {float(started) - 3600}")  # the pid was given to another process since
    for text in (None, "", "x", "a b c", f"{host} x 1.0"):
        assert not owner.is_gone(text)


def test_a_zombie_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet collected
        started = psutil.Process(child.pid).create_time()
        assert owner.is_gone(f"{socket.gethostname()} {child.pid} {started}")
