"""A full disk: every call is answered, what was acknowledged stays, and there is no need to start again."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.disks import fill, small_disk
from tests.web.mlflow.conftest import API

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
ARTIFACTS = "/api/2.0/mlflow-artifacts/"
ROUNDS = 400
"""Enough calls to use up whatever pages were free inside the database's file."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "16m") as folder:
        yield folder


class Client:
    """One client of the server, which counts what it was told."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.refusals: list[str] = []

    def fine(self, path: str, **fields: Any) -> dict[str, Any]:
        """Return the answer of a call that succeeds."""
        answer = self.http.post(API + path, json=fields)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def tried(self, answer: httpx.Response) -> bool:
        """Return whether the call succeeded; else it was refused as one that may be tried again."""
        if answer.status_code == 200:
            return True
        told = answer.json()
        assert (answer.status_code, told["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE"), answer.text
        self.refusals.append(told["message"])
        return False

    def post(self, path: str, **fields: Any) -> bool:
        """Call an endpoint."""
        return self.tried(self.http.post(API + path, json=fields))

    def put(self, path: str, content: bytes) -> bool:
        """Upload an artifact."""
        return self.tried(self.http.put(ARTIFACTS + "artifacts/" + path, content=content))


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[Client]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(folder), "up", "--port", "0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            address = next(line for line in process.stdout if line.startswith("listening on ")).split()[-1]
            with httpx.Client(base_url=address, timeout=30) as http:
                yield Client(http)
        finally:
            process.terminate()
        assert process.wait(30) == 0


def point(step: int) -> dict[str, Any]:
    return {"key": "loss", "value": step / 2, "timestamp": 1_700_000_000_000 + step, "step": step}


def history(client: Client, run_id: str) -> list[int]:
    answer = client.http.get(API + "metrics/get-history", params={"run_id": run_id, "metric_key": "loss"})
    assert answer.status_code == 200, answer.text
    return [item["step"] for item in answer.json().get("metrics", [])]


def test_a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(small: Path, tmp_path: Path) -> None:
    (small / "mainspring.yaml").write_text("project: example\n")
    log = tmp_path / "log"
    with serving(small, log) as client:
        experiment = client.fine("experiments/create", name="e")["experiment_id"]
        info = client.fine("runs/create", experiment_id=experiment)["run"]["info"]
        run_id, place = info["run_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        assert client.put(f"{place}/kept.bin", b"kept" * 1000)
        filler = fill(small)

        kept, logged, params, files, made = [], [], [], [], []
        for step in range(ROUNDS):
            if client.post("runs/log-metric", run_id=run_id, **point(step)):
                kept.append(step)
            batch = [point(ROUNDS + 100 * step + each) for each in range(100)]
            if client.post("runs/log-batch", run_id=run_id, metrics=batch):
                logged += [item["step"] for item in batch]
            if client.post("runs/log-parameter", run_id=run_id, key=f"p{step}", value="v" * 1000):
                params.append(f"p{step}")
            if step % 20 == 0:
                if client.put(f"{place}/{step}.bin", bytes([step % 256]) * 300_000):
                    files.append(step)
                if client.post("registered-models/create", name=f"m{step}"):
                    made.append(f"m{step}")
                if client.post("runs/create", experiment_id=experiment, run_name="x" * 200):
                    made.append("run")
        assert client.refusals, "the disk was never full"
        assert not files, "an artifact was kept on a full disk"
        assert all("free" in text and "disk" in text for text in client.refusals), set(client.refusals)

        # what reads goes on
        assert sorted(history(client, run_id)) == sorted(kept + logged)
        assert client.http.get(ARTIFACTS + f"artifacts/{place}/kept.bin").content == b"kept" * 1000
        assert client.http.get(API + "runs/get", params={"run_id": run_id}).status_code == 200
        assert client.fine("runs/search", experiment_ids=[experiment])["runs"]

        filler.unlink()
        assert client.put(f"{place}/after.bin", b"a" * 300_000)
        assert client.post("runs/log-metric", run_id=run_id, **point(10**6))
        assert client.post("runs/update", run_id=run_id, status="FINISHED", end_time=1_700_000_100_000)
        found = client.http.get(API + "runs/get", params={"run_id": run_id}).json()["run"]
        assert {item["key"] for item in found["data"].get("params", [])} == set(params)
        assert sorted(history(client, run_id)) == sorted([*kept, *logged, 10**6])
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
    with serving(small, log) as client:  # and all of it is on the disk
        assert sorted(history(client, run_id)) == sorted([*kept, *logged, 10**6])
        assert client.http.get(ARTIFACTS + f"artifacts/{place}/after.bin").content == b"a" * 300_000


@pytest.mark.parametrize("known", [False, True])
def test_a_start_on_a_full_disk_says_why_it_failed(small: Path, known: bool) -> None:
    (small / "mainspring.yaml").write_text("project: example\n")
    command = [sys.executable, "-m", "mainspring", "--workspace", str(small), "up", "--port", "0"]
    if known:
        subprocess.run([*command[:5], "runs", "list"], check=True, capture_output=True)
    filler = fill(small)
    failed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert failed.returncode == 3
    assert "free" in failed.stderr
    assert "broke" not in failed.stderr
    filler.unlink()
    with serving(small, small / "log") as client:
        assert client.fine("runs/create", experiment_id="0")
