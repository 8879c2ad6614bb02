"""Links: the first kind that the file system can do, copies where it cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mainspring.store import links
from mainspring.store.links import Linker
from tests.disks import small_disk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("content")
    path.chmod(0o444)
    return path


def test_a_hard_link_is_the_same_file_and_a_copy_another(source: Path, tmp_path: Path) -> None:
    assert Linker(["hardlink"]).make(str(source), str(tmp_path / "linked")) == "hardlink"
    assert (tmp_path / "linked").stat().st_ino == source.stat().st_ino
    assert Linker(["copy"]).make(str(source), str(tmp_path / "copied")) == "copy"
    assert (tmp_path / "copied").stat().st_ino != source.stat().st_ino
    assert (tmp_path / "copied").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "copied").read_text() == "content"


def test_a_reflink_is_another_file_with_the_same_bytes(source: Path, tmp_path: Path) -> None:
    linker = Linker(["reflink", "hardlink"])
    kind = linker.make(str(source), str(tmp_path / "target"))
    assert kind == linker.used
    assert kind in ("reflink", "hardlink")  # the second where this file system has no reflinks
    assert (tmp_path / "target").read_text() == "content"


@pytest.mark.slow
def test_another_disk_gets_copies(source: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "other", "1m") as other:
        linker = Linker(["hardlink"])
        assert linker.make(str(source), str(other / "target")) == "copy"
        assert linker.used == "copy"
        assert (other / "target").read_text() == "content"


def test_a_file_with_too_many_links_is_copied_and_the_next_is_linked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = str(source)

    def link(one: str, other: str) -> None:
        if one == full:
            raise OSError(31, os.strerror(31), one)
        os.link(one, other)

    monkeypatch.setitem(links._MAKE, "hardlink", link)
    linker = Linker(["hardlink"])
    assert linker.make(full, str(tmp_path / "a")) == "copy"
    (tmp_path / "next").write_text("more")
    assert linker.make(str(tmp_path / "next"), str(tmp_path / "b")) == "hardlink"


def test_what_is_there_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    with pytest.raises(FileExistsError):
        Linker(["reflink", "hardlink"]).make(str(source), str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "mine"
