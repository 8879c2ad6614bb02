"""kill -9 at every write of a release and of a rollback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving.scene import add, make_workspace

from mainspring.serving import releases

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


def test_a_release_killed_anywhere_happened_or_did_not(tmp_path: Path, state: str) -> None:
    workspace = make_workspace(tmp_path / "w", state)
    first, second = add(workspace), add(workspace, seed=1)
    releases.release(workspace, "m", first, reason="first", override="a test")
    workspace.close()
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_release.py"), str(workspace.root), first, second],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["code"] for line in lines} == {0, -9}
    for doing in ("up", "down"):
        moments = [line for line in lines if line["doing"] == doing]
        assert len(moments) > 5
        assert moments[-1]["champion"] == (second if doing == "up" else first)
        assert len({line["champion"] for line in moments[:-1]}) == 2  # killed before the commit, and after it
    for line in lines:
        assert line["agree"]
        assert line["served"] in (first, second)
        assert line["production"] == [line["champion"]]
        assert line["open"] == []
