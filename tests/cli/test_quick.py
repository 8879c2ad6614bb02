"""The quick door says what the ordinary one says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["status"], []),
        (["checkout", "rows"], []),
        (["add", "rows"], []),
        (["add", "more.csv"], []),
    ],
)
def test_the_quick_door_loads_little(folder: Path, words: list[str], loaded: list[str]) -> None:
    said([*QUICK[:3], "data", "add", "rows"], folder)
    (folder / "more.csv").write_text("b\n1\n")
    heavy = {"typer", "rich", "sqlalchemy", "polars", "numpy", "deltalake", "obstore", "yaml", "typing_extensions"}
    program = (
        f"import atexit, sys; sys.argv = ['mainspring', 'data', *{words}]\n"
        f"atexit.register(lambda: print(sorted({heavy} & set(sys.modules))))\n"
        "from mainspring.cli.quick import main; main()\n"
    )
    time.sleep(2.1)  # until the records' time is trusted
    said(QUICK, folder)  # reads the records, and remembers
    code, out, _ = said([sys.executable, "-c", program], folder)
    assert (code, out.splitlines()[-1]) == (0, str(loaded))


def test_typing_extensions_can_be_loaded_after_the_quick_door_did_without() -> None:
    program = (
        "import sys; from mainspring.cli import quick; quick._load_msgspec(); assert 'typing_extensions' not in sys.modules\n"
        "import typing_extensions as typed, msgspec, typing\n"
        "class Point(typed.TypedDict):\n    x: typing.Annotated[int, msgspec.Meta(ge=0)]\n    y: typing.NotRequired[int]\n"
        "print(msgspec.convert({'x': 1}, Point), msgspec.json.schema(Point)['$defs']['Point']['required'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{'x': 1} ['x']\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["add", "nothing-here"],
        ["add", "rows", "--no-such-option"],
        ["checkout"],
        ["checkout", "rows", "7"],
        ["checkout", "rows", "1", "2"],
        ["status", "rows"],
        ["push"],
        ["pull", "unknown"],
    ],
)
def test_both_doors_end_the_same(folder: Path, words: list[str]) -> None:
    quick = said([*QUICK[:2], "mainspring", "data", *words], folder)
    ordinary = said([*ORDINARY[:3], "data", *words], folder)
    assert quick[0] == ordinary[0] != 0
    assert quick[2].splitlines()[-1] == ordinary[2].splitlines()[-1]  # before it stands the program's name
    assert "Traceback" not in quick[2]


@pytest.mark.slow
def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m mainspring data status | true",
        shell=True, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.slow
def test_output_that_cannot_be_written_is_an_error(folder: Path) -> None:
    with Path("/dev/full").open("w") as target:
        done = subprocess.run(QUICK, cwd=folder, stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert "no space left on device" in done.stderr.lower()


@pytest.mark.slow
def test_what_is_registered_for_the_end_still_happens(folder: Path) -> None:
    program = (
        "import atexit, sys, tempfile, weakref\n"
        "class Held: pass\n"
        "held = Held(); weakref.finalize(held, print, 'finalized')\n"
        "atexit.register(lambda: print('at exit', end=''))\n"
        "sys.argv = ['mainspring', 'data', 'status']\n"
        "from mainspring.cli.quick import main; main()\n"
    )
    code, out, err = said([sys.executable, "-c", program], folder)
    assert (code, err) == (0, "")
    assert out.endswith("at exitfinalized\n")
