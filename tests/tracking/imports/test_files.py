"""What the real clients of W&B and Comet wrote offline, and Parquet as Neptune's exporter writes it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import InvalidData, NotFound
from mainspring.tracking.artifacts import list_artifacts, read_artifact
from mainspring.tracking.imports.comet import import_comet
from mainspring.tracking.imports.neptune import import_neptune
from mainspring.tracking.imports.wandb import import_wandb
from mainspring.tracking.query import list_runs
from mainspring.tracking.search import history
from scripts.environments import Unavailable, environment
from tests.peers import MLFLOW

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

HERE = Path(__file__).parent
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("import of files")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


def _write(folder: Path, script: str, *requirements: str, status: int = 0) -> Path:
    """Return a folder that a script filled once for all tests of this file."""
    place = folder / script
    if place.exists():
        return place
    try:
        python = environment(*requirements)
    except Unavailable as reason:
        pytest.skip(f"no environment for {requirements[0]}: {reason}")
    place.mkdir()
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {"HOME": str(place)}
    environ |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "COMET_LOGGING_CONSOLE": "error"}
    done = subprocess.run(
        [str(python), str(HERE / f"{script}.py")], env=environ, cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr[-4000:]
    return place


@pytest.fixture
def wandb(written: Path) -> Path:
    return _write(written, "wandb_content", "wandb", status=9)


@pytest.fixture
def comet(written: Path) -> Path:
    return _write(written, "comet_content", "comet_ml") / "out"


@pytest.fixture
def neptune(written: Path) -> Path:
    return _write(written, "neptune_content", *MLFLOW) / "exports"


def test_offline_runs_of_wandb(wandb: Path, workspace: Workspace) -> None:
    report = import_wandb(workspace, wandb)
    assert report.taken == {"experiments": 2, "runs": 3}
    found = {run.name: run for run in list_runs(workspace)}
    first = found["first"]
    assert (first.experiment, first.status, first.params["net.depth"]) == ("proj", "finished", "3")
    assert first.params == {"lr": "0.1", "net.depth": "3", "net.act": "relu", "late": "True"}
    assert {"wandb.group": "g", "wandb.tags": "a,b", "mlflow.note.content": "hello"}.items() <= first.tags.items()
    assert first.tags["summary.verdict"] == "fine"
    loss = history(workspace, first.id, "loss")
    assert loss.steps == [*range(3000), 5000]
    assert loss.values == [1 / (step + 1) for step in range(3000)] + [math.inf]
    assert abs(loss.at[0] - first.started_at) < 60_000
    assert len(history(workspace, first.id, "val/acc").values) == 3000
    assert history(workspace, first.id, "nested.deep").values[-1] == 2999
    assert all(math.isnan(value) for value in history(workspace, first.id, "odd").values)
    assert first.metrics["best"].value == 0.9
    assert read_artifact(workspace, first.id, "f.txt") == b"hi"
    assert "requirements.txt" in {file.path for file in list_artifacts(workspace, first.id)}
    assert any("history 'words': 1 values are no numbers" in line for line in report.left_out)
    assert found["failing"].status == "failed"
    assert found["killed"].status == "killed"
    assert found["killed"].metrics["loss"].step == len(history(workspace, found["killed"].id, "loss").values) - 1
    again = import_wandb(workspace, wandb / "wandb")
    assert (again.taken, again.unchanged) == ({}, {"runs": 3})


def test_a_cut_file_of_wandb_is_read_as_far_as_it_goes(wandb: Path, workspace: Workspace, tmp_path: Path) -> None:
    folder = next(place.parent for place in wandb.glob("wandb/*/files/f.txt")).parent
    shutil.copytree(folder, tmp_path / folder.name)
    file = next((tmp_path / folder.name).glob("*.wandb"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    (file.parent / "files" / "gone.txt").symlink_to("/nowhere/gone.txt")
    report = import_wandb(workspace, tmp_path)
    [run] = list_runs(workspace)
    assert run.status == "killed"
    assert 500 < len(history(workspace, run.id, "loss").values) < 2500
    assert any("ends in the middle of a record" in line for line in report.left_out)
    assert any("'gone.txt' is a link to one that is not there" in line for line in report.left_out)
    file.write_bytes(whole)  # the rest came
    assert import_wandb(workspace, tmp_path).taken == {"runs": 1}
    [run] = list_runs(workspace)
    assert (run.status, len(history(workspace, run.id, "loss").values)) == ("finished", 3001)


def test_a_damaged_file_of_wandb(wandb: Path, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "run-other.wandb").write_bytes(b"something else")
    report = import_wandb(workspace, tmp_path)
    assert "is no file of W&B's client" in report.left_out[0]
    folder = next(place.parent for place in wandb.glob("wandb/*/files/f.txt")).parent
    data = bytearray(next(folder.glob("*.wandb")).read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "run-other.wandb").write_bytes(data)
    report = import_wandb(workspace, tmp_path)
    assert any("is damaged at byte" in line for line in report.left_out)


def test_an_offline_archive_of_comet(comet: Path, workspace: Workspace) -> None:
    [archive] = comet.glob("*.zip")
    report = import_comet(workspace, archive)
    assert report.taken == {"experiments": 1, "runs": 1}
    [run] = list_runs(workspace)
    assert (run.id, run.name, run.experiment, run.status) == (archive.stem, "first", "proj", "finished")
    assert run.params == {"lr": "0.1", "depth": "3", "net|a": "1"}
    assert {"team": "red", "comet.tags": "a", "comet.workspace": "ws"}.items() <= run.tags.items()
    assert history(workspace, run.id, "loss").values == [1 / (step + 1) for step in range(50)]
    assert history(workspace, run.id, "loss").steps == list(range(50))
    assert [str(value) for value in history(workspace, run.id, "odd").values] == ["nan", "inf"]
    assert read_artifact(workspace, run.id, "asset/sub/f.txt") == b"hi"
    assert b"a line" in read_artifact(workspace, run.id, "output.log")
    assert b"comet_ml==" in read_artifact(workspace, run.id, "requirements.txt")
    assert import_comet(workspace, comet).unchanged == {"runs": 1}


def test_runs_of_the_neptune_exporter(neptune: Path, workspace: Workspace) -> None:
    report = import_neptune(workspace, neptune)
    assert report.taken == {"experiments": 1, "runs": 1}
    [run] = list_runs(workspace)
    assert (run.name, run.experiment, run.status, run.actor) == ("first", "team/wine", "finished", "ada")
    assert run.params == {"params/lr": "0.1", "params/depth": "3"}
    assert run.tags["neptune.sys/tags"] == '["a","b"]'
    assert run.tags["neptune.step_multiplier"] == "10"
    assert run.started_at == 1_746_057_600_000
    loss = history(workspace, run.id, "loss")
    assert loss.steps == [step * 5 for step in range(100)] + [900]
    assert loss.values == [1 / (step + 1) for step in range(100)] + [math.inf]
    assert read_artifact(workspace, run.id, "files/note.txt") == b"a note"
    assert read_artifact(workspace, run.id, "plots/step_2.5.png") == b"png"
    assert b"started" in read_artifact(workspace, run.id, "logs.jsonl")
    assert b"COUNTING" in read_artifact(workspace, run.id, "hist.jsonl")
    assert len(report.left_out) == 4
    for left in ("'params/../lr'", "sys/../note'", "'/loss'", "'files/away'"):
        assert any(left in line for line in report.left_out), left
    again = import_neptune(workspace, neptune / "data")
    assert (again.taken, again.unchanged) == ({}, {"runs": 1})


def test_what_is_none_of_these_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for verb in (import_wandb, import_comet, import_neptune):
        with pytest.raises(NotFound):
            verb(workspace, tmp_path / "empty")
    (tmp_path / "x.zip").write_bytes(b"no archive")
    with pytest.raises(InvalidData, match="cannot be read as an offline archive"):
        import_comet(workspace, tmp_path / "x.zip")
