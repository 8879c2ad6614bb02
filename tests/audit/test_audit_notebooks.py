"""Notebooks: each problem is found, and a clean notebook has none."""

from __future__ import annotations

import json
from pathlib import Path

from mainspring.audit.notebooks import read_notebook


def write(folder: Path, *cells: tuple[str, int | None]) -> Path:
    path = folder / "explore.ipynb"
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {"cell_type": "markdown", "source": ["# words"]},
            *({"cell_type": "code", "source": source, "execution_count": count} for source, count in cells),
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def kinds(path: Path) -> list[str]:
    return [problem.kind for problem in read_notebook(path).problems]


def test_a_clean_notebook_has_no_problem(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ("import pandas as pd\nframe = pd.read_csv('data/rows.csv')", 1),
        ("%matplotlib inline\nframe.describe?\nfiles = !ls\n[x for x in frame]", 2),
        ("%%time\ntotal = sum(row for row in frame)\nprint(total)", 3),
        ("%%bash\necho $HOME", 4),
    )
    assert kinds(path) == []
    assert read_notebook(path).cells == 4


def test_cells_out_of_order(tmp_path: Path) -> None:
    [problem] = read_notebook(write(tmp_path, ("a = 1", 3), ("b = a", 1), ("b", 2))).problems
    assert problem.kind == "execution order"
    assert "3, 1, 2" in problem.text
    assert problem.cell == 2


def test_cells_that_ran_again(tmp_path: Path) -> None:
    [problem] = read_notebook(write(tmp_path, ("a = 1", 1), ("b = a", 7))).problems
    assert problem.kind == "execution order"
    assert "count 7" in problem.text


def test_a_name_read_before_its_definition(tmp_path: Path) -> None:
    path = write(
        tmp_path, ("def use():\n    return later\nprint(rows)", 1), ("rows = [1]\nlater = 2\nrows = rows + [2]", 2)
    )
    [problem] = read_notebook(path).problems
    assert problem.kind == "name used before its definition"
    assert "'rows'" in problem.text


def test_installs_and_absolute_paths(tmp_path: Path) -> None:
    path = write(
        tmp_path, ("!pip install xgboost", 1), ("%conda -y install numpy", 2), ("open('/home/someone/rows.csv')", 3)
    )
    assert kinds(path) == ["installs packages", "installs packages", "absolute path"]


def test_fit_before_split(tmp_path: Path) -> None:
    early = write(
        tmp_path,
        ("from sklearn.preprocessing import StandardScaler\nX = StandardScaler().fit_transform([[1.0]])", 1),
        ("from sklearn.model_selection import train_test_split\ntrain_test_split(X)", 2),
    )
    assert kinds(early) == ["fit before split"]
    late = write(
        tmp_path,
        ("from sklearn.model_selection import train_test_split\na, b = train_test_split([[1.0]])", 1),
        ("from sklearn.linear_model import LinearRegression\nLinearRegression().fit(a, 'x y'.split())", 2),
    )
    assert kinds(late) == []


def test_training_and_saving_is_seen(tmp_path: Path) -> None:
    assert read_notebook(write(tmp_path, ("m = Model().fit(x)", 1), ("joblib.dump(m, 'm.joblib')", 2))).trains
    assert not read_notebook(write(tmp_path, ("m = Model().fit(x)", 1))).trains


def test_the_third_format_and_files_that_are_no_notebook(tmp_path: Path) -> None:
    old = tmp_path / "old.ipynb"
    cell = {"cell_type": "code", "input": ["!pip install this"], "prompt_number": 1}
    old.write_text(json.dumps({"worksheets": [{"cells": [cell]}]}), encoding="utf-8")
    assert kinds(old) == ["installs packages"]
    for text in ("not json", "[]", "{}", '{"cells": 3}', '{"cells": [1]}'):
        old.write_text(text, encoding="utf-8")
        assert kinds(old) == ["unreadable"]
