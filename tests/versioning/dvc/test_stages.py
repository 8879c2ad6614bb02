"""Pipelines of DVC's: their stages, and whether they are up to date, as DVC itself says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mainspring.automation.stages import run_stages
from mainspring.base.errors import InvalidData, NotFound
from mainspring.cli.main import app
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange, foreign, pull
from mainspring.versioning.lineage import find, walk
from mainspring.versioning.lineage.openlineage import export
from mainspring.versioning.stages import read_stages
from scripts.environments import environment
from tests.versioning.dvc.repository import Repository, states
from tests.versioning.remotes.scene import git

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  train:
    cmd: cat clean > model && echo '{}' > metrics.json
    deps: [clean]
    params: [train.lr, other.yaml: [depth]]
    outs:
    - model: {persist: false}
    metrics: [metrics.json: {cache: false}]
  clean:
    cmd: [cat raw > clean, "true"]
    deps: [raw]
    outs: [clean]
  each:
    foreach: [a, b]
    do:
      cmd: echo ${item} > out-${item}
      outs: ["out-${item}"]
"""
LATER = "stages: {part: {cmd: cp ../data/x.csv part, deps: [../data/x.csv], outs: [part]}}\n"
CHECKER = Path(__file__).parent.parent / "openlineage_client.py"
OPENLINEAGE = "openlineage-python==1.54.0"
FILES = {
    "dvc.yaml": PIPELINE,
    "raw": "1\n",
    "params.yaml": "train: {lr: 0.1, unused: 1}\n",
    "other.yaml": "depth: 3\n",
    "sub/dvc.yaml": "stages:\n  low:\n    cmd: cat ../model > copy\n    deps: [../model]\n    outs: [copy]\n",
}


def told(workspace: Workspace) -> dict[str, tuple[str, list[str]]]:
    return {stage.name: (stage.state, stage.why) for stage in read_stages(workspace)}


@pytest.fixture
def made(repository: Repository) -> Repository:
    repository.write(FILES)
    repository.dvc("repro", "--all-pipelines")
    repository.commit()
    return repository


def test_what_ran_is_up_to_date_and_what_changed_is_named(made: Repository, opened: Workspace) -> None:
    found = told(opened)
    assert set(found) == {"clean", "train", "each@a", "each@b", "sub/dvc.yaml:low"}
    assert all(said == ("up to date", []) for said in found.values())
    order = list(found)
    assert order.index("clean") < order.index("train") < order.index("sub/dvc.yaml:low")
    assert made.is_clean()
    for file, text, stage, why in (
        ("raw", "2\n", "clean", "raw"),
        ("params.yaml", "train: {lr: 0.2, unused: 1}\n", "train", "params.yaml:train.lr"),
        ("other.yaml", "depth: 4\n", "train", "other.yaml:depth"),
        ("metrics.json", "[]\n", "train", "metrics.json"),
        ("out-a", "x\n", "each@a", "out-a"),
        ("dvc.yaml", PIPELINE.replace("cat clean >", "cat clean clean >"), "train", "the command"),
    ):
        before = (made.root / file).read_bytes()
        (made.root / file).unlink()
        made.write({file: text})
        changed = {name: why for name, (state, why) in told(opened).items() if state == "changed"}
        assert changed == {stage: [why]}
        assert stage in made.dvc("status")
        made.write({file: before.decode()})
    made.write({"params.yaml": "train: {lr: 0.1, unused: 2}\n"})
    assert all(state == "up to date" for state, _ in told(opened).values())


def test_stages_that_dvc_always_runs(repository: Repository, opened: Workspace) -> None:
    said = "stages:\n  a: {cmd: echo 1 > o, outs: [o], always_changed: true}\n  b: {cmd: echo}\n  c: {cmd: echo > p, outs: [p]}\n"
    repository.write({"dvc.yaml": said})
    repository.dvc("repro")
    assert told(opened) == {
        "a": ("changed", ["always changed"]),
        "b": ("changed", ["always changed"]),
        "c": ("up to date", []),
    }
    assert repository.dvc("status").count("always changed") == 2


def test_a_frozen_stage_stays_as_it_is_as_with_dvc(made: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    made.dvc("freeze", "train")
    (made.root / "raw").unlink()
    made.write({"raw": "2\n"})
    monkeypatch.chdir(made.root)
    done = run_stages("sub/dvc.yaml:low")
    assert {name: result.outs[0].read_text() for name, result in done.items()} == {
        "train": "1\n",
        "sub/dvc.yaml:low": "1\n",
    }
    made.dvc("repro", "sub/dvc.yaml:low")
    assert (made.root / "clean").read_text() == "1\n"
    (made.root / "model").unlink()
    with pytest.raises(NotFound, match="is not there: model") as caught:
        run_stages("train")
    assert "mainspring data pull model" in str(caught.value.hint)
    assert CliRunner().invoke(app, ["data", "checkout", "model"]).exit_code == 0
    assert (made.root / "model").read_text() == "1\n"


def test_what_never_ran_and_the_command(
    repository: Repository, opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(FILES)
    monkeypatch.chdir(repository.root)
    done = CliRunner().invoke(app, ["data", "stages", "--json"])
    assert done.exit_code == 0, done.output
    found = {item["name"]: item for item in json.loads(done.output)}
    assert {item["state"] for item in found.values()} == {"never run"}
    assert found["train"]["deps"] == ["clean"]
    assert found["train"]["params"] == ["params.yaml", "other.yaml"]
    assert found["train"]["outs"] == ["model", "metrics.json"]
    assert (found["sub/dvc.yaml:low"]["folder"], found["sub/dvc.yaml:low"]["deps"]) == ("sub", ["model"])
    assert found["each"]["why"] == ["it is a template that DVC has not resolved yet"]
    assert "clean" in CliRunner().invoke(app, ["data", "stages"]).output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages: [1]\n", "no mapping of 'stages'"),
        ("stages: {\n", "not YAML"),
        ("stages:\n  a: {cmd: x, outs: 5}\n", "of the stage 'a', Expected `array"),
        ("stages:\n  a: {foreach: [1], do: {cmd: x, deps: [[1]]}}\n", r"at `\$\.do\.deps"),
        ("stages:\n  a: {cmd: x, deps: [p], outs: [q]}\n  b: {cmd: x, deps: [q], outs: [p]}\n", "need one another"),
    ],
)
def test_files_that_cannot_be_read(repository: Repository, opened: Workspace, text: str, said: str) -> None:
    repository.write({"dvc.yaml": text})
    with pytest.raises(InvalidData, match=said):
        read_stages(opened)


def test_a_lock_in_conflict_is_said_and_nothing_goes_unnoticed(made: Repository) -> None:
    with (made.root / "dvc.lock").open("a") as lock:
        lock.write("<<<<<<< HEAD\n")
    workspace = Workspace.open(made.root)
    for verb in (data.status, exchange.push, pull.pull, read_stages):
        with pytest.raises(InvalidData, match=r"dvc\.lock cannot be read: it is not YAML"):
            verb(workspace)
    (made.root / "mainspring.yaml").write_text("project: x\n")
    settled = Workspace(made.root)
    with pytest.raises(InvalidData, match=r"dvc\.lock cannot be read"):
        data.status(settled)
    settled.close()
    workspace.close()


def test_what_stages_write_goes_and_comes_with_the_rest(
    made: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    made.commit()
    workspace = Workspace.open(made.root)
    outs = ["clean", "model", "out-a", "out-b", "sub/copy"]
    assert states(data.status(workspace)) == dict.fromkeys(outs, "up to date")
    assert exchange.push(workspace).objects == len({(made.root / name).read_bytes() for name in outs})
    assert data.add(workspace, "model").number == 1
    assert made.is_clean(), "dvc.lock is its pointer"
    workspace.close()
    git(tmp_path, "clone", "-q", str(made.root), "clone")
    clone = Workspace.open(tmp_path / "clone")
    pull.pull(clone)
    assert {name: (clone.root / name).read_bytes() for name in outs} == {
        name: (made.root / name).read_bytes() for name in outs
    }
    assert {state for name, (state, _) in told(clone).items() if name != "train"} == {"up to date"}
    assert not list(clone.root.glob("?*.dvc"))
    (clone.root / "model").write_text("other")
    assert states(data.status(clone))["model"] == "modified"
    data.checkout(clone, "model", force=True)
    assert Repository(made.program, clone.root).is_clean()
    foreign.get(str(made.root), "sub/copy", tmp_path / "got")
    assert (tmp_path / "got").read_text() == (made.root / "sub/copy").read_text()
    clone.close()


def test_what_dvc_ran_is_in_the_lineage(made: Repository, opened: Workspace, tmp_path: Path) -> None:
    made.write({"data/x.csv": "1\n", "data/y.csv": "2\n", "later/dvc.yaml": LATER})
    made.dvc("add", "data")
    made.dvc("repro", "later/dvc.yaml")
    graph = walk(opened, find(opened, "dataset:model"))
    names = {node.label.partition(" ")[0] for node in graph.nodes.values()}
    assert names == {"model", "train", "clean", "sub/dvc.yaml:low", "sub/copy"}  # raw is in git, not kept by DVC
    [train] = [node for node in graph.of("stage") if node.label == "train"]
    assert train.facts["commands"] == ["cat clean > model && echo '{}' > metrics.json"]
    assert train.facts["params"] == {"params.yaml": {"train.lr": 0.1}, "other.yaml": {"depth": 3}}
    [clean] = [node for node in graph.of("stage") if node.label == "clean"]
    assert set(clean.facts["other_deps"]) == {"raw"}
    parts = walk(opened, find(opened, "later/part"), down=False)
    assert {node.label.partition(" ")[0] for node in parts.nodes.values()} == {
        "later/part", "later/dvc.yaml:part", "data"
    }  # fmt: skip
    events = tmp_path / "events.jsonl"
    export(opened, graph, events)
    done = subprocess.run([environment(OPENLINEAGE), CHECKER, events], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 events" in done.stdout
    made.write({"data/x.csv": "changed\n"})
    made.dvc("add", "data")
    parts = walk(opened, find(opened, "later/part"), down=False)
    assert "data" not in {node.label.partition(" ")[0] for node in parts.nodes.values()}  # it read another content
    made.remove("dvc.lock")
    assert [node.kind for node in walk(opened, find(opened, "dataset:data")).nodes.values()] == ["dataset"]
