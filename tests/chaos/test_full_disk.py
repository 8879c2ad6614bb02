"""A full disk takes no answer away, and what it refuses is told and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from serving.scene import add, make_workspace, server, wait_until

from mainspring.serving import predictions, releases
from tests.disks import fill, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
ROW = {"instances": [[0.5, 1]]}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "8m") as folder:
        yield folder


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
