"""One graph over real runs of a real pipeline, their models and releases."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from small_project import commit, git, write_rows
from sqlalchemy import insert

from mainspring.automation.execute import Execution, execute
from mainspring.base.errors import Conflict, NotFound
from mainspring.base.ids import new_id
from mainspring.cli.main import run as command_line
from mainspring.serving import releases
from mainspring.store.schema import tracking, versioning
from mainspring.store.workspace import Workspace
from mainspring.tracking.experiments import create_experiment
from mainspring.tracking.runs import create_run, delete_run
from mainspring.versioning import data, models
from mainspring.versioning.lineage import find, walk
from mainspring.versioning.lineage.text import tree
from mainspring.versioning.materials import stored_signature
from mainspring.versioning.registration import Prepared, record
from mainspring.versioning.removal import delete_version
from scripts.environments import Unavailable, environment

SVG = "{http://www.w3.org/2000/svg}"


pytestmark = pytest.mark.slow  # real repositories, runs and packages


def train(workspace: Workspace, **parameters: object) -> Execution:
    return execute(workspace, parameters=parameters, progress=False)


def labels(workspace: Workspace, asset: str, kind: str, **ways: bool) -> list[str]:
    return [node.label for node in walk(workspace, find(workspace, asset), **ways).of(kind)]


@pytest.fixture
def told(project: Workspace, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert command_line(["--workspace", str(project.root), "lineage", *arguments]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return call


def test_which_models_saw_a_dataset_version_and_what_made_what_is_in_production(project: Workspace, told: Any) -> None:
    first, second = train(project), train(project, strength=2.0)
    write_rows(project.root, shift=9)
    third = train(project)
    releases.release(project, "small", "1.0.0", reason="first", override="a test", immediate=True)
    assert [row["label"] for row in json.loads(told("rows@1", "--down", "--only", "model", "--json"))] == [
        "small@1.0.0",
        "small@1.1.0",
    ]
    assert labels(project, "rows@2", "model", up=False) == ["small@1.2.0"]
    up = told("small", "--up")
    assert f"run small-1 ({first.run_id[:12]})" in up
    assert f"commit {git(project.root, 'rev-parse', 'HEAD')[:8]}" in up
    assert "dataset rows@1" in up
    assert second.run_id[:12] not in up
    assert third.run_id[:12] not in up
    assert "champion 1.0.0" in up.splitlines()[0]
    graph = walk(project, find(project, "small@1.1.0"), down=False)
    [clean] = [node for node in graph.of("step") if node.label == "clean"]
    assert clean.facts["made_by"] == [first.run_id]
    assert f"step clean  (remembered from run {first.run_id[:12]})" in tree(graph, down=False)
    assert f"run:{first.run_id}" not in graph.nodes


def test_every_way_to_name_an_asset(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = train(project)
    md5 = data.log(project, "rows")[0].md5
    [dataset] = find(project, "rows@1")
    monkeypatch.chdir(project.root)
    for text in ("rows", f"rows@{md5}", f"rows@{md5[:8]}", md5, "data/rows.csv", "dataset:rows@1"):
        assert find(project, text) == [dataset], text
    [version] = find(project, "small@1.0.0")
    assert {str(*find(project, text)) for text in ("small", "small@1", "small@v1.0.0", "model:small")} == {str(version)}
    assert find(project, made.run_id) == find(project, made.run_id[:16]) == find(project, f"run:{made.run_id}")
    releases.release(project, "small", "1.0.0", reason="first", override="a test")
    assert str(*find(project, "small")) == "endpoint:small"
    with pytest.raises(NotFound) as missing:
        find(project, "rwos@1")
    assert missing.value.hint == "did you mean 'rows'?"
    with pytest.raises(NotFound) as missing:
        find(project, "small@7.0.0")
    assert "has the versions 1.0.0" in str(missing.value.hint)
    write_rows(project.root, shift=3)
    with pytest.raises(NotFound, match="is no version of 'rows'"):
        find(project, "data/rows.csv")
    record(
        project,
        "rows",
        prepared(project),
        run_id=None,
        version=None,
        bump=None,
        actor="a",
        reason="a model of a dataset's name",
    )
    with pytest.raises(Conflict) as several:
        find(project, "rows")
    assert several.value.hint == "write dataset:rows or model:rows"


def prepared(workspace: Workspace) -> Prepared:
    held = models.resolve(workspace, "small@1.0.0")
    signature = stored_signature(workspace, held.artifact)
    return Prepared(artifact=held.artifact, evidence=held.evidence, signature=signature, metrics={})


def test_a_dataset_that_was_renamed_is_followed_under_both_names(project: Workspace, told: Any) -> None:
    train(project)
    train(project, strength=2.0)
    for file in ("mainspring.yaml", "flow.py"):
        path = project.root / file
        text = (
            path.read_text().replace("  rows: {path", "  people: {path").replace("def train(rows:", "def train(people:")
        )
        path.write_text(text.replace("    rows = clean(rows)", "    rows = clean(people)"))
    renamed = Workspace(project.root)
    train(renamed)
    for asset in ("people@1", "rows@1", "data/rows.csv"):
        assert labels(renamed, asset, "model", up=False) == ["small@1.0.0", "small@1.1.0"]
        assert sorted(labels(renamed, asset, "dataset")) == ["people@1", "rows@1"]
    renamed.close()


def test_what_is_gone_says_so_and_a_new_model_has_no_history_of_an_old_one(project: Workspace) -> None:
    made = train(project)
    version = models.resolve(project, "small@1.0.0")
    delete_run(project, made.run_id)
    graph = walk(project, find(project, version.reference))
    assert graph.nodes[f"run:{made.run_id}"].state == "deleted"
    delete_version(project, "small", "1.0.0")
    for asset in ("small@1.0.0", "model:small@v1.0.0"):
        with pytest.raises(NotFound) as caught:
            find(project, asset)
        assert "was deleted; who did it" in str(caught.value.hint)


def test_a_picture_names_everything_and_folds_what_is_too_much(project: Workspace, told: Any, tmp_path: Path) -> None:
    train(project)
    releases.release(project, "small", "1.0.0", reason="a & b <c>", override="a test")
    told("small@1", "--svg", str(tmp_path / "a.svg"))
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert {"rows@1", "small@1.0.0", "small", "a & b <c>"} <= set(texts)
    assert any(text.startswith("· clean") for text in texts)
    many(project, 30)
    told("rows@1", "--svg", str(tmp_path / "b.svg"))
    texts = [element.text or "" for element in ElementTree.parse(tmp_path / "b.svg").getroot().iter(f"{SVG}text")]
    assert "25 more runs" in texts
    assert "is no picture" in told("rows@1", "--svg", "a.bmp", code=2)


def many(workspace: Workspace, count: int) -> None:
    """Record runs that read the first version of the dataset and made nothing, and of every tenth a model."""
    md5 = data.log(workspace, "rows")[0].md5
    experiment = create_experiment(workspace, f"many {new_id()}").id
    template = create_run(workspace, experiment)
    with workspace.database.write() as connection:
        row = dict(connection.execute(tracking.runs.select().filter_by(id=template.id)).one()._mapping)
        ids = [new_id() for _ in range(count)]
        connection.execute(insert(tracking.runs), [row | {"id": run, "name": f"r{run}"} for run in ids])
        read = {"dataset": "rows", "md5": md5, "path": "data/rows.csv", "context": ""}
        connection.execute(insert(tracking.inputs), [read | {"run_id": run} for run in ids])
        held = dict(connection.execute(versioning.model_versions.select().limit(1)).one()._mapping)
        rows = [
            held
            | {"id": new_id(), "version": f"9.{n}.0", "major": 9, "minor": n, "number": 9000 + n, "run_id": ids[n]}
            | {"stage": "development"}
            for n in range(0, count, 100)
        ]
        if count >= 1000:
            connection.execute(insert(versioning.model_versions), rows)


def test_ten_thousand_runs(project: Workspace, told: Any) -> None:
    train(project)
    many(project, 10_000)
    began = time.process_time()
    found = json.loads(told("rows@1", "--down", "--only", "model", "--json"))
    assert len(found) == 101
    assert time.process_time() - began < 10
    shown = told("rows@1", "--down")
    assert "more runs that lead no further" in shown
    assert len(shown.splitlines()) < 250
    began = time.process_time()
    one = walk(project, find(project, "small@1.0.0"))
    assert len(one.of("run")) == 1
    assert time.process_time() - began < 1


def test_openlineage_events_are_what_its_own_client_would_write(project: Workspace, told: Any, tmp_path: Path) -> None:
    try:
        python = environment("openlineage-python==1.54.0")
    except Unavailable as reason:
        pytest.skip(str(reason))
    git(project.root, "remote", "add", "origin", "https://example.org/small.git")
    commit(project.root)
    train(project)
    releases.release(project, "small", "1.0.0", reason="first", override="a test")
    told("small@1", "--openlineage", str(tmp_path / "events.jsonl"))
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    [begun, ended] = [event for event in events if event["job"]["name"] == "small"]
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert [item["name"] for item in ended["inputs"]] == ["rows"]
    assert ended["outputs"][0]["facets"]["version"]["datasetVersion"] == "1.0.0"
    assert ended["job"]["facets"]["sourceCodeLocation"]["version"] == git(project.root, "rev-parse", "HEAD")
    steps = {event["job"]["name"] for event in events if "parent" in event["run"]["facets"]}
    assert steps == {"small.clean", "small.fit"}
    assert {event["job"]["name"] for event in events} == {"small", "deploy.small", *steps}
    assert [event["eventTime"] for event in events] == sorted(event["eventTime"] for event in events)
    checker = Path(__file__).with_name("openlineage_client.py")
    done = subprocess.run([python, checker, tmp_path / "events.jsonl"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(events)} events" in done.stdout
