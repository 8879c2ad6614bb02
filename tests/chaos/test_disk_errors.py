"""A disk that fails in the midst of a command for data: told in words, nothing lost, and the same command ends it later."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

MAINSPRING = Path(sys.executable).parent / "mainspring"
ENVIRON = os.environ | {"PYTHONHASHSEED": "0", "NO_COLOR": "1"}
CALLS = "write,pwrite64,link,rename,renameat,unlink,fsync,fdatasync,syncfs,mkdir,chmod,utimensat,ftruncate"
POINTS = 8
"""So many calls of a command fail, one in each run of it, evenly spread over all that touch the project."""


class Point(NamedTuple):
    """The ``number``th time that a thread makes a system call; so it fails in each of them."""

    call: str
    number: int


def run(folder: Path, *words: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*under, str(MAINSPRING), *words]
    return subprocess.run(command, cwd=folder, env=ENVIRON, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def traced() -> str:
    """The program that makes system calls fail."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace (apt-get install strace)")
    if subprocess.run([strace, "-o", os.devnull, "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    return strace


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A workspace with some files that are not added yet, and a remote beside it."""
    root = tmp_path / "scene" / "project"
    (root / "data" / "sub").mkdir(parents=True)
    (root / "mainspring.yaml").write_text(
        "project: x\nstate: {links: [hardlink]}\nremotes: {store: {url: ../store}}\ndatasets: {data: {path: data}}\n"
    )
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for number in range(12):
        (root / "data" / ("sub" if number % 2 else ".") / f"{number}.csv").write_text(f"a\n{number}\n" * 50)
    return root


def done(root: Path, *words: str) -> None:
    ended = run(root, *words)
    assert ended.returncode == 0, ended.stderr


def added(root: Path) -> None:
    done(root, "data", "add", "data")


def changed(root: Path) -> None:
    added(root)
    (root / "data" / "0.csv").unlink()
    (root / "data" / "0.csv").write_text("a\nother\n")


def pushed(root: Path) -> None:
    added(root)
    done(root, "data", "push")


def emptied(root: Path) -> None:
    pushed(root)
    shutil.rmtree(root / ".mainspring" / "objects" / "files")
    shutil.rmtree(root / "data")


def littered(root: Path) -> None:
    """Store what nobody needs, long ago."""
    added(root)
    for number in range(6):
        content = f"nobody's {number}".encode()
        place = stored(root) / (md5 := hashlib.md5(content).hexdigest())[:2] / md5[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        os.utime(place, (1, 1))


SCENES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "add": (lambda _: None, ("data", "add", "data")),
    "add again": (changed, ("data", "add", "data")),
    "push": (added, ("data", "push")),
    "pull": (emptied, ("data", "pull")),
    "gc": (littered, ("gc", "--remove")),
}


def stored(root: Path) -> Path:
    return root / ".mainspring" / "objects" / "files" / "md5"


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def torn(root: Path) -> list[Path]:
    objects = [path for path in stored(root).glob("??/*") if not path.name.startswith(".")]
    names = {path: (path.parent.name + path.name).removesuffix(".dir") for path in objects}
    return [path for path, name in names.items() if hashlib.md5(path.read_bytes()).hexdigest() != name]


def touching(log: Path, folder: Path) -> Iterator[Point]:
    """Give the calls that succeeded and have to do with what lies in a folder."""
    counts: dict[tuple[str, str], int] = {}
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\((.*)", line)
        if found is None:
            continue
        thread, call, rest = found.groups()
        counts[thread, call] = counts.get((thread, call), 0) + 1
        rest = re.sub(r"AT_FDCWD<[^>]*>", "", rest)
        if str(folder) in rest and " = -1 " not in rest:
            yield Point(call, counts[thread, call])


@pytest.mark.parametrize("name", SCENES)
def test_a_disk_that_fails_once(traced: str, scene: Path, tmp_path: Path, name: str) -> None:
    prepare, words = SCENES[name]
    prepare(scene)
    before = held(scene / "data") if name != "pull" else {}
    case = tmp_path / "case"

    def fresh() -> Path:
        shutil.rmtree(case, ignore_errors=True)
        subprocess.run(["cp", "-a", str(scene.parent), str(case)], check=True)
        return case / "project"

    log = tmp_path / "log"
    root = fresh()
    assert run(root, *words, under=(traced, "-f", "-y", "-o", str(log), "-e", f"trace={CALLS}")).returncode == 0
    after, points = held(root / "data"), list(touching(log, case))
    assert len(points) > POINTS
    for number, point in enumerate(points[:: len(points) // POINTS]):
        root, error = fresh(), ("ENOSPC", "EIO")[number % 2]
        fault = f"inject={point.call}:error={error}:when={point.number}"
        ended = run(root, *words, under=(traced, "-f", "-o", os.devnull, "-e", f"trace={point.call}", "-e", fault))
        what = f"{name}: {point.call} {point.number} {error}: {ended.returncode} {ended.stderr}"
        assert "Traceback" not in ended.stderr, what
        if ended.returncode and point.call != "write":  # which is how it is said, too
            assert ended.stderr.startswith("error: "), what
        if before:
            assert held(root / "data") == before, what
        assert torn(root) == [], what
        done(root, *words)
        done(root, "data", "verify")
        assert held(root / "data") == after, what
