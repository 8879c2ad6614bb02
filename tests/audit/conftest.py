"""A small project, once bare and once with everything that the checklist asks for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from sqlalchemy import insert, update

from mainspring.automation import events
from mainspring.automation.delivery.ci import write_workflow
from mainspring.automation.execute import execute
from mainspring.base.clock import now
from mainspring.base.ids import new_id
from mainspring.monitoring import alerts
from mainspring.reproducibility import records as reproductions
from mainspring.serving import releases, segments
from mainspring.serving.answered import SCHEMA as PREDICTIONS
from mainspring.serving.labels import SCHEMA as LABELS
from mainspring.store.database import Database
from mainspring.store.schema.automation import executions, leases
from mainspring.store.schema.monitoring import observations
from mainspring.store.transfer import copy_records
from mainspring.store.workspace import Workspace
from mainspring.testing import gate, suite
from mainspring.testing.verdict import Verdict
from mainspring.versioning import data, models

SETTINGS = """\
project: small
datasets:
  rows: {path: data/rows.csv, suite: rows.json}
pipeline: {entrypoint: "flow:train"}
model: {name: small}
checks:
  - {type: metric, metric: roc_auc, min: 0.6}
  - {type: skew}
monitors:
  input-drift: {type: data_drift}
  performance: {type: performance, metric: roc_auc, max_drop: 0.05}
triggers:
  new-data: {type: data, dataset: rows}
channels:
  - {type: log}
state: {database: "${RECORDS:-}"}
"""

CODE = """\
import polars as pl
from sklearn.linear_model import LogisticRegression

from mainspring import Candidate, pipeline


@pipeline
def train(rows: pl.DataFrame, strength: float = 1.0) -> Candidate:
    seen, kept = rows.head(150), rows.tail(50)
    model = LogisticRegression(C=strength).fit(seen.select("a", "b").to_numpy(), seen["y"].to_numpy())
    return Candidate(model=model, train=seen, holdout=kept, features=["a", "b"], target="y", container="numpy")
"""

PROSE = (
    "This model answers whether a row is one of the wanted kind, for people who sort rows by hand every morning, and "
)
PROSE += "who look again at everything that it is not sure about.\n"

CARD = (
    "The people it was trained on sort rows themselves; the rows of other places look otherwise, and their answers are "
    "worth less there. It must not decide anything alone.\n"
)

RUNBOOK = """\
# Runbook

## Roll back

    mainspring rollback small --reason "what you saw"

## input-drift

Ask the people who deliver the rows whether something changed at their side.

## performance

Look at the newest labels first, then compare the slices with those of last month.
"""

FILES = {
    "mainspring.yaml": SETTINGS,
    "flow.py": CODE,
    "tests/test_flow.py": "import flow\n",
    "rows.json": '{"name": "rows", "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "y"}}]}',
    "README.md": f"# small\n\n{PROSE}",
    "MODEL_CARD.md": f"# Model card\n\n{CARD}",
    "RUNBOOK.md": RUNBOOK,
    "requirements.txt": "mainspring==0.1.0\n",
    ".gitignore": ".mainspring/\n__pycache__/\n",
}


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def rows() -> pl.DataFrame:
    frame = pl.DataFrame({"a": [float((i * 7919) % 101) for i in range(200)], "b": [float(i % 17) for i in range(200)]})
    return frame.with_columns(y=((pl.col("a") + 3 * pl.col("b") + pl.Series(range(200)) % 40) > 90).cast(pl.Int64))


@pytest.fixture
def bare(tmp_path: Path, state: str) -> Iterator[Workspace]:
    write(tmp_path, {"mainspring.yaml": f"project: bare\n{state}"})
    workspace = Workspace(tmp_path)
    yield workspace
    workspace.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole life in it: trained, judged, released, answering, watched, retrained, made again."""
    root = tmp_path_factory.mktemp("small")
    write(root, FILES | {"data/rows.csv": rows().write_csv()})
    git(root, "init", "--quiet", "--initial-branch", "main")
    workspace = Workspace(root)
    data.add(workspace, "rows")
    write_workflow(workspace)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "everything")
    _live(workspace)
    workspace.close()
    return root


@pytest.fixture
def whole(template: Path, tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    root = tmp_path / "small"
    shutil.copytree(template, root, symlinks=True)
    if state:  # git holds the settings, so a variable names the database
        kept = Workspace(root)
        url = yaml.safe_load(state)["state"]["database"]
        copy_records(kept.database, Database(url))
        kept.close()
        monkeypatch.setenv("RECORDS", url)
    workspace = Workspace(root)
    yield workspace
    workspace.close()


def _live(workspace: Workspace) -> None:
    done = execute(workspace, progress=False)
    assert done.model_version is not None
    version = models.resolve(workspace, f"small@{done.model_version}")
    verdicts = [Verdict(check="roc_auc", status="pass"), Verdict(check="skew: answers", status="pass")]
    passed = gate.Gate(
        id=new_id(), model="small", version=version.version, champion=None, at=now(), outcome="pass",
        verdicts=verdicts, reason="",
    )  # fmt: skip
    gate.records.insert_gate(workspace.database, gate._row(passed))
    released = releases.release(workspace, "small", version.version, reason="gate passed")
    suite.record(workspace, {layer: suite.Counts(passed=2) for layer in ("unit", "integration", "model")})
    event = events.emit(workspace, "data", "new-data", "data:rows:1", {}, status="running")
    assert event is not None
    told = {"model": "small", "version": version.version, "release": {"id": released.id}}
    events.conclude(workspace, event, "done", "released", execution_id=done.id, **told)
    _rows(workspace, event.id, done.id, version.version, done.run_id or "")
    answers(workspace, version)
    alerts.rehearse(workspace)


def _rows(workspace: Workspace, event: str, execution: str, version: str, run: str) -> None:
    at = now()
    seen = [
        {"id": new_id(), "monitor": name, "at": at, "status": "ok", "n": 200, "evidence": {}}
        for name in ("input-drift", "performance")
    ]
    lease = {"name": f"worker here 1 {at / 1000:.2f}", "owner": "here 1 0.0", "token": 1, "expires_at": at + 10**9}
    proof = {"id": new_id(), "run_id": run, "model": "small", "version": version, "at": at, "level": 4, "report": {}}
    with workspace.database.write() as connection:
        connection.execute(update(executions).values(event_id=event).where(executions.c.id == execution))
        connection.execute(insert(observations), seen)
        connection.execute(insert(leases), lease)
        reproductions.add_reproduction(connection, proof)


def answers(workspace: Workspace, version: Any, *, moved: float = 0.0, labelled: bool = True) -> None:
    """Record what the endpoint would have answered to the project's own rows."""
    asked = rows()
    scores = models.load(workspace, version).predict(asked.select("a", "b"))
    at, n = now(), len(asked)
    columns: dict[str, Any] = {
        "prediction_id": [new_id() for _ in range(n)],
        "at": [at] * n,
        "event_time": [at] * n,
        "version": [version.version] * n,
        "role": ["champion"] * n,
        "status": ["ok"] * n,
        "score": np.clip(scores.score + moved, 0, 1),
        "label": scores.label,
        "latency_ms": [1.0] * n,
        "key": [""] * n,
        "error": [None] * n,
    }
    frame = pl.DataFrame(columns, schema={name: kind for name, kind in PREDICTIONS.items() if name != "scores"})
    frame = frame.with_columns(asked["a"].alias("input.a"), asked["b"].alias("input.b"))
    segments.write(segments.folder(workspace, segments.PREDICTIONS, "small"), frame, at=at, writer="test")
    if labelled:
        truth = frame.select("prediction_id", "at").with_columns(truth=asked["y"].cast(pl.Float64), received_at=at)
        segments.write(
            segments.folder(workspace, segments.LABELS, "small"), truth.cast(dict(LABELS)), at=at, writer="test"
        )
