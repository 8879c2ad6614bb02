"""Environments: what counts as a difference, and building one from a folder of wheels."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mainspring.base.errors import ExternalToolError, UsageError
from mainspring.cli.main import run as command_line
from mainspring.reproducibility.building import locked_hashes
from mainspring.reproducibility.environment import (
    changes,
    machine_changes,
    rebuild,
    restore_environment,
    thread_changes,
)
from mainspring.reproducibility.origins import requirement
from mainspring.store.schema.versioning import snapshots
from mainspring.store.workspace import Workspace
from mainspring.versioning import environment, snapshot

pytestmark = pytest.mark.slow  # starts processes


def wheel(folder: Path, name: str, version: str) -> None:
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    wheel(tmp_path / "wheels", "tiny", "1.2")
    return tmp_path / "built"


def recorded(**distributions: str) -> dict[str, object]:
    return {"python": platform.python_version(), "distributions": {"mainspring": "0.1.0", "pip": "1", **distributions}}


def test_the_present_environment_equals_itself() -> None:
    here = environment.capture()
    assert changes(here, here) == []
    assert machine_changes(here, here) == []
    assert thread_changes(here, here) == []


def test_what_came_in_addition_is_no_change() -> None:
    here = environment.capture()
    before = {
        **here,
        "distributions": {name: version for name, version in here["distributions"].items() if name != "rich"},
    }
    assert changes(before, here) == []
    assert [item.name for item in changes(here, before)] == ["rich"]


def test_threads_are_told_apart() -> None:
    before = {"variables": {"OMP_NUM_THREADS": "1"}, "cpu": {"usable": 1}}
    found = thread_changes(before, {"variables": {}, "cpu": {"usable": 2}})
    assert [(item.name, item.original, item.present) for item in found] == [
        ("OMP_NUM_THREADS", "1", None),
        ("cpu.usable", "1", "2"),
    ]


def test_pinned_distributions_are_installed(offline: Path) -> None:
    lines: list[str] = []
    python = rebuild(recorded(tiny="1.2"), offline, say=lines.append)
    script = "import tiny, mainspring; print(tiny.VERSION, mainspring.__path__[0])"
    found = subprocess.run([str(python), "-I", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert found[0] == "1.2"
    assert Path(found[1]).is_relative_to(offline)
    assert "installing 1 distributions, 0 of them by their hashes" in lines


def test_what_cannot_be_installed_is_named(offline: Path) -> None:
    with pytest.raises(ExternalToolError, match=r"tiny==9\.9"):
        rebuild(recorded(tiny="9.9"), offline, say=lambda _line: None)


def test_another_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExternalToolError, match=r"Python 2\.6\.1 is not on this machine"):
        rebuild({"python": "2.6.1", "distributions": {}}, tmp_path / "built", say=lambda _line: None)


def remembered(workspace: Workspace, lock: str | None = None, **changed: object) -> str:
    """Take a snapshot here and let it say that the environment had other distributions."""
    if lock is not None:
        (workspace.root / "requirements.lock").write_text(lock)
    taken = snapshot.take(workspace)
    document = {**taken.environment, "origins": {}, **changed}
    with workspace.database.write() as connection:
        connection.execute(snapshots.update().values(environment=document).filter_by(id=taken.id))
    return taken.id


def sha256(offline: Path, name: str) -> str:
    return hashlib.sha256((offline.parent / "wheels" / name).read_bytes()).hexdigest()


def test_an_environment_is_restored_by_its_hashes_and_looked_at(offline: Path, workspace: Workspace) -> None:
    wheel(offline.parent / "wheels", "other", "2.0")
    lock = f"tiny==1.2 \\\n    --hash=sha256:{sha256(offline, 'tiny-1.2-py3-none-any.whl')}\n"
    taken = remembered(workspace, lock, distributions={"mainspring": "0.1.0", "tiny": "1.2", "other": "2.0"})
    found = restore_environment(workspace, taken, offline, say=lambda _line: None)
    assert (found.installed, found.hashed, found.missing, found.changes) == (2, 1, [], [])
    with pytest.raises(UsageError, match="is not empty"):
        restore_environment(workspace, taken, offline, say=lambda _line: None)


def test_other_bytes_than_the_lock_says_are_not_installed(offline: Path, workspace: Workspace) -> None:
    wheel(offline.parent / "wheels", "other", "2.0")
    lock = f"tiny==1.2 --hash=sha256:{'0' * 64}\n"
    taken = remembered(workspace, lock, distributions={"tiny": "1.2", "other": "2.0"})
    found = restore_environment(workspace, taken, offline, say=lambda _line: None)
    assert [(item.name, item.present) for item in found.changes] == [("tiny", None)]
    assert "other bytes than the lock says" in found.missing[0].why
    assert found.installed == 1


def test_what_nobody_can_have_again_is_listed(
    offline: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    project = offline.parent / "vcs"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 'fromgit'\nversion = '3.0'\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    origins = {
        "mine": {"kind": "editable", "url": "file:///home/somebody/mine"},
        "fromgit": {"kind": "vcs", "vcs": "git", "url": f"file://{project}", "commit": "0" * 40},
        "branch": {"kind": "vcs", "vcs": "git", "url": f"file://{project}", "commit": None},
    }
    versions = {"tiny": "1.2", "mine": "0.1", "fromgit": "3.0", "branch": "1", "lost": "9.9"}
    taken = remembered(workspace, distributions=versions, origins=origins)
    arguments = ["--workspace", str(workspace.root), "environment", "restore", taken, str(offline)]
    assert command_line([*arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    why = {one["name"]: one["why"] for one in told["missing"]}
    assert set(why) == {"mine", "fromgit", "branch", "lost"}
    assert why["mine"] == (
        "it was installed editable from file:///home/somebody/mine, of which nothing more was recorded"
    )
    assert why["lost"] == "no index has it"
    assert "no commit of" in why["branch"]
    assert {one["name"] for one in told["changes"]} == set(why)
    assert told["installed"] == 1


@pytest.mark.parametrize("when", ["prepare_metadata_for_build_wheel", "build_wheel"])
def test_what_cannot_be_built_here_is_listed(offline: Path, workspace: Workspace, when: str) -> None:
    said = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    backend = f"def build_wheel(*_, **__): raise SystemError\ndef {when}(*_, **__): raise SystemError\n"
    if when == "build_wheel":
        backend += (
            "def prepare_metadata_for_build_wheel(folder, *_, **__):\n    import pathlib\n"
            "    info = pathlib.Path(folder, 'broken-1.0.dist-info')\n    info.mkdir()\n"
            "    (info / 'METADATA').write_text('Metadata-Version: 2.1\\nName: broken\\nVersion: 1.0\\n')\n"
            "    return info.name\n"
        )
    with tarfile.open(offline.parent / "wheels" / "broken-1.0.tar.gz", "w:gz") as file:
        for name, text in {"pyproject.toml": said, "backend.py": backend, "PKG-INFO": "Name: broken\n"}.items():
            member = tarfile.TarInfo(f"broken-1.0/{name}")
            member.size = len(text)
            file.addfile(member, io.BytesIO(text.encode()))
    taken = remembered(workspace, distributions={"broken": "1.0", "tiny": "1.2"})
    found = restore_environment(workspace, taken, offline, say=lambda _line: None)
    assert [(one.name, one.why) for one in found.missing] == [
        ("broken", "it has to be built, and cannot be on this machine")
    ]
    assert found.installed == 1


def test_where_distributions_came_from_is_recorded(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "tiny", "1.2")
    script = "from mainspring.versioning.environment import origins; import json; print(json.dumps(origins()))"
    target = tmp_path / "lib"
    uv = Path(sys.executable).with_name("uv")
    place = tmp_path / "wheels" / "tiny-1.2-py3-none-any.whl"
    subprocess.run([uv, "pip", "install", "-q", "--target", target, f"tiny @ file://{place}"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    origin = json.loads(done.stdout)["tiny"]
    assert (origin["kind"], origin["sha256"]) == ("local", hashlib.sha256(place.read_bytes()).hexdigest())


def test_what_was_installed_from_a_file_is_while_it_is_the_same(offline: Path, workspace: Workspace) -> None:
    place = offline.parent / "my wheels" / "tiny-1.2-py3-none-any.whl"
    wheel(place.parent, "tiny", "1.2")
    origin = {"kind": "local", "url": place.as_uri(), "sha256": hashlib.sha256(place.read_bytes()).hexdigest()}
    taken = remembered(workspace, distributions={"tiny": "1.2"}, origins={"tiny": origin})
    found = restore_environment(workspace, taken, offline, say=lambda _line: None)
    assert (found.installed, found.changes) == (1, [])
    for content, why in ((b"other", "which is another file by now"), (None, "which is not there any more")):
        place.write_bytes(content) if content else place.unlink()
        found = restore_environment(workspace, taken, offline.with_name(why[:12]), say=lambda _line: None)
        assert [one.why for one in found.missing] == [f"it was installed from {place.as_uri()}, {why}"]


def library(root: Path, name: str, value: int) -> dict[str, object]:
    """Commit a package with a value in it; return where it is installed from, as a snapshot has it."""
    (root / "src" / name).mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text(
        f"[project]\nname = '{name}'\nversion = '0.1'\n"
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    (root / "backend.py").write_text(BACKEND.format(name=name))
    (root / "src" / name / "__init__.py").write_text(f"VALUE = {value}\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(root.parent)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return {"kind": "editable", "url": root.as_uri(), "commit": head}


BACKEND = """\
import pathlib
import zipfile


def build_wheel(folder, config_settings=None, metadata_directory=None):
    info = "{name}-0.1.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, "{name}-0.1-py3-none-any.whl"), "w") as file:
        file.write("src/{name}/__init__.py", "{name}/__init__.py")
        file.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 0.1\\n")
        file.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr(info + "/RECORD", "")
    return "{name}-0.1-py3-none-any.whl"
"""


def test_what_was_installed_from_a_folder_is_had_from_its_commit(offline: Path, workspace: Workspace) -> None:
    root = offline.parent / "my libraries" / "sub"
    origin = library(root, "mine", 1)
    library(root, "mine", 2)
    taken = remembered(workspace, distributions={"mine": "0.1"}, origins={"mine": origin})
    found = restore_environment(workspace, taken, offline, say=lambda _line: None)
    assert (found.installed, found.changes, found.missing) == (1, [], [])
    answer = subprocess.run(
        [found.interpreter, "-c", "import mine; print(mine.VALUE)"], check=True, capture_output=True, text=True
    )
    assert answer.stdout == "1\n"
    by_git = {"kind": "vcs", "vcs": "git", "url": root.parent.as_uri(), "subdirectory": "sub"}
    taken = remembered(
        workspace, distributions={"mine": "0.1"}, origins={"mine": by_git | {"commit": origin["commit"]}}
    )
    found = restore_environment(workspace, taken, offline.with_name("by git"), say=lambda _line: None)
    assert (found.installed, found.missing) == (1, [])
    for commit, why in (
        (f"{origin['commit']}-dirty", f"with changes that are not in its commit {str(origin['commit'])[:12]}"),
        ("0" * 40, "whose commit 000000000000 is not there any more"),
        (None, "which was in no git repository"),
    ):
        assert requirement("mine", "0.1", origin | {"commit": commit}) == (
            "",
            f"it was installed editable from {root.as_uri()}, {why}",
        )


def test_hashes_are_read_of_every_lock() -> None:
    one, two = "1" * 64, "2" * 64
    pip = f"# a comment\nTiny.Name[extra]==1.2 ; python_version > '3' \\\n  --hash=sha256:{one} \\\n  --hash=sha256:{two}\n"
    assert locked_hashes(pip.encode()) == {"tiny-name==1.2": [one, two]}
    uv = f"version = 1\n[[package]]\nname = 'tiny'\nversion = '1.2'\nwheels = [{{url = 'x', hash = 'sha256:{one}'}}]\n"
    assert locked_hashes(uv.encode()) == {"tiny==1.2": [one]}
    pep = f"[[packages]]\nname = 'tiny'\nversion = '1.2'\n[packages.sdist]\nhashes = {{sha256 = '{two}'}}\n"
    assert locked_hashes(pep.encode()) == {"tiny==1.2": [two]}
    poetry = (
        "# This file is automatically @generated by Poetry 2.5.1 and should not be changed by hand.\n\n[[package]]\n"
        f'name = "Tiny"\nversion = "1.2"\nfiles = [\n    {{file = "tiny.whl", hash = "sha256:{one}"}},\n]\n'
    )
    pdm = f"# This file is @generated by PDM.\n\n[metadata]\ngroups = []\n\n{poetry.partition(chr(10) * 2)[2]}"
    for text in (poetry, pdm):
        assert locked_hashes(text.encode()) == {"tiny==1.2": [one]}
    pipenv = {
        "_meta": {"hash": {"sha256": two}},
        "default": {"tiny": {"hashes": [f"sha256:{one}"], "version": "==1.2"}, "mine": {"editable": True, "path": "."}},
        "develop": {"other": {"hashes": [f"sha256:{two}"], "version": "==2.0"}},
    }
    assert locked_hashes(json.dumps(pipenv).encode()) == {"tiny==1.2": [one], "other==2.0": [two]}
    assert locked_hashes(b"[[package") == {}


def test_code_that_is_installed_editable_is_pinned_by_its_commit(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '3.0'\n")
    info = tmp_path / "lib" / "mine-3.0.dist-info"
    info.mkdir(parents=True)
    (info / "direct_url.json").write_text(json.dumps({"url": mine.as_uri(), "dir_info": {"editable": True}}))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(mine)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"], ["tag", "v1"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    sys.path.insert(0, str(tmp_path / "lib"))
    try:
        assert environment.origins()["mine"] == {"kind": "editable", "url": mine.as_uri(), "commit": head}
        (mine / "pyproject.toml").write_text("changed\n")
        assert environment.origins()["mine"]["commit"] == f"{head}-dirty"
    finally:
        sys.path.remove(str(tmp_path / "lib"))
