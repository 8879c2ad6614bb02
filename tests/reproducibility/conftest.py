"""A small project with a real pipeline, and git where a test wants it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from mainspring.automation.execute import Execution, execute
from mainspring.store.workspace import Workspace

SETTINGS = """\
project: small
seed: 7
datasets:
  rows: {path: data/rows.csv}
pipeline: {entrypoint: "flow:train", parameters: {strength: 1.0}}
model: {name: small}
"""

CODE = """\
import polars as pl
from sklearn.linear_model import LogisticRegression

from mainspring import Candidate, pipeline, step
from words import FEATURES


@step
def fit(rows: pl.DataFrame, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength).fit(rows.select(FEATURES).to_numpy(), rows["y"].to_numpy())


@pipeline
def train(rows: pl.DataFrame, strength: float = 1.0) -> Candidate:
    seen, kept = rows.head(150), rows.tail(50)
    return Candidate(model=fit(seen, strength), train=seen, holdout=kept, features=FEATURES, target="y", container="numpy")
"""

UNSEEDED = """\
import os

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from mainspring import Candidate, pipeline


@pipeline
def train(rows: pl.DataFrame) -> Candidate:
    draw = np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
    seen = rows.head(150)[draw.permutation(150)[:80].tolist()]
    model = LogisticRegression().fit(seen.select("a", "b").to_numpy(), seen["y"].to_numpy())
    return Candidate(model=model, train=seen, holdout=rows.tail(50), features=["a", "b"], target="y", container="numpy")
"""

Run = Callable[..., Execution]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path, state: str) -> Path:
    root = tmp_path / "small"
    rows = pl.DataFrame({"a": [float((i * 7919) % 101) for i in range(200)], "b": [float(i % 17) for i in range(200)]})
    rows = rows.with_columns(y=((pl.col("a") + 3 * pl.col("b") + pl.Series(range(200)) % 40) > 90).cast(pl.Int64))
    files = {
        "mainspring.yaml": SETTINGS + state,
        "flow.py": CODE,
        "words.py": 'FEATURES = ["a", "b"]\n',
        "data/rows.csv": rows.write_csv(),
        ".gitignore": ".mainspring/\ndata/*\n!data/*.dvc\n__pycache__/\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    opened = Workspace(folder)
    yield opened
    opened.close()


@pytest.fixture
def run(workspace: Workspace) -> Run:
    def once(**given: object) -> Execution:
        return execute(workspace, parameters=given, cache=False, progress=False)

    return once


@pytest.fixture
def commit(folder: Path) -> Callable[[], None]:
    def everything() -> None:
        if not (folder / ".git").exists():
            git(folder, "init", "--quiet", "--initial-branch", "main")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "a step")

    return everything


@pytest.fixture
def unseeded() -> str:
    return UNSEEDED
