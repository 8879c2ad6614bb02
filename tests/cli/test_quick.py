"""The quick door says what the ordinary one says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

QUICK = [sys.executable, "-m", "mainspring", "data", "status"]
ORDINARY = [sys.executable, "-c", "from mainspring.cli.main import main; main()", "data", "status"]


def said(command: list[str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mainspring.yaml").write_text("project: x\ndatasets: {rows: {path: rows.csv}, none: {path: nothing}}\n")
    (tmp_path / "rows.csv").write_text("a\n1\n")
    subprocess.run([*QUICK[:3], "data", "add", "rows"], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "rows.csv").write_text("a\n2\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_both_doors_say_the_same(folder: Path, more: list[str]) -> None:
    quick = said([*QUICK, *more], folder)
    assert quick == said([*ORDINARY, *more], folder)
    assert quick[0] == 0
    if more:
        assert [item["state"] for item in json.loads(quick[1])] == ["missing", "modified"]


@pytest.mark.slow
def test_both_doors_report_the_same_errors(tmp_path: Path) -> None:
    (tmp_path / "mainspring.yaml").write_text("project: x\ndatasets: {rows: {pth: rows.csv}}\n")
    quick = said(QUICK, tmp_path)
    assert quick == said(ORDINARY, tmp_path)
    assert quick[0] == 2
    assert "pth" in quick[2]
    assert "Traceback" not in quick[2]


@pytest.mark.slow
def test_the_quick_door_loads_neither_the_records_nor_tables(folder: Path) -> None:
    program = (
        "import sys; sys.argv = ['mainspring', 'data', 'status']\n"
        "from mainspring.cli.quick import main; main()\n"
        "print(sorted({'typer', 'rich', 'sqlalchemy', 'polars', 'numpy', 'deltalake', 'obstore'} & set(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", "import time; time.sleep(2.1)"], check=True
    )  # until the records' time is trusted
    said(QUICK, folder)  # reads the records, and remembers
    code, out, _ = said([sys.executable, "-c", program], folder)
    assert (code, out.splitlines()[-1]) == (0, "[]")
