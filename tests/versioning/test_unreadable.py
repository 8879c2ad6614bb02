"""What we may not read or write is named, and what to do; other datasets are told all the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mainspring.store.workspace import Workspace
from mainspring.versioning import data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ALMIGHTY = "dac_override,dac_read_search"
"""What root may that nobody else may: read and write whatever the modes of files say."""


@pytest.fixture
def scene(workspace: Workspace) -> Workspace:
    """A file and a folder in two versions."""
    for text in ("1", "2"):
        for name in ("data/a.txt", "data/d/x", "data/d/sub/y"):
            path = workspace.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text * 3)
        data.add(workspace, workspace.root / "data/a.txt")
        data.add(workspace, workspace.root / "data/d")
    return workspace


def said(workspace: Workspace, *words: str) -> tuple[int, str]:
    """Run a command with no more rights than others; return its exit code and what it said."""
    command = [sys.executable, "-c", "from mainspring.cli.quick import main; main()", *words]
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("no setpriv")
    less = ",".join(f"-{name}" for name in _ALMIGHTY.split(","))
    limited = [program, "--inh-caps", less, "--bounding-set", less, *command]
    done = subprocess.run(limited, cwd=workspace.root, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    return done.returncode, output


@pytest.mark.parametrize("name", ["data/a.txt", "data/a.txt.dvc", "data/d", "data/d/sub", "data/d/x"])
def test_status_names_what_cannot_be_read(scene: Workspace, name: str) -> None:
    path = scene.root / name
    shutil.rmtree(scene.state / "index")
    path.chmod(0)
    code, output = said(scene, "data", "status")
    path.chmod(0o755)
    assert code == 0
    assert f"cannot read {path}: permission denied" in output
    assert "up to date" in output, "the other one"


@pytest.mark.parametrize("name", ["data/a.txt", "data/d", "data/d/sub", "data/d/x"])
@pytest.mark.parametrize("verb", ["add", "checkout"])
def test_add_and_checkout_name_what_cannot_be_read(scene: Workspace, name: str, verb: str) -> None:
    path = scene.root / name
    shutil.rmtree(scene.state / "index")
    path.chmod(0)
    words = ("add", "data/" + name.split("/")[1]) if verb == "add" else ("checkout", name.split("/")[1][:1], "1")
    code, output = said(scene, "data", *words)
    path.chmod(0o755)
    assert code == 3
    assert f"cannot read {path}: permission denied" in output
    assert "check the permissions" in output


@pytest.mark.parametrize("links", ["hardlink", "copy"])
def test_a_folder_that_is_read_only_is_named_before_anything_is_changed(scene: Workspace, links: str) -> None:
    with scene.settings_file.open("a") as settings:
        settings.write(f"state: {{links: [{links}]}}\n")
    path = scene.root / "data/d/sub"
    path.chmod(0o555)
    code, output = said(scene, "data", "checkout", "d", "1")
    path.chmod(0o755)
    assert code == 3
    assert f"cannot write to the folder {path}; nothing was changed" in output
    assert [(scene.root / "data/d" / name).read_text() for name in ("x", "sub/y")] == ["222", "222"]


def test_patterns_that_cannot_be_read_are_not_taken_for_none(scene: Workspace) -> None:
    patterns = scene.root / "data/.dvcignore"
    patterns.write_text("x\n")
    patterns.chmod(0)
    code, output = said(scene, "data", "add", "data/d")
    patterns.chmod(0o644)
    assert code == 3
    assert f"cannot read {patterns}: permission denied" in output


LOOKS = [("status",), ("log", "d"), ("verify",), ("diff", "d", "1", "2", "--no-profile")]


@pytest.mark.parametrize("words", LOOKS, ids=[words[0] for words in LOOKS])
def test_a_workspace_that_may_only_be_read_can_be_looked_at(scene: Workspace, words: tuple[str, ...]) -> None:
    scene.close()
    with locked(scene.root):
        code, output = said(scene, "data", *words)
    assert code == 0, output


@pytest.mark.parametrize("words", [("data", "add", "data/d"), ("data", "checkout", "d", "1")])
def test_a_workspace_that_may_only_be_read_stays_as_it_is(scene: Workspace, words: tuple[str, ...]) -> None:
    (scene.root / "data/d/x").write_text("changed")
    scene.close()
    with locked(scene.root):
        code, output = said(scene, *words)
    assert code in (1, 3), output
    assert "hint:" in output
    assert "broke inside" not in output
    assert (scene.root / "data/d/x").read_text() == "changed"


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Take the right to write away from everything in a folder."""
    places = [root, *root.rglob("*")]
    modes = {place: place.stat().st_mode for place in places}
    for place in places:
        place.chmod(modes[place] & ~0o222)
    yield
    for place, mode in modes.items():
        place.chmod(mode)
