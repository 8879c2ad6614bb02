"""Objects: DVC's layout, durable, never served damaged."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import Corrupted, InvalidData, NotFound
from mainspring.base.hashing import md5_bytes
from mainspring.store.objects import Objects, walk


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def damage(objects: Objects, md5: str, data: bytes) -> None:
    path = objects.path(md5)
    path.chmod(0o644)
    path.write_bytes(data)


def test_the_layout_is_that_of_dvc(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "data" / "sub").mkdir(parents=True)
    (tmp_path / "data" / "b.txt").write_text("b")
    (tmp_path / "data" / "sub" / "a.txt").write_text("a")
    stored = objects.put_folder(walk(tmp_path / "data"))
    listing = [{"md5": md5_bytes(b"b"), "relpath": "b.txt"}, {"md5": md5_bytes(b"a"), "relpath": "sub/a.txt"}]
    raw = json.dumps(listing, sort_keys=True).encode()
    assert stored.md5 == md5_bytes(raw) + ".dir"
    assert (stored.size, stored.files) == (2, 2)
    path = objects.root / "files" / "md5" / stored.md5[:2] / stored.md5[2:]
    assert path.read_bytes() == raw
    assert path.stat().st_mode & 0o777 == 0o444


@given(content=st.binary(max_size=2000))
def test_what_is_stored_is_what_is_read(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    objects = Objects(tmp_path_factory.mktemp("objects"))
    md5 = objects.put_bytes(content)
    assert objects.put_bytes(content) == md5
    assert objects.read_bytes(md5) == content
    assert list(objects.verify()) == []


@pytest.mark.parametrize("damaged", [b"", b"hell", b"hellp", b"hello!"])
def test_damage_is_detected_set_aside_and_healed(objects: Objects, damaged: bytes, tmp_path: Path) -> None:
    md5 = objects.put_bytes(b"hello")
    damage(objects, md5, damaged)
    with pytest.raises(Corrupted, match="damaged"):
        objects.restore(md5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(list((objects.root / "quarantine").iterdir())) == 1
    with pytest.raises(NotFound):
        objects.read_bytes(md5)
    objects.put_bytes(b"hello")
    assert objects.read_bytes(md5) == b"hello"


def test_verify_finds_each_damaged_object_once(objects: Objects) -> None:
    good, bad = objects.put_bytes(b"good"), objects.put_bytes(b"bad!")
    damage(objects, bad, b"worse")
    assert [md5 for md5, _ in objects.verify()] == [bad]
    assert objects.has(good)
    assert not objects.has(bad)


def test_a_folder_comes_back_as_it_was(objects: Objects, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("a b/ü.txt", "x/y/z", "empty"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name if name != "empty" else "")
    stored = objects.put_folder(walk(source))
    objects.restore(stored.md5, tmp_path / "out")
    assert {name: path.read_text() for name, path in walk(tmp_path / "out").items()} == {
        name: path.read_text() for name, path in walk(source).items()
    }
    objects.path(objects.listing(stored.md5)[0].md5).unlink()
    assert not objects.has(stored.md5)


def test_a_listing_cannot_reach_outside_of_its_folder(objects: Objects, tmp_path: Path) -> None:
    inner = objects.put_bytes(b"evil")
    for relpath in ("../evil", "/etc/evil", "a/../../evil"):
        md5 = objects.put_bytes(json.dumps([{"md5": inner, "relpath": relpath}]).encode(), suffix=".dir")
        with pytest.raises(Corrupted, match="outside"):
            objects.restore(md5, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(InvalidData, match="no regular file"):
        walk(tmp_path)


def test_racing_writers_of_one_content_all_succeed(objects: Objects) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(objects.put_bytes(b"same" * 10_000))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1
    assert list(objects.verify()) == []


def test_many_files_are_stored_at_once(objects: Objects, tmp_path: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(200):
        (source / f"{number}").write_text(str(number))
    stored = objects.put_folder(walk(source))
    assert stored.files == 200
    assert objects.has(stored.md5)
    assert not (objects.root / "incoming").exists() or not list((objects.root / "incoming").iterdir())
