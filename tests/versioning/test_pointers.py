"""A pointer means what YAML says, however it is read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.versioning import pointers
from mainspring.versioning.contents import Contents

_MD5 = st.text("0123456789abcdef", min_size=32, max_size=32) | st.sampled_from(
    ["0" * 32, "1" * 32, "0b" + "1" * 30, "0x" + "1" * 30, "12345678e" + "1" * 23, "1" * 31 + "e", "0o" + "7" * 30]
)
_SIZE = st.sampled_from(["0", "07", "08", "12", "1_000", "1e3", "0x1f", "1:30", "-1", "12.5", "9" * 18, "9" * 30, "~"])
_PATH = st.sampled_from(
    ["data", "no", "Yes", "ON", "null", "y", "a: b", "a #b", "é", "'a'", "a/b.csv", "1.5", "a ", "&a", "b:", "x-1_y"]
) | st.text("abnoyesNY/.-_ :#'0", min_size=1, max_size=5)  # fmt: skip


@settings(max_examples=500)
@given(
    md5=_MD5,
    folder=st.booleans(),
    size=_SIZE,
    nfiles=st.none() | _SIZE,
    path=_PATH,
    end=st.sampled_from(["", "\n", "\n\n", "\r\n"]),
)
def test_the_usual_pointer_is_read_as_yaml_reads_it(
    md5: str, folder: bool, size: str, nfiles: str | None, path: str, end: str
) -> None:
    count = "" if nfiles is None else f"  nfiles: {nfiles}\n"
    text = f"outs:\n- md5: {md5}{'.dir' * folder}\n  size: {size}\n{count}  hash: md5\n  path: {path}{end}"
    said = pointers._usual(text)
    assert said is None or said == yaml.safe_load(text)


@pytest.mark.parametrize("nfiles", ["", "  nfiles: 3\n"])
def test_what_dvc_writes_is_the_usual(nfiles: str) -> None:
    text = f"outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e.dir\n  size: 11\n{nfiles}  hash: md5\n  path: data\n"
    assert pointers._usual(text) == yaml.safe_load(text)


_NAMES = [
    "plain.csv", "ok*.csv", "q[x].csv", "ba\\c.csv", "#hash", "!bang", "what?", "a ", "two  ", " in side ", "tab\t",
    "two\nlines", "end\n", "end\r", "in\rside", "[[:space:]]", "ü", "sep\u2028arated", "[", "]", "\\", "*",
]  # fmt: skip


def ignored(folder: Path, names: list[str]) -> list[str]:
    """Return the files of a folder that git ignores there."""
    (folder / ".git").exists() or subprocess.run(["git", "init", "-q", str(folder)], check=True)
    feed = "".join(f"{name}\0" for name in names).encode()
    words = ["git", "-C", str(folder), "check-ignore", "-z", "--stdin"]
    done = subprocess.run(words, input=feed, capture_output=True, check=False)
    return [name for name in done.stdout.decode().split("\0") if name]


@pytest.mark.parametrize("name", _NAMES)
def test_git_ignores_the_name_and_no_other_one(tmp_path: Path, name: str) -> None:
    others = [
        "okother.csv",
        "qx.csv",
        "bac.csv",
        "x",
        "a",
        "two",
        "two lines",
        "twoxlines",
        "end",
        "whatx",
        "hash",
        "bang",
    ]
    assert pointers.ignore(tmp_path / name)
    assert ignored(tmp_path, [name, *others]) == [name]
    assert not pointers.ignore(tmp_path / name), "once is enough"


@pytest.mark.parametrize("name", _NAMES)
def test_what_was_written_unescaped_counts_where_it_matches(tmp_path: Path, name: str) -> None:
    (tmp_path / ".gitignore").write_bytes(f"/{name}\n".encode())
    matched = ignored(tmp_path, [name]) == [name]
    assert pointers.ignore(tmp_path / name) != matched
    assert ignored(tmp_path, [name]) == [name]


def test_what_else_is_ignored_stays_as_it_is(tmp_path: Path) -> None:
    held = b"/a\r\n*.\xff\r\n/b"
    (tmp_path / ".gitignore").write_bytes(held)
    assert not pointers.ignore(tmp_path / "a")
    assert pointers.ignore(tmp_path / "c")
    assert (tmp_path / ".gitignore").read_bytes() == held + b"\n/c\n"


_FILES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."}
)


@settings(max_examples=300)
@given(name=_FILES | st.text("\x85\u2028\n\r\t :#-'\"é", min_size=1, max_size=6))
def test_a_pointer_names_what_it_was_written_for(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("named") / name
    contents = Contents(files={"": "0" * 32}, size=1, md5="0" * 32)
    assert pointers.write_pointer(path, contents)
    assert pointers.read_pointer(path) == contents.md5
    assert not pointers.write_pointer(path, contents)
    [out] = yaml.safe_load(pointers.pointer_path(path).read_text())["outs"]
    assert out["path"] == name
