"""Runs mirrored by the real clients, read back by our own importers."""

from __future__ import annotations

import logging
import math
import sys
import time
from pathlib import Path

import pytest

from mainspring.store.workspace import Workspace
from mainspring.tracking.artifacts import read_artifact
from mainspring.tracking.imports.comet import import_comet
from mainspring.tracking.imports.wandb import import_wandb
from mainspring.tracking.mirrors import begin
from mainspring.tracking.mirrors.child import mirror
from mainspring.tracking.query import list_runs
from mainspring.tracking.run import start_run
from mainspring.tracking.search import history
from scripts.environments import Unavailable, environment


def _project(folder: Path, *mirrors: str) -> Workspace:
    folder.mkdir(exist_ok=True)
    listed = "".join(f"    - {line}\n" for line in mirrors)
    (folder / "mainspring.yaml").write_text(
        f"project: wine\ntracking:\n  mirrors:\n{listed}" if mirrors else "project: wine\n"
    )
    return Workspace(folder)


def _python(requirement: str) -> Path:
    try:
        return environment(requirement)
    except Unavailable as reason:
        pytest.skip(f"no environment for {requirement}: {reason}")


def _record(workspace: Workspace, *, fails: bool = False) -> str:
    with (
        pytest.raises(RuntimeError) if fails else _nothing(),
        start_run(workspace, name="first", snapshot=False) as run,
    ):
        run.log_params({"depth": 3, "lr": 0.1})
        run.set_tag("team", "red")
        for step in range(20):
            run.log_metric("loss", 1 / (step + 1), step=step, at=1_700_000_000_000 + step * 1000)
        run.log_metric("odd", math.nan, step=3, at=1_700_000_003_000)
        run.log_text("hello", "notes/a.txt")
        if fails:
            raise RuntimeError
    return run.id


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.mark.slow
@pytest.mark.parametrize("type", ["wandb", "comet"])
def test_a_run_arrives_whole(type: str, tmp_path: Path) -> None:
    python = _python({"wandb": "wandb", "comet": "comet_ml"}[type])
    workspace = _project(tmp_path / "project", f"{{type: {type}, project: copies, python: '{python}'}}")
    run_id = _record(workspace)
    folder = workspace.state / "mirrors" / type
    _until(lambda: _arrived(folder, type), workspace)
    other = _project(tmp_path / "other")
    (import_wandb if type == "wandb" else import_comet)(other, folder)
    [copy] = list_runs(other)
    assert (copy.name, copy.status, copy.experiment) == ("first", "finished", "copies")
    assert copy.params["depth"] == "3"
    assert history(other, copy.id, "loss").values == [1 / (step + 1) for step in range(20)]
    assert math.isnan(copy.metrics["odd"].value)
    if type == "wandb":
        assert history(other, copy.id, "loss").at == [1_700_000_000_000 + step * 1000 for step in range(20)]
        assert copy.params["tags.team"] == "red"
        assert read_artifact(other, copy.id, "notes/a.txt") == b"hello"
    else:
        assert copy.id == run_id
        assert copy.tags["team"] == "red"
        assert read_artifact(other, copy.id, "asset/notes/a.txt") == b"hello"
    workspace.close()
    other.close()


@pytest.mark.slow
def test_a_run_that_failed_is_a_failed_one_there(tmp_path: Path) -> None:
    python = _python("wandb")
    workspace = _project(tmp_path / "project", f"{{type: wandb, python: '{python}'}}")
    _record(workspace, fails=True)
    folder = workspace.state / "mirrors" / "wandb"
    _until(lambda: _arrived(folder, "wandb"), workspace)
    other = _project(tmp_path / "other")
    import_wandb(other, folder)
    [copy] = list_runs(other)
    assert (copy.status, copy.experiment) == ("failed", "wine")
    workspace.close()
    other.close()


def test_a_client_that_is_not_there_changes_nothing_and_is_noted(tmp_path: Path) -> None:
    workspace = _project(tmp_path / "project", "{type: wandb, python: /nowhere/python}", "{type: comet}")
    run_id = _record(workspace)
    [run] = list_runs(workspace)
    assert (run.id, run.status) == (run_id, "finished")
    log = workspace.state / "mirrors" / "log"
    _until(lambda: log.exists() and log.read_text().count("is not mirrored to") == 2, workspace)
    wrong = mirror(workspace, run_id)
    assert "to wandb: [Errno 2]" in wrong[0]
    assert "to comet: ModuleNotFoundError: No module named 'comet_ml'" in wrong[1]
    workspace.close()


def test_a_process_that_cannot_be_started_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = _project(tmp_path / "project", "{type: wandb}")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(begin, "_warned", type(begin._warned)())
    with caplog.at_level(logging.WARNING):
        _record(workspace)
        _record(workspace)
    assert [run.status for run in list_runs(workspace)] == ["finished"] * 2
    assert len([record for record in caplog.records if "is not mirrored" in record.message]) == 1
    workspace.close()


def _arrived(folder: Path, type: str) -> bool:
    """Say whether the copy is there, and the process that wrote it has cleaned up behind itself."""
    pattern = "*.zip" if type == "comet" else "wandb/*/*.wandb"
    return any(folder.glob(pattern)) and not any((folder.parent.parent / "scratch").glob("*"))


def _until(true: object, workspace: Workspace) -> None:
    deadline = time.monotonic() + 90
    while not true():  # type: ignore[operator]
        log = workspace.state / "mirrors" / "log"
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "nothing was started"
        time.sleep(0.05)
