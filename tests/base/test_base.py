"""Identifiers, time, hashing, files, randomness."""

from __future__ import annotations

import errno
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.clock import iso, milliseconds, parse_iso
from mainspring.base.errors import SettingsError, StorageError, UsageError
from mainspring.base.files import staged, write_atomic
from mainspring.base.hashing import digest
from mainspring.base.ids import new_id
from mainspring.base.randomness import set_seed
from mainspring.base.sections import read_sections

if TYPE_CHECKING:
    from pathlib import Path


def test_ids_are_unique_and_sort_by_time() -> None:
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert [item[:12] for item in made] == sorted(item[:12] for item in made)


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_moments_survive_their_text(at: int) -> None:
    assert parse_iso(iso(at)) == at


@pytest.mark.parametrize("text", ["", "3", "h", "-3h", "3 years", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        milliseconds(text)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none(), min_size=2))
def test_the_digest_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_seeding_repeats_every_source() -> None:
    set_seed(3)
    first = (random.random(), float(np.random.random()))
    set_seed(3)
    assert first == (random.random(), float(np.random.random()))


@pytest.mark.parametrize("name", ["😀" * 62, "é" * 120, "x" * 250], ids=["emoji", "accents", "letters"])
def test_names_that_the_disk_just_takes_are_written(tmp_path: Path, name: str) -> None:
    write_atomic(tmp_path / name, b"new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("x" * 256, "shorter name"),
        ("folder", "a folder is in the way"),
        ("file/below", "is in the way"),
        ("circle/below", "is in the way"),
    ],
    ids=["long", "folder", "file", "circle"],
)
def test_what_is_in_the_way_of_a_file_is_said(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "folder" / "full").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(StorageError) as caught:
        write_atomic(tmp_path / place, b"new")
    assert said in str(caught.value.hint)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(RuntimeError), staged(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [held.name for held in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no space left") as caught, staged(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "free some space" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_write_over_the_size_limit_is_said_so_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys, pathlib\n"
        "from mainspring.base.files import write_atomic\n"
        "from mainspring.base.errors import StorageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_atomic(pathlib.Path(sys.argv[1]) / 'file', b'x' * 5000)\n"
        "except StorageError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "file too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_sections(tmp_path: Path) -> None:
    file = tmp_path / "config"
    assert read_sections(file) == read_sections(tmp_path) == {}
    file.write_text("[core]\nremote = a%b\n['remote \"x\"']\nurl = s3://x\n[core]\nremote = c\n", encoding="utf-8")
    assert read_sections(file) == {"core": {"remote": "c"}, "'remote \"x\"'": {"url": "s3://x"}}
    for bad in (b"x = 1\n", b"[a]\n\xff = 1\n"):
        file.write_bytes(bad)
        with pytest.raises(SettingsError, match=r"config: \w+"):
            read_sections(file)
