from __future__ import annotations

import contextvars
import logging
import math
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainspring.base.errors import Conflict, InvalidData, MainspringError, NotFound, StorageError, UsageError
from mainspring.measures.estimate import Estimate
from mainspring.tracking import buffer, recording, run
from mainspring.tracking.batch import Point, log_batch, newest, write
from mainspring.tracking.experiments import (
    create_experiment,
    delete_experiment,
    get_experiment,
    list_experiments,
    restore_experiment,
)
from mainspring.tracking.query import list_runs
from mainspring.tracking.run import active_run, start_run
from mainspring.tracking.search import curves, get_run, history, list_inputs
from mainspring.versioning import snapshot
from mainspring.versioning.known import DatasetVersion

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


def test_what_was_logged_is_there(workspace: Workspace) -> None:
    with start_run(workspace, name="first", params={"depth": 3}, tags={"team": "red"}, snapshot=False) as started:
        run.log_param("rate", 0.1)
        run.log_params({"columns": ["a", "b"]})
        for step in range(5):
            run.log_metric("loss", 1 / (step + 1), step=step)
        run.log_metrics({"auc": 0.9, "f1": 0.8}, step=4)
        run.set_tag("note", "fine")
        run.set_tags({"team": "blue"})
    info = get_run(workspace, started.id)
    assert (info.name, info.experiment, info.status, info.error) == ("first", "wine", "finished", None)
    assert info.ended_at is not None
    assert info.ended_at >= info.started_at
    assert info.params == {"depth": "3", "rate": "0.1", "columns": '["a","b"]'}
    assert {key: metric.value for key, metric in info.metrics.items()} == {"auc": 0.9, "f1": 0.8, "loss": 0.2}
    assert info.tags["team"] == "blue"
    assert info.tags["note"] == "fine"
    curve = history(workspace, "first", "loss")
    assert curve.steps == [0, 1, 2, 3, 4]
    assert curve.values == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_an_estimate_keeps_its_interval(workspace: Workspace) -> None:
    with start_run(workspace, snapshot=False) as started:
        started.log_metric("auc", Estimate(0.9, 0.85, 0.95, 400, "delong"))
        started.log_metric("open", Estimate(0.9, 0.5, math.inf, 1, "t"))
        started.log_metric("plain", 1)
    metrics = get_run(workspace, started.id).metrics
    assert (metrics["auc"].value, metrics["auc"].low, metrics["auc"].high, metrics["auc"].n) == (0.9, 0.85, 0.95, 400)
    assert str(metrics["auc"]) == "0.9 [0.85, 0.95] n=400"
    assert metrics["open"].high == math.inf
    assert (metrics["plain"].low, metrics["plain"].n) == (None, None)


def test_values_that_are_not_finite_come_back(workspace: Workspace) -> None:
    values = [math.inf, -math.inf, math.nan, 0.0]
    with start_run(workspace, snapshot=False) as started:
        for step, value in enumerate(values):
            started.log_metric("loss", value, step)
        started.log_metric("last", math.nan)
    found = history(workspace, started.id, "loss").values
    assert found[:2] == values[:2]
    assert math.isnan(found[2])
    assert math.isnan(get_run(workspace, started.id).metrics["last"].value)


def test_the_newest_point_has_the_highest_step_whatever_the_order(workspace: Workspace) -> None:
    with start_run(workspace, snapshot=False) as started:
        started.log_metric("loss", 5.0, step=5)
        started.flush()
        started.log_metric("loss", 1.0, step=1)
        started.flush()
        assert get_run(workspace, started.id).metrics["loss"].value == 5.0
        started.log_metric("loss", 5.5, step=5)
        started.flush()
        assert get_run(workspace, started.id).metrics["loss"].value == 5.5
    assert history(workspace, started.id, "loss").steps == [1, 5, 5]


_point = st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 3), st.floats(-1, 1))
_points = st.lists(_point.map(lambda cells: Point(*cells)), max_size=8)


@given(st.lists(_points, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_leave_what_one_batch_would(workspace: Workspace, batches: list[list[Point]]) -> None:
    together = [point for batch in batches for point in batch]
    with start_run(workspace, snapshot=False) as started:
        for batch in batches:
            log_batch(workspace, started.id, metrics=batch)
    found = get_run(workspace, started.id).metrics
    expected = newest(together)
    assert {key: (metric.step, metric.at, metric.value) for key, metric in found.items()} == {
        key: point[1:4] for key, point in expected.items()
    }
    for key, curve in curves(workspace, started.id, list(expected)).items():
        ordered = sorted((point for point in together if point.key == key), key=lambda point: point[1:3])
        assert curve.values == [point.value for point in ordered]


def test_a_param_keeps_its_value(workspace: Workspace) -> None:
    with start_run(workspace, snapshot=False) as started:
        started.log_param("depth", 3)
        started.log_param("depth", "3")
        with pytest.raises(Conflict, match="'depth' of this run is '3' already; it cannot become '4'"):
            started.log_params({"fresh": 1, "depth": 4})
        with pytest.raises(Conflict, match="cannot become '5'"):
            log_batch(workspace, started.id, params={"new": 1, "depth": 5}, metrics=[Point("m", 0, 0, 1.0)])
    info = get_run(workspace, started.id)
    assert info.params == {"depth": "3"}
    assert info.metrics == {}


def test_an_exception_fails_the_run_and_keeps_what_it_logged(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="no rows"), start_run(workspace, snapshot=False) as started:
        run.log_metric("loss", 1.0)
        raise ValueError("no rows\n  in march")
    info = get_run(workspace, started.id)
    assert (info.status, info.error) == ("failed", "ValueError: no rows in march")
    assert info.metrics["loss"].value == 1.0


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (KeyboardInterrupt(), "killed", "interrupted"),
        (SystemExit(0), "finished", None),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (StorageError("the disk is full", hint="free some"), "failed", "StorageError: the disk is full"),
        (AssertionError(), "failed", "AssertionError"),
    ],
)
def test_how_a_run_ends(workspace: Workspace, error: BaseException, status: str, text: str | None) -> None:
    with pytest.raises(type(error)), start_run(workspace, snapshot=False) as started:
        run.log_metric("loss", 1.0)
        raise error
    info = get_run(workspace, started.id)
    assert (info.status, info.error, len(info.metrics)) == (status, text, 1)


def test_an_ended_run_takes_nothing_more(workspace: Workspace) -> None:
    with start_run(workspace, snapshot=False) as started:
        started.finish("failed", "on purpose")
        started.finish()
    assert get_run(workspace, started.id).error == "on purpose"
    for log in (
        lambda: started.log_metric("loss", 1.0),
        lambda: started.log_param("depth", 1),
        lambda: started.set_tag("t", 1),
        lambda: started.log_text("x", "x.txt"),
    ):
        with pytest.raises(Conflict, match="has ended"):
            log()
    with pytest.raises(UsageError, match="cannot end as 'done'"):
        started.finish("done")  # type: ignore[arg-type]  # no status of a run: that is the point


def test_without_an_active_run_logging_says_so(workspace: Workspace) -> None:
    assert active_run() is None
    with pytest.raises(UsageError, match="log_metric: there is no active run"):
        run.log_metric("loss", 1.0)
    with start_run(workspace, snapshot=False) as started:
        assert active_run() is started
    assert active_run() is None


def test_nested_runs(workspace: Workspace) -> None:
    with start_run(workspace, experiment="search", snapshot=False) as outer:
        with start_run(params={"depth": 1}, snapshot=False) as inner:
            run.log_metric("loss", 1.0)
            assert active_run() is inner
        assert active_run() is outer
        run.log_metric("best", 1.0)
    infos = {info.id: info for info in list_runs(workspace)}
    assert infos[inner.id].tags[run.PARENT_TAG] == outer.id
    assert infos[inner.id].experiment == "search"
    assert list(infos[inner.id].metrics) == ["loss"]
    assert list(infos[outer.id].metrics) == ["best"]
    assert run.PARENT_TAG not in infos[outer.id].tags


def test_a_thread_logs_into_the_only_run_and_never_guesses(workspace: Workspace) -> None:
    said: list[str] = []

    def work() -> None:
        try:
            run.log_metric("loss", 1.0)
            said.append("logged")
        except MainspringError as error:
            said.append(error.message)

    def in_thread() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with start_run(workspace, snapshot=False) as outer:
        in_thread()
        with start_run(snapshot=False):
            in_thread()
    assert said[0] == "logged"
    assert said[1].startswith("log_metric: 2 runs are open")
    assert list(get_run(workspace, outer.id).metrics) == ["loss"]


def test_runs_side_by_side_in_threads_are_not_nested(workspace: Workspace) -> None:
    both = threading.Barrier(2)

    def work(number: int) -> None:
        with start_run(workspace, name=f"run {number}", snapshot=False):
            both.wait(30)
            for step in range(100):
                run.log_metric("loss", number, step)
            both.wait(30)

    threads = [threading.Thread(target=contextvars.Context().run, args=(work, number)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        assert history(workspace, f"run {number}", "loss").values == [number] * 100
        assert run.PARENT_TAG not in get_run(workspace, f"run {number}").tags


def test_many_threads_lose_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "POINTS", 50)
    with start_run(workspace, snapshot=False) as started:

        def work(number: int) -> None:
            for step in range(500):
                started.log_metric(f"loss/{number}", step, step)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = curves(workspace, started.id, [f"loss/{number}" for number in range(4)])
    assert all(curve.values == list(range(500)) for curve in found.values())


def test_points_are_written_in_the_background(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "SECONDS", 0.01)
    written = threading.Event()

    def watched(*arguments: object, **named: object) -> None:
        write(*arguments, **named)  # type: ignore[arg-type]  # arguments of many verbs
        written.set()

    monkeypatch.setattr(recording, "write", watched)
    with start_run(workspace, snapshot=False) as started:
        started.log_metric("loss", 1.0)
        assert written.wait(30)


def test_records_that_cannot_be_written_delay_points_and_lose_none(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True

    def failing(*arguments: object, **named: object) -> None:
        if broken:
            raise StorageError("the disk is full")
        write(*arguments, **named)  # type: ignore[arg-type]  # arguments of many verbs

    monkeypatch.setattr(recording, "write", failing)
    with start_run(workspace, snapshot=False) as started:
        started.log_metric("loss", 1.0, 1)
        with pytest.raises(StorageError):
            started.flush()
        started.log_metric("loss", 2.0, 2)
        broken = False
    assert history(workspace, started.id, "loss").values == [1.0, 2.0]


def test_an_ending_that_cannot_be_written_does_not_hide_the_users_error(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:

    def failing(*arguments: object, **named: object) -> None:
        raise StorageError("the disk is full")

    with pytest.raises(ValueError, match="mine") as caught, start_run(workspace, snapshot=False) as started:
        monkeypatch.setattr(recording, "write", failing)
        raise ValueError("mine")
    assert "the disk is full" in caught.value.__notes__[0]
    monkeypatch.setattr(recording, "write", write)
    started.finish("failed", "mine")
    assert get_run(workspace, started.id).status == "failed"


def test_the_background_warns_once_and_tries_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, written = 0, threading.Event()

    def failing(*arguments: object, **named: object) -> None:
        nonlocal tries
        mine = arguments[1] == started.id
        tries += mine
        if mine and tries <= 3:
            raise StorageError("the disk is full")
        write(*arguments, **named)  # type: ignore[arg-type]  # arguments of many verbs
        if mine:
            written.set()

    monkeypatch.setattr(logging.getLogger("mainspring"), "propagate", True)  # whatever a command line has set up
    monkeypatch.setattr(buffer, "SECONDS", 0.01)
    monkeypatch.setattr(recording, "write", failing)
    with start_run(workspace, snapshot=False) as started:
        started.log_metric("loss", 1.0)
        assert written.wait(30)
    assert history(workspace, started.id, "loss").values == [1.0]
    said = [record for record in caplog.records if started.id in record.message]
    expected = f"metrics of run {started.id} wait, because they cannot be written: the disk is full"
    assert [record.message for record in said] == [expected], [(r.created, r.threadName, r.name, tries) for r in said]
    assert tries > 3


def test_too_many_waiting_points_make_logging_wait(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "MOST", 3)
    with start_run(workspace, snapshot=False) as started:
        for step in range(3):
            started.log_metric("loss", 1.0, step)
        assert len(history(workspace, started.id, "loss").values) == 3


@pytest.mark.parametrize(
    "arguments", [{"step": 2**63}, {"at": 2**63}, {"value": Estimate(0.5, 0.4, 0.6, 2**63, "t")}, {"value": "0.5"}]
)
def test_a_point_that_no_database_takes_is_refused_when_it_is_logged(
    workspace: Workspace, arguments: dict[str, object]
) -> None:
    with start_run(workspace, snapshot=False) as started:
        with pytest.raises(InvalidData, match="metric 'loss'"):
            started.log_metric("loss", **({"value": 1.0} | arguments))  # type: ignore[arg-type]  # one of several arguments
        started.log_metric("loss", 1.0)
    assert history(workspace, started.id, "loss").values == [1.0]


def test_inputs(workspace: Workspace) -> None:
    version = DatasetVersion(
        id="1", dataset="wine", number=1, path="data/wine.csv", md5="a" * 32, size=1, files=1, created_at=0, actor="x"
    )
    with start_run(workspace, snapshot=False) as started:
        started.log_input(version)
        started.log_input(version, context="holdout")
    [found] = list_inputs(workspace, started.id)
    assert (found.dataset, found.md5, found.path, found.context) == ("wine", "a" * 32, "data/wine.csv", "holdout")


def test_bad_names_leave_no_run(workspace: Workspace) -> None:
    for arguments in (
        {"name": ""},
        {"name": "x" * 501},
        {"params": {"": 1}},
        {"params": {"p": "x" * 6001}},
        {"tags": {"t" * 251: 1}},
        {"experiment": "x" * 501},
    ):
        with pytest.raises(InvalidData):
            start_run(workspace, snapshot=False, **arguments)  # type: ignore[arg-type]  # one of several arguments
    assert list_runs(workspace) == []
    assert active_run() is None


def test_a_deleted_experiment_takes_no_runs(workspace: Workspace) -> None:
    with start_run(workspace, experiment="old", snapshot=False):
        pass
    delete_experiment(workspace, "old")
    assert get_experiment(workspace, "old").lifecycle == "deleted"
    assert list_runs(workspace) == []
    with pytest.raises(Conflict, match="'old' was deleted"):
        start_run(workspace, experiment="old", snapshot=False)


def test_experiments(workspace: Workspace) -> None:
    made = create_experiment(workspace, "new")
    assert get_experiment(workspace, made.id) == get_experiment(workspace, "new") == made
    with pytest.raises(Conflict, match="there is an experiment 'new' already"):
        create_experiment(workspace, "new")
    delete_experiment(workspace, "new")
    assert list_experiments(workspace) == []
    assert [found.lifecycle for found in list_experiments(workspace, deleted=True)] == ["deleted"]
    restore_experiment(workspace, made.id)
    assert [(found.id, found.lifecycle) for found in list_experiments(workspace)] == [(made.id, "active")]
    with pytest.raises(NotFound) as caught:
        get_experiment(workspace, "mew")
    assert caught.value.hint == "did you mean 'new'?"


def test_runs_are_named_by_their_experiment(workspace: Workspace) -> None:
    for _ in range(2):
        with start_run(workspace, snapshot=False):
            pass
    assert [info.name for info in list_runs(workspace)] == ["wine-2", "wine-1"]


def test_the_workspace_is_found_from_here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    below = workspace.root / "src"
    below.mkdir()
    monkeypatch.chdir(below)
    with start_run(snapshot=False) as started:
        run.log_metric("loss", 1.0)
    assert get_run(workspace, started.id).status == "finished"


def test_a_batch_for_a_run_that_is_not_there(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="there is no run 'nobody'"):
        log_batch(workspace, "nobody", tags={"a": 1})


def test_the_snapshot_of_a_run_and_of_its_nested_runs(workspace: Workspace) -> None:
    with start_run(workspace, params={"depth": 3}) as outer, start_run() as inner:
        pass
    assert outer.snapshot_id is not None
    assert get_run(workspace, outer.id).snapshot_id == outer.snapshot_id == inner.snapshot_id


def test_a_snapshot_taken_before_is_used(workspace: Workspace) -> None:
    taken = snapshot.take(workspace)
    with start_run(workspace, snapshot=taken) as started:
        pass
    assert get_run(workspace, started.id).snapshot_id == taken.id


def test_a_workspace_in_a_clean_commit_has_no_changes(workspace: Workspace) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost", "-C", str(workspace.root)]
    (workspace.root / ".gitignore").write_text(".mainspring/\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    with start_run(workspace) as started:
        pass
    assert started.snapshot_id is not None
    code = snapshot.load(workspace, started.snapshot_id).code
    assert (code["dirty"], len(code["commit"])) == (False, 40)
