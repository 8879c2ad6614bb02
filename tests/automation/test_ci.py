"""The workflow that `mainspring ci init` writes: valid, pinned, and about a sample that the pipeline can run on."""

from __future__ import annotations

import re

import polars as pl
import pytest
import yaml

from mainspring.automation.delivery.ci import PLACES, lint, write_workflow
from mainspring.automation.delivery.sample import write_sample
from mainspring.automation.execute import execute
from mainspring.base.errors import Conflict, UsageError
from mainspring.store.workspace import Workspace
from mainspring.tracking.tables import Table
from mainspring.versioning import data
from tests.automation.conftest import edit


@pytest.fixture
def ready(workspace):
    (workspace.root / "requirements.lock").write_text("polars==2.1.0 --hash=sha256:00\n")
    return workspace


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_the_workflow_is_valid(ready, host):
    written = write_workflow(ready, host=host)
    assert written[0] == ready.root / PLACES[host]
    assert lint(written[0]) == []
    assert write_workflow(ready, host=host) == [written[0]]


def test_the_linters_see_what_is_wrong(ready):
    [target, *_] = write_workflow(ready)
    edit(target, "runs-on: ubuntu-24.04", "runs-of: ubuntu-24.04")
    assert any("runs-o" in problem for problem in lint(target))


def test_the_workflow_is_pinned_and_may_only_read(ready):
    [target, *_] = write_workflow(ready)
    text = target.read_text()
    tree = yaml.safe_load(text)
    assert tree["permissions"] == {"contents": "read"}
    assert tree["concurrency"]["cancel-in-progress"] is True
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in used)
    commands = "\n".join(step.get("run", "") for step in tree["jobs"]["verify"]["steps"])
    for wanted in ("--require-hashes -r requirements.lock", "ruff check", "pytest", "data verify", "mainspring run",
                   "mainspring test churn", "GITHUB_STEP_SUMMARY"):  # fmt: skip
        assert wanted in commands


def test_a_workflow_that_is_there_is_not_overwritten(ready):
    target = ready.root / PLACES["github"]
    target.parent.mkdir(parents=True)
    target.write_text("name: mine\n")
    with pytest.raises(Conflict):
        write_workflow(ready)
    assert target.read_text() == "name: mine\n"
    write_workflow(ready, replace=True)
    assert lint(target) == []


def test_nothing_to_install_or_to_run(workspace):
    with pytest.raises(UsageError, match="what to install"):
        write_workflow(workspace)
    (workspace.root / "requirements.txt").write_text("polars\n")
    edit(workspace.root / "mainspring.yaml", "model: {name: churn}", "")
    workspace.__dict__.pop("settings", None)
    with pytest.raises(UsageError, match="a model to judge"):
        write_workflow(workspace)


def test_the_pipeline_runs_on_the_sample_apart_from_the_real_records(ready, monkeypatch):
    monkeypatch.chdir(ready.root)
    write_workflow(ready)
    sample = pl.read_parquet(ready.root / "samples" / "customers.parquet")
    assert sample.height == 600
    assert sample.schema == pl.read_parquet(ready.root / "data" / "customers.parquet").schema
    in_ci = Workspace(ready.root, environment="ci")
    done = execute(in_ci, progress=False)
    in_ci.close()
    assert done.model_version == "1.0.0"
    with ready.database.read() as connection:
        from mainspring.automation import records

        assert records.find_executions(connection) == []


def test_folders_are_sampled_file_by_file(ready):
    folder = ready.root / "months"
    folder.mkdir()
    for name, rows in (("01", 9000), ("02", 3000)):
        pl.DataFrame({"i": range(rows)}).write_csv(folder / f"{name}.csv")
    (ready.root / "suite.json").write_text(
        '{"name": "s", "expectations": [{"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 10000}}]}'
    )
    edit(ready.root / "mainspring.yaml", "datasets:", "datasets:\n  months: {path: months, suite: suite.json}")
    ready.__dict__.pop("settings", None)
    write_workflow(ready)
    heights = {path.name: pl.read_csv(path).height for path in (ready.root / "samples" / "months").iterdir()}
    assert heights == {"01.csv": 1500, "02.csv": 500}
    settings = Workspace(ready.root, environment="ci").settings
    assert (settings.datasets["months"].path, settings.datasets["months"].suite) == ("samples/months", None)


@pytest.mark.parametrize("end", ["", "@main", "@v1.2", "@main#egg=x", "@0123abc"])
def test_code_of_a_branch_is_refused(ready, end):
    lock = ready.root / "requirements.lock"
    lock.write_text(f"polars==2.1.0\nx @ git+https://example.org/x.git{end}\n")
    with pytest.raises(UsageError, match=r"requirements\.lock:2: git\+https"):
        write_workflow(ready)
    lock.write_text(f"x @ git+https://example.org/x.git@{'a' * 40}#egg=x  # a comment\n")
    write_workflow(ready)


def test_a_sample_of_a_delta_table_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mainspring.yaml").write_text("project: x\ndatasets: {trips: {path: data/trips, table: delta}}\n")
    workspace = Workspace(tmp_path)
    Table("trips", workspace).create(pl.DataFrame({"id": range(1000)}))
    written = write_sample(workspace, rows=50)
    workspace.close()
    assert [path.name for path in written] == ["trips.parquet", "ci.yaml"]
    sampled = Workspace(tmp_path, environment="ci")
    frame = data.open_dataset(sampled, "trips").frame()
    sampled.close()
    assert (frame.height, frame["id"].min()) == (50, 0)
    assert frame["id"].max() > 900
