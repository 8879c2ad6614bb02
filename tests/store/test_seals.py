"""Seals: what was written into is noticed without reading everything again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted
from mainspring.store import objects as room
from mainspring.store.copying import copy_hashing
from mainspring.store.objects import Objects
from mainspring.store.seals import put_seal, seal, sealed

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"a row\n" * 50


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def refuse(*_arguments: object) -> str:
    raise AssertionError("it was hashed again")


def test_what_was_left_alone_is_believed_unread(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = objects.put_bytes(CONTENT)
    monkeypatch.setattr(room, "md5_file", refuse)
    assert objects.sound(md5).st_size == len(CONTENT)
    assert objects.put_bytes(CONTENT) == md5


@pytest.mark.parametrize("changed", [CONTENT[:-1] + b"!", CONTENT[:-1], CONTENT + b"!"])
def test_what_was_written_into_is_found_and_set_aside(objects: Objects, changed: bytes) -> None:
    md5 = objects.put_bytes(CONTENT)
    objects.path(md5).chmod(0o644)
    objects.path(md5).write_bytes(changed)
    with pytest.raises(Corrupted, match="damaged"):
        objects.sound(md5)
    assert objects.put_bytes(CONTENT) == md5
    assert objects.read_bytes(md5) == CONTENT


def test_what_has_lost_its_time_is_hashed_once_more(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = objects.put_bytes(CONTENT)
    os.utime(objects.path(md5), (1_700_000_000, 1_700_000_000))  # as a tool that cuts times leaves it
    objects.sound(md5)
    monkeypatch.setattr(room, "md5_file", refuse)
    objects.sound(md5)


def test_a_seal_says_that_it_is_new_and_breaks_with_any_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    md5, size = copy_hashing(path, tmp_path / "copy")
    assert size == len(CONTENT)
    assert abs((tmp_path / "copy").stat().st_mtime - time.time()) < 60
    assert sealed((tmp_path / "copy").stat().st_mtime_ns, md5)
    broken = 0
    for number in range(100):
        put_seal(str(path), md5)
        assert sealed(path.stat().st_mtime_ns, md5)
        path.write_bytes(CONTENT + bytes([number]))
        broken += not sealed(path.stat().st_mtime_ns, md5)
    assert broken == 100


def test_seals_differ_and_are_never_the_zero_of_cut_times() -> None:
    md5s = [f"{number * 2654435761 % 2**32:08x}{'0' * 24}" for number in range(5000)]
    seals = {seal(md5) for md5 in md5s}
    assert len(seals) > 4990
    assert all(0 < value < 1_000_000_000 for value in seals)
