"""Lineage through data that runs write: what was made of what a run made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from sqlalchemy import insert

from mainspring.automation.execute import Execution, execute
from mainspring.automation.script import script
from mainspring.base.ids import new_id
from mainspring.cli.main import run as command_line
from mainspring.store.schema import tracking, versioning
from mainspring.store.workspace import Workspace
from mainspring.tracking.run import start_run
from mainspring.tracking.runs import delete_run
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from mainspring.versioning.lineage import find, walk
from mainspring.versioning.lineage.text import tree

if TYPE_CHECKING:
    from mainspring.versioning.lineage.graph import Graph

pytestmark = pytest.mark.slow  # real repositories and runs

BUILD = """\
import polars as pl

rows = pl.read_csv("data/raw.csv")
rows.with_columns(y=(pl.col("a") + 3 * pl.col("b") > 90).cast(pl.Int64)).write_csv("data/rows.csv")
"""
PIPELINES = """

@pipeline
def build(raw: pl.DataFrame) -> None:
    script("python build.py", deps=["data/raw.csv"], outs=["data/rows.csv"])


@step
def written(raw: pl.DataFrame) -> Path:
    place = Path("data/rows.csv").resolve()
    raw.with_columns(y=(pl.col("a") > 50).cast(pl.Int64)).write_csv(place)
    return place


@pipeline
def unasked() -> None:
    script("python build.py", deps=["data"], outs=["data/rows.csv"])


@pipeline
def chained() -> None:
    script("python build.py", deps=["data/raw.csv"], outs=["data/rows.csv"])
    script("python part.py 1", deps=["data/rows.csv"], outs=["data/parts/1.csv"])


@pipeline
def by_hand(raw: pl.DataFrame) -> None:
    written(raw)


@pipeline
def parts(raw: pl.DataFrame) -> None:
    for number in (1, 2):
        script("python part.py {number}", params={"number": number}, deps=["data/raw.csv"], outs=[f"data/parts/{number}.csv"])


@pipeline
def all_of_it(raw: pl.DataFrame) -> None:
    script("python build.py", deps=["data/raw.csv"], outs=["data/rows.csv"], cache=False)
"""


@pytest.fixture
def built(project: Workspace) -> Workspace:
    """The small project, whose rows are made of raw ones by pipelines."""
    root = project.root
    (root / "build.py").write_text(BUILD)
    (root / "part.py").write_text(
        "import sys, pathlib\npathlib.Path('data/parts').mkdir(exist_ok=True)\n"
        "pathlib.Path(f'data/parts/{sys.argv[1]}.csv').write_text('a\\n' + sys.argv[1] + '\\n')\n"
    )
    code = (
        (root / "flow.py")
        .read_text()
        .replace("import Candidate, pipeline, step", "import Candidate, pipeline, script, step")
    )
    (root / "flow.py").write_text("from pathlib import Path\n\n" + code + PIPELINES)
    settings = (root / "mainspring.yaml").read_text()
    more = "datasets:\n  raw: {path: data/raw.csv}\n  parts: {path: data/parts}\n"
    (root / "mainspring.yaml").write_text(settings.replace("datasets:\n", more))
    write_raw(root)
    (root / "data/rows.csv").unlink()
    return Workspace(root)


def write_raw(root: Path, shift: int = 0) -> None:
    pl.DataFrame(
        {"a": [float((i * 7919) % 101) + shift for i in range(200)], "b": [float(i % 17) for i in range(200)]}
    ).write_csv(root / "data/raw.csv")


def run(workspace: Workspace, pipeline: str = "train") -> Execution:
    return execute(workspace, entrypoint=f"flow:{pipeline}", progress=False)


def labels(graph: Graph, kind: str) -> set[str]:
    return {node.label for node in graph.of(kind)}


@pytest.mark.parametrize("pipeline", ["build", "by_hand", "all_of_it"])
def test_a_model_leads_to_the_data_that_its_data_was_made_of(
    built: Workspace, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(built.root)
    maker = run(built, pipeline)
    trained = run(built)
    up = walk(built, find(built, "small@1.0.0"), down=False)
    assert labels(up, "dataset") == {"rows@1", "raw@1"}
    assert {node.id for node in up.of("run")} == {f"run:{maker.run_id}", f"run:{trained.run_id}"}
    assert labels(walk(built, find(built, "raw@1"), up=False), "model") == {"small@1.0.0"}
    assert "dataset raw@1" in tree(up, down=False)


def test_every_content_leads_to_its_own_maker(built: Workspace) -> None:
    first = run(built, "build")
    run(built)
    write_raw(built.root, shift=3)
    second = run(built, "build")
    run(built)
    for version, maker in (("rows@1", first), ("rows@2", second)):
        assert [node.id for node in walk(built, find(built, version), down=False).of("run")] == [f"run:{maker.run_id}"]
    assert labels(walk(built, find(built, "raw@2"), up=False), "model") == {"small@1.1.0"}


def test_what_a_script_reads_leads_on_though_the_pipeline_did_not_ask_for_it(built: Workspace) -> None:
    data.add(built, "raw")
    maker = run(built, "unasked")
    trained = run(built)
    down = walk(built, find(built, "raw@1"), up=False)
    assert {node.id for node in down.of("run")} == {f"run:{maker.run_id}", f"run:{trained.run_id}"}
    assert labels(down, "model") == {"small@1.0.0"}
    write_raw(built.root, shift=3)  # no version yet
    walked = walk(built, find(built, f"run:{run(built, 'unasked').run_id}"), down=False)
    assert "raw@1" not in labels(walked, "dataset")


def test_what_a_script_reads_of_an_earlier_one_was_made_by_the_run(built: Workspace) -> None:
    data.add(built, "raw")
    for _ in range(2):  # the second time from memory
        maker = run(built, "chained")
        data.add(built, "rows")
        data.add(built, "parts")
        assert f"run:{maker.run_id}" in {node.id for node in walk(built, find(built, "rows@1"), down=False).of("run")}
        up = walk(built, find(built, f"run:{maker.run_id}"), down=False)
        assert labels(up, "dataset") == {"raw@1"}


def test_a_remembered_script_wrote_what_it_put_back(built: Workspace) -> None:
    first = run(built, "build")
    run(built)
    (built.root / "data/rows.csv").unlink()
    again = run(built, "build")
    assert again.cached
    makers = {node.id for node in walk(built, find(built, "rows@1"), down=False).of("run")}
    assert makers == {f"run:{first.run_id}", f"run:{again.run_id}"}


def test_scripts_that_write_parts_of_a_dataset_made_it(built: Workspace) -> None:
    maker = run(built, "parts")
    data.add(built, "parts")
    up = walk(built, find(built, "parts@1"), down=False)
    assert [node.id for node in up.of("run")] == [f"run:{maker.run_id}"]
    assert labels(up, "dataset") == {"parts@1", "raw@1"}


def test_scripts_outside_of_pipelines_and_deleted_runs(built: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built.root)
    with start_run(workspace=built) as active:
        script("python build.py", deps=["data/raw.csv"], outs=["data/rows.csv"])
    data.add(built, "rows")
    [maker] = walk(built, find(built, "rows@1"), down=False).of("run")
    assert maker.id == f"run:{active.id}"
    delete_run(built, active.id)
    assert walk(built, find(built, "rows@1"), down=False).nodes[maker.id].state == "deleted"


def test_commits_to_a_table_made_the_first_version_that_has_them(built: Workspace) -> None:
    settings = built.root / "mainspring.yaml"
    trips = "datasets:\n  trips: {path: data/trips, table: delta, key: [id]}\n"
    settings.write_text(settings.read_text().replace("datasets:\n", trips))
    workspace = Workspace(built.root)
    runs = []
    for number in range(4):
        with start_run(workspace=workspace) as active:
            table = Table("trips", workspace)
            rows = pl.DataFrame({"id": [number], "x": [float(number)]})
            _ = table.create(rows) if number == 0 else table.merge(rows) if number == 3 else table.append(rows)
            runs.append(f"run:{active.id}")
        if number in (1, 2):
            data.add(workspace, "trips")
    made = {
        version: {node.id for node in walk(workspace, find(workspace, version), down=False).of("run")}
        for version in ("trips@1", "trips@2")
    }
    assert made == {"trips@1": set(runs[:2]), "trips@2": {runs[2]}}
    assert labels(walk(workspace, find(workspace, runs[0]), up=False), "dataset") == {"trips@1"}
    assert labels(walk(workspace, find(workspace, runs[3]), up=False), "dataset") == set()  # nothing pins it yet


def test_a_long_history_is_told_whole_and_shown_in_part(
    built: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    length = 1200
    run(built, "build")
    last = run(built)
    [version] = data.log(built, "rows")
    with built.database.write() as connection:
        template = dict(connection.execute(tracking.runs.select().filter_by(id=last.run_id)).one()._mapping)
        row = dict(connection.execute(versioning.dataset_versions.select().filter_by(dataset="rows")).one()._mapping)
        ids, md5s = [new_id() for _ in range(length)], [f"{number:032x}" for number in range(length)]
        held = [row | {"id": new_id(), "number": number + 2, "md5": md5} for number, md5 in enumerate(md5s)]
        connection.execute(insert(versioning.dataset_versions), held)
        connection.execute(insert(tracking.runs), [template | {"id": id} for id in ids])
        place = {"path": "data/rows.csv"}
        read = [
            place | {"run_id": id, "dataset": "rows", "md5": md5, "context": ""}
            for id, md5 in zip(ids, [version.md5, *md5s], strict=False)
        ]
        connection.execute(insert(tracking.inputs), read)
        wrote = [place | {"run_id": id, "md5": md5, "table_version": -1} for id, md5 in zip(ids, md5s, strict=True)]
        connection.execute(insert(tracking.data_outputs), wrote)
    newest = f"rows@{length + 1}"
    line = ["--workspace", str(built.root), "lineage", newest, "--up"]
    assert command_line(line) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 200
    assert "the way goes on" in shown
    assert command_line([*line, "--only", "dataset", "--json"]) == 0
    assert "raw@1" in {node["label"] for node in json.loads(capsys.readouterr().out)}
    assert command_line([*line, "--svg", str(tmp_path / "chain.svg")]) == 0
    assert "the way goes on" in (tmp_path / "chain.svg").read_text()
