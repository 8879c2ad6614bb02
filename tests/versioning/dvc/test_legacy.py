"""Pointers and the cache of DVC 2, as DVC 3 reads them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted, InvalidData, NotFound
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, foreign
from mainspring.versioning.legacy import md5_of_text
from mainspring.versioning.pointers import LegacyPointer, read_pointer
from tests.versioning.dvc.repository import Repository, states
from tests.versioning.remotes.scene import git

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

FILES = {"windows.csv": b"a\r\n1\r\n", "unix.csv": b"b\n2\n", "sub/binary": b"\0\r\n\xff" * 9, "empty": b""}


def old_md5(content: bytes) -> str:
    text = b"\0" not in content
    return hashlib.md5(content.replace(b"\r\n", b"\n") if text else content).hexdigest()


def keep(repository: Repository, content: bytes, suffix: str = "") -> str:
    """Put an object where DVC 2 had it."""
    md5 = old_md5(content)
    place = repository.root / ".dvc" / "cache" / md5[:2] / (md5[2:] + suffix)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(0o444)
    return md5 + suffix


@pytest.fixture
def old(repository: Repository) -> Iterator[Workspace]:
    """A repository as DVC 2 left it, with a folder and a file."""
    rows = [{"md5": keep(repository, content), "relpath": name} for name, content in sorted(FILES.items())]
    folder = keep(repository, json.dumps(rows, sort_keys=True).encode(), ".dir")
    (repository.root / "data.dvc").write_text(f"outs:\n- md5: {folder}\n  size: 99\n  nfiles: 4\n  path: data\n")
    single = old_md5(FILES["windows.csv"])
    (repository.root / "single.csv.dvc").write_text(f"outs:\n- md5: {single}\n  size: 6\n  path: single.csv\n")
    (repository.root / ".gitignore").write_text("/data\n/single.csv\n")
    repository.commit()
    workspace = Workspace.open(repository.root)
    yield workspace
    workspace.close()


def touched(repository: Repository) -> dict[Path, tuple[int, int, int]]:
    """Return what would show that somebody wrote to the cache."""
    found = {path: path.stat() for path in (repository.root / ".dvc" / "cache").rglob("*")}
    return {path: (status.st_mtime_ns, status.st_mode, status.st_nlink) for path, status in found.items()}


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in (root / "data").rglob("*") if path.is_file()
    }


def test_what_it_left_is_compared_as_dvc_does(repository: Repository, old: Workspace) -> None:
    assert states(data.status(old)) == {"data": "missing", "single.csv": "missing"}
    repository.dvc("checkout")
    told = data.status(old)
    assert states(told) == {"data": "up to date", "single.csv": "up to date"}
    assert all("mainspring data add" in (item.problem or "") for item in told)
    (repository.root / "data/unix.csv").unlink()
    (repository.root / "data/unix.csv").write_bytes(b"b\r\n2\r\n")  # the same with that kind of hash
    assert "up to date" in repository.dvc("status")
    assert states(data.status(old))["data"] == "up to date"
    (repository.root / "data/more").write_bytes(b"m")
    (repository.root / "data/empty").unlink()
    assert "modified" in repository.dvc("status")
    found = data.status(old)[0]
    assert (found.state, found.added, found.modified, found.deleted) == ("modified", 1, 0, 1)


def test_it_is_checked_out_and_nothing_old_is_written(repository: Repository, old: Workspace) -> None:
    before = {path.name: path.read_bytes() for path in repository.root.glob("?*.dvc")}
    data.checkout(old, "data")
    data.checkout(old, "single.csv")
    assert contents(repository.root) == {f"data/{name}": content for name, content in FILES.items()}
    assert (repository.root / "single.csv").read_bytes() == FILES["windows.csv"]
    assert {path.name: path.read_bytes() for path in repository.root.glob("?*.dvc")} == before
    assert repository.is_clean()
    again = data.checkout(old, "data")
    assert again.number == 1


def test_adding_brings_it_up_to_date(repository: Repository, old: Workspace) -> None:
    with pytest.raises(LegacyPointer) as error:
        read_pointer(repository.root / "data")
    assert error.value.hint == "status and checkout read it; bring it up to date: mainspring data add data"
    data.checkout(old, "data")
    data.add(old, "data")
    assert "hash: md5\n" in (repository.root / "data.dvc").read_text()
    assert "up to date" in repository.dvc("status", "data")
    [found] = [item for item in data.status(old) if item.dataset == "data"]
    assert (found.state, found.problem, found.number) == ("up to date", None, 1)
    repository.remove("data")
    repository.dvc("checkout", "data")
    assert contents(repository.root) == {f"data/{name}": content for name, content in FILES.items()}


def test_a_damaged_or_missing_old_object(repository: Repository, old: Workspace) -> None:
    md5 = old_md5(FILES["windows.csv"])
    place = repository.root / ".dvc" / "cache" / md5[:2] / md5[2:]
    place.chmod(0o644)
    place.write_bytes(b"other")
    for name in ("data", "single.csv"):
        with pytest.raises(Corrupted, match="is damaged"):
            data.checkout(old, name)
        assert not (repository.root / name).exists()
    place.unlink()
    with pytest.raises(NotFound, match="old DVC"):
        data.checkout(old, "single.csv")


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"a\r\nb\rc\n", b"\0\r\n", b"\xff" * 200 + b"\r\n" * 300, b"\xff" * 100 + b"a\r\n" * 300,
     b"x" * ((1 << 20) - 1) + b"\r\n\r\n", b"t\r\n" * 200 + b"\0\r\n", b"\xc3\xa9\r\n" * 30],
    ids=range(9),  # pytest hands the name to every process that a test starts
)  # fmt: skip
def test_what_looks_like_text_does_so_to_dvc_too(dvc: Path, tmp_path: Path, content: bytes) -> None:
    import subprocess

    path = tmp_path / "x"
    path.write_bytes(content)
    asked = "import sys; from dvc_data.hashfile.hash import file_md5; print(file_md5(sys.argv[1], name='md5-dos2unix'))"
    python = dvc.parent / "python"
    told = subprocess.run([str(python), "-c", asked, str(path)], capture_output=True, text=True, check=True).stdout
    assert md5_of_text(path) == told.strip()


def test_a_pointer_of_another_kind_of_hash(repository: Repository, opened: Workspace) -> None:
    (repository.root / "x.dvc").write_text("outs:\n- etag: abc\n  hash: etag\n  path: x\n")
    with pytest.raises(InvalidData, match="names no md5"):
        read_pointer(repository.root / "x")
    (repository.root / "y.dvc").write_text("outs:\n- hash: md5\n  path: y\n")
    assert read_pointer(repository.root / "y") is None, "what was not downloaded yet has no hash"


def test_another_repository_of_dvc_2s_is_read_where_it_lies(
    repository: Repository, old: Workspace, tmp_path: Path
) -> None:
    before = touched(repository)
    foreign.get(str(repository.root), "data", tmp_path / "got")
    assert {
        path.relative_to(tmp_path / "got").as_posix(): path.read_bytes()
        for path in (tmp_path / "got").rglob("*")
        if path.is_file()
    } == FILES
    foreign.get(str(repository.root), "data/sub", tmp_path / "part")
    assert (tmp_path / "part" / "binary").read_bytes() == FILES["sub/binary"]
    with pytest.raises(NotFound, match="has no 'data/none'"):
        foreign.get(str(repository.root), "data/none", tmp_path / "none")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "mainspring.yaml").write_text("project: x\n")
    ours = Workspace(tmp_path / "ours")
    version = foreign.bring(ours, f"file://{repository.root}", "single.csv", ours.root / "in.csv")
    assert version.md5 == hashlib.md5(FILES["windows.csv"]).hexdigest()
    assert (ours.root / "in.csv").read_bytes() == FILES["windows.csv"]
    ours.close()
    assert touched(repository) == before
    git(tmp_path, "clone", "-q", "--bare", str(repository.root), "far")
    with pytest.raises(NotFound, match="has a pointer of an old DVC, whose remotes are not read"):
        foreign.get(str(tmp_path / "far"), "data", tmp_path / "none")
