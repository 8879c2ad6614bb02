"""Several adds at once, in processes of their own: none undoes what another one wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.versioning import data
from tests.versioning.folders import write

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

pytestmark = pytest.mark.slow
# Each waits before its last step until all are there, or some time has passed because a lock keeps the others out.
_ADD = """
import sys, time
from pathlib import Path
from mainspring.store.workspace import Workspace
from mainspring.versioning import data
root, path, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
workspace = Workspace(root)
met = root / ".met"
def tick(done, total):
    (met / path.replace("/", "-")).touch()
    until = time.monotonic() + 20
    while len(list(met.iterdir())) < count and time.monotonic() < until:
        time.sleep(0.01)
tick(0, 0)
try:
    data.add(workspace, root / path)
except Exception as error:
    print(type(error).__name__, error)
"""


def add_at_once(workspace: Workspace, *paths: str) -> list[str]:
    (workspace.root / ".met").mkdir(exist_ok=True)
    for path in (workspace.root / ".met").iterdir():
        path.unlink()
    command = [sys.executable, "-c", _ADD, str(workspace.root)]
    running = [
        subprocess.Popen([*command, path, str(len(paths))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for path in paths
    ]
    said = [process.communicate() for process in running]
    assert not any("Traceback" in error for _, error in said), said
    return [output.strip() for output, _ in said]


def test_every_dataset_is_ignored_by_git(workspace: Workspace) -> None:
    for attempt in range(4):
        paths = [f"rows{attempt}-{number}" for number in range(6)]
        write(workspace, dict.fromkeys(paths, "1"))
        assert add_at_once(workspace, *paths) == [""] * 6
        lines = (workspace.root / ".gitignore").read_text().splitlines()
        assert {f"/{path}" for path in paths} <= set(lines)


def test_one_of_overlapping_folders_becomes_a_dataset(workspace: Workspace) -> None:
    for attempt in range(4):
        outer, inner = f"outer{attempt}", f"outer{attempt}/inner{attempt}"
        write(workspace, {f"{inner}/{number}": str(number) for number in range(5)})
        said = add_at_once(workspace, outer, inner)
        assert sorted(said)[0] == ""
        assert sorted(said)[1].startswith("Conflict"), said
        assert [Path(f"{workspace.root / path}.dvc").exists() for path in (outer, inner)] == [not text for text in said]


def test_one_of_two_paths_gets_the_name(workspace: Workspace) -> None:
    for attempt in range(4):
        paths = [f"{folder}/rows{attempt}.csv" for folder in ("one", "two")]
        write(workspace, dict(zip(paths, ("1", "2"), strict=True)))
        said = add_at_once(workspace, *paths)
        assert sorted(said)[0] == ""
        assert sorted(said)[1].startswith("Conflict"), said
        assert len({version.path for version in data.log(workspace, f"rows{attempt}")}) == 1
