"""Objects that are no files, cannot be read or moved, and listings that no folder has."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted, NotFound
from mainspring.base.hashing import md5_bytes
from mainspring.store.links import Linker
from mainspring.store.listings import parse_listing
from mainspring.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY_MD5 = md5_bytes(b"")
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def _folder(path: Path) -> None:
    path.mkdir()


def _full_folder(path: Path) -> None:
    (path / "below").mkdir(parents=True)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        here = Path.cwd()
        os.chdir(path.parent)  # names of sockets are short
        try:
            opened.bind(path.name)
        finally:
            os.chdir(here)


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


KINDS = [_folder, _full_folder, os.mkfifo, _socket, _circle, _nowhere]
NAMES = ["folder", "full folder", "fifo", "socket", "circle", "nowhere"]


@pytest.mark.parametrize("make", KINDS, ids=NAMES)
@pytest.mark.parametrize("suffix", ["", ".dir"])
def test_what_is_no_file_is_set_aside_and_healed(
    objects: Objects, tmp_path: Path, make: Callable[[Path], None], suffix: str
) -> None:
    md5 = objects.put_bytes(b"[]", suffix=suffix)
    for look in (objects.read_bytes, objects.check, objects.sound, lambda md5: objects.restore(md5, tmp_path / "out")):
        objects.path(md5).unlink()
        make(objects.path(md5))
        with pytest.raises((Corrupted, NotFound)):
            look(md5)
        assert [found for found, _ in objects.verify([md5])] == [md5]
        assert objects.put_bytes(b"[]", suffix=suffix) == md5
        assert objects.read_bytes(md5) == b"[]"


@pytest.mark.parametrize("make", KINDS, ids=NAMES)
@pytest.mark.parametrize("kind", ["copy", "hardlink"])
def test_a_file_is_stored_where_something_else_was(
    objects: Objects, tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    place = objects.path(md5_bytes(b"content"))
    place.parent.mkdir(parents=True)
    make(place)
    [stored] = objects.put_files([source], linker=Linker([kind]))
    assert objects.read_bytes(stored.md5) == b"content"
    assert not place.is_symlink()


def test_what_lies_among_objects_is_left_alone(objects: Objects) -> None:
    md5 = objects.put_bytes(b"content")
    for name in (".DS_Store", ".nfs0000000001", "README", f"{'0' * 30}.part", "0" * 31):
        (objects.path(md5).parent / name).write_text("not ours")
    assert list(objects.addresses()) == [md5]
    assert list(objects.verify()) == []


_LOOK = """
import sys
from pathlib import Path
from mainspring.base.errors import MainspringError
from mainspring.store.objects import Objects
objects, md5 = Objects(Path(sys.argv[1])), sys.argv[2]
try:
    getattr(objects, sys.argv[3])(md5)
except MainspringError as error:
    print(type(error).__name__, error.message)
"""


def look(objects: Objects, md5: str, verb: str) -> str:
    command = [*UNPRIVILEGED, sys.executable, "-c", _LOOK, str(objects.root), md5, verb]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("verb", ["read_bytes", "check", "sound"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read_is_named_and_stays(objects: Objects, verb: str, what: str) -> None:
    md5 = objects.put_bytes(b"content")
    os.utime(objects.path(md5), (0, 0))
    place = objects.path(md5) if what == "file" else objects.path(md5).parent
    mode = place.stat().st_mode
    place.chmod(0)
    said = look(objects, md5, verb)
    place.chmod(mode)
    assert said.startswith(f"StorageError cannot read {objects.path(md5)}: permission denied")
    assert objects.read_bytes(md5) == b"content"


def test_damage_that_cannot_be_set_aside_is_not_served(objects: Objects) -> None:
    md5 = objects.put_bytes(b"content")
    objects.path(md5).chmod(0o644)
    objects.path(md5).write_bytes(b"CONTENT")
    folder = objects.path(md5).parent
    folder.chmod(0o555)
    said = look(objects, md5, "read_bytes")
    folder.chmod(0o755)
    assert said.startswith(
        f"Corrupted the object {md5} is damaged, and cannot be moved to quarantine: permission denied"
    )


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["/etc/passwd"], "outside"),
        (["../up"], "outside"),
        (["a/../../up"], "outside"),
        (["a/.."], "outside"),
        (["./a"], "outside"),
        (["a/./b"], "outside"),
        (["a//b"], "outside"),
        (["a/"], "outside"),
        ([""], "outside"),
        (["."], "outside"),
        (["a\0b"], "outside"),
        (["a", "a"], "'a' twice"),
        (["a", "a/b"], "'a' as a file and as a folder"),
        (["a/b/c", "a/b"], "'a/b' as a file and as a folder"),
    ],
)
def test_a_listing_that_no_folder_has_is_refused(paths: list[str], said: str) -> None:
    rows = [{"md5": EMPTY_MD5, "relpath": path} for path in ("before", *paths, "behind")]
    with pytest.raises(Corrupted, match=said):
        parse_listing(json.dumps(rows).encode(), "x")


@pytest.mark.parametrize(
    "paths", [[], ["a", "a.b", "a b/c", "a\nb", "...", ".hidden", "..a/..b", "a../b..", "é/\u2028"]]
)
def test_a_listing_that_a_folder_may_have_is_read(paths: list[str]) -> None:
    rows = [{"md5": EMPTY_MD5, "relpath": path} for path in paths]
    assert [entry.relpath for entry in parse_listing(json.dumps(rows).encode(), "x")] == paths


@pytest.mark.parametrize(
    "md5", ["", "../../../etc/passwd", EMPTY_MD5.upper(), EMPTY_MD5 + ".dir", EMPTY_MD5[:-1] + "/"]
)
def test_a_listing_whose_files_have_no_addresses_is_refused(md5: str) -> None:
    rows = [{"md5": EMPTY_MD5, "relpath": "a"}, {"md5": md5, "relpath": "b"}]
    with pytest.raises(Corrupted, match="what is no md5"):
        parse_listing(json.dumps(rows).encode(), "x")
