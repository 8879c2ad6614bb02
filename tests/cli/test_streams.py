"""Commands whose streams are closed, full or of another encoding."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

MAINSPRING = [sys.executable, "-m", "mainspring"]
NOT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ASCII = {"PYTHONIOENCODING": "ascii"}
pytestmark = pytest.mark.slow


def run(
    folder: Path, *words: str, variables: dict[str, str] | None = None, redirection: str = ""
) -> subprocess.CompletedProcess[bytes]:
    command = ["sh", "-c", f'"$@" {redirection}', "sh", *MAINSPRING, *words]
    return subprocess.run(command, cwd=folder, env=os.environ | (variables or {}), capture_output=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mainspring.yaml").write_text("project: x\n")
    (tmp_path / "é.csv").write_text("a\n1\n")
    assert run(tmp_path, "data", "add", "é.csv").returncode == 0
    return tmp_path


@pytest.mark.parametrize("words", [("data", "status"), ("data", "log", "é")])
def test_a_terminal_that_lacks_a_letter_gets_it_escaped(folder: Path, words: tuple[str, ...]) -> None:
    done = run(folder, *words, variables=ASCII)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xe9" in done.stdout


@pytest.mark.parametrize("words", [("data", "status", "--json"), ("data", "log", "é", "--json")])
def test_json_is_json_whatever_the_terminal_can_show(folder: Path, words: tuple[str, ...]) -> None:
    done = run(folder, *words, variables=ASCII)
    assert [item["dataset"] for item in json.loads(done.stdout)] == ["é"]


def test_json_is_json_where_a_folder_is_not_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    (folder / "mainspring.yaml").write_text("project: x\n")
    (folder / "rows.dvc").write_text("none\n")
    [item] = json.loads(run(folder, "data", "status", "--json").stdout)
    assert "\udcff/rows.dvc cannot be read" in item["problem"]


def test_names_are_those_of_the_disk_in_every_locale(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "ü").write_text("1")
    done = run(folder, "data", "add", "data", "é.csv", "--json", variables=NOT_UTF8)
    assert done.returncode == 0, done.stderr
    assert [item["dataset"] for item in json.loads(done.stdout)] == ["data", "é"]
    [listing] = (folder / ".mainspring" / "objects").rglob("*.dir")
    assert json.loads(listing.read_text())[0]["relpath"] == "ü"


@pytest.mark.parametrize("words", [("data", "status"), ("data", "log", "é")])
@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(folder: Path, words: tuple[str, ...], redirection: str) -> None:
    done = run(folder, *words, redirection=redirection)
    assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_is_written_into_the_file_that_takes_the_place_of_a_closed_stream(folder: Path) -> None:
    (folder / "more").write_text("1")
    assert run(folder, "data", "add", "more", redirection="<&- >&- 2>&-").returncode == 0
    assert run(folder, "data", "none", redirection="<&- >&- 2>&-").returncode == 2
    assert run(folder, "data", "verify").returncode == 0


@pytest.mark.parametrize("words", [("data", "status"), ("data", "log", "é")])
def test_output_that_cannot_be_written_is_said(folder: Path, words: tuple[str, ...]) -> None:
    done = run(folder, *words, redirection="> /dev/full")
    assert done.returncode == 3
    assert b"cannot be written: no space left" in done.stderr.lower()
    assert b"broke inside" not in done.stderr


def test_errors_that_nobody_can_read_keep_their_code(folder: Path) -> None:
    assert run(folder, "data", "checkout", "none", redirection="2> /dev/full").returncode == 3


@pytest.mark.parametrize("words", [("data", "status"), ("data", "log", "é")])
def test_a_reader_that_leaves_is_no_failure(folder: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*MAINSPRING, *words], cwd=folder, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_columns_are_as_good_as_unknown_ones(folder: Path) -> None:
    assert b"version" in run(folder, "data", "log", "é", variables={"COLUMNS": "0"}).stdout


def test_a_name_that_looks_like_markup_is_shown_as_it_is(folder: Path) -> None:
    place = folder / "[" / "]"
    place.mkdir(parents=True)
    for number in range(300):
        (place / str(number)).write_text(str(number))
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*MAINSPRING, "data", "add", "[/]"], cwd=folder, stderr=theirs, capture_output=False, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert done.returncode == 0, shown
    assert b"adding [/]" in shown
