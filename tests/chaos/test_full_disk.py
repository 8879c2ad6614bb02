"""A full disk takes no answer away, and what it refuses is told and counted."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from serving.scene import add, make_workspace, server, wait_until

from mainspring.serving import predictions, releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
ROW = {"instances": [[0.5, 1]]}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs rights that are not given here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return path


def test_a_full_disk_takes_no_answer_away(small: Path) -> None:
    workspace = make_workspace(small / "w")
    releases.release(workspace, "m", add(workspace), reason="first", override="a test")
    with server(workspace, "--no-guard") as running:
        client = running.client()
        before = running.workers()
        filler = fill(small)
        ids = []
        for _ in range(200):
            code, answer, _ = client.post("/invocations", ROW)
            assert code == 200
            ids += answer["prediction_ids"]
        log = workspace.root / "server.log"
        labels = {"labels": [{"prediction_id": ids[0], "label": True}]}
        wait_until(lambda: client.post("/labels", labels)[0] == 503, "the refusal of labels")
        assert client.get("/metrics")[0] == 200  # counters live in memory: a mapped page of a full disk would kill
        filler.unlink()
        wait_until(lambda: set(predictions.predictions(workspace, "m")["prediction_id"]) >= set(ids), "the records")
        assert client.post("/labels", labels)[0] == 200
        assert running.workers() == before
        client.close()
    workspace.close()
    assert "Traceback" not in log.read_text()
