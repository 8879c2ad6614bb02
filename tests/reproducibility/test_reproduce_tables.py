"""A run that read a Delta table, made again from the version it read."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest

from mainspring.automation.execute import DataRefused
from mainspring.automation.plan import plan
from mainspring.base.errors import Refused, UsageError
from mainspring.reproducibility.reproduce import reproduce
from mainspring.store.workspace import Workspace
from mainspring.tracking.search import list_inputs
from mainspring.tracking.tables import Table
from mainspring.versioning import data, snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # starts processes

SUITE = '{"name": "rows", "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}}]}'


@pytest.fixture
def table(folder: Path, workspace: Workspace) -> Table:
    settings = (
        (folder / "mainspring.yaml").read_text().replace("data/rows.csv", "data/rows, table: delta, suite: rows.json")
    )
    (folder / "mainspring.yaml").write_text(settings)
    (folder / "rows.json").write_text(SUITE)
    (folder / ".gitignore").write_text(".mainspring/\ndata/*\n!data/*.delta\n__pycache__/\n")
    made = Table("rows", workspace)
    made.create(folder / "data/rows.csv")
    return made


def test_a_run_on_a_table_is_made_again_from_its_version(
    table: Table, folder: Path, workspace: Workspace, run, commit, tmp_path: Path
) -> None:
    commit()
    assert [step.status for step in plan(workspace)] == ["run"]
    assert data.log(workspace, "rows") == []  # a plan records nothing
    made = run(strength=0.5)
    [read] = list_inputs(workspace, made.run_id)
    [version] = data.log(workspace, "rows")
    assert (read.dataset, read.md5, read.path) == ("rows", version.md5, "data/rows")
    assert snapshot.load(workspace, made.run_id).data[0]["table"]["version"] == 0
    table.overwrite(table.frame().with_columns(y=1 - pl.col("y")))
    commit()

    lines: list[str] = []
    found = reproduce(workspace, "small@1.0.0", to=tmp_path / "again", say=lines.append)
    assert (found.level, found.suspect, found.differences) == (4, None, [])
    assert f"data: rows (version 0 of {folder / 'data/rows'})" in lines
    fresh = Workspace(tmp_path / "again", environment="reproduction")
    with pytest.raises(Refused, match="held at version 0"):
        Table("rows", fresh).append(table.frame())
    fresh.close()
    assert table.version == 1

    shutil.rmtree(folder / "data/rows")
    with pytest.raises(DataRefused, match="no Delta table at data/rows"):
        run(strength=0.5)


def test_rows_that_a_suite_refuses(table: Table, run) -> None:
    table.append(pl.DataFrame({"a": [None], "b": [1.0], "y": [1]}))
    with pytest.raises(DataRefused, match="data failed validation"):
        run()


def test_a_table_has_no_path_to_give(table: Table, folder: Path, run) -> None:
    code = (folder / "flow.py").read_text().replace("def train(rows: pl.DataFrame", "def train(rows: Path")
    (folder / "flow.py").write_text("from pathlib import Path\n" + code)
    with pytest.raises(UsageError, match="would not read one version of it"):
        run()
