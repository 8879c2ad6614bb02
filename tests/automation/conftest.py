"""A small project on disk: a dataset, a pipeline of three steps, a model."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import polars as pl
import pytest

from mainspring.automation import candidates, entrypoint
from mainspring.store.workspace import Workspace

SETTINGS = """
project: churn
datasets:
  customers: {path: data/customers.parquet}
pipeline:
  entrypoint: pipeline:train
  parameters: {strength: 1.0}
model: {name: churn}
"""

FEATURES = """
import polars as pl

SCALE = 10.0

def scaled(column: str) -> pl.Expr:
    return pl.col(column) / SCALE
"""

PIPELINE = """
import polars as pl
from sklearn.linear_model import LogisticRegression

from features import scaled
from mainspring.automation.pipeline import pipeline
from mainspring.automation.step import step
from mainspring.versioning.candidate import Candidate


@step
def prepare(customers: pl.DataFrame) -> pl.DataFrame:
    return customers.with_columns(scaled("age").alias("age"))


@step
def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return rows.head(400), rows.tail(200)


@step
def fit(rows: pl.DataFrame, strength: float):
    return LogisticRegression(C=strength).fit(rows.select("age", "calls").to_numpy(), rows["left"].to_numpy())


@pipeline
def train(customers: pl.DataFrame, strength: float = 0.5) -> Candidate:
    learn, holdout = split(prepare(customers))
    model = fit(learn, strength)
    return Candidate(
        model=model, train=learn, holdout=holdout, features=["age", "calls"], target="left", container="numpy"
    )
"""


def customers(rows: int = 600, seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    age, calls = draw.normal(40, 10, rows), draw.poisson(3, rows).astype(float)
    chance = 1 / (1 + np.exp(-(0.1 * (age - 40) + 0.5 * (calls - 3))))
    return pl.DataFrame({"age": age, "calls": calls, "left": draw.random(rows) < chance})


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / name.replace("__", ".")).write_text(dedent(text).lstrip(), encoding="utf-8")


@pytest.fixture(autouse=True)
def _without_plots(request, monkeypatch):
    """Drawing takes longer than all the rest; the one test that is about it asks for ``plots``."""
    if "plots" not in request.fixturenames:
        monkeypatch.setattr(candidates, "_plot", lambda *_: None)


@pytest.fixture
def plots():
    """Draw."""


@pytest.fixture
def project(tmp_path: Path, state: str):
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    write(root, mainspring__yaml=SETTINGS + state, features__py=FEATURES, pipeline__py=PIPELINE)
    customers().write_parquet(root / "data" / "customers.parquet")
    return root.resolve()


@pytest.fixture
def workspace(project: Path):
    opened = Workspace(project)
    yield opened
    opened.close()
    forget_imports()


@pytest.fixture
def bare(tmp_path: Path, state: str):
    """A workspace without a pipeline."""
    write(tmp_path, mainspring__yaml=f"project: bare\n{state}")
    opened = Workspace(tmp_path)
    yield opened
    opened.close()
    forget_imports()


def forget_imports() -> None:
    for name, (root, _, _) in list(entrypoint._loaded.items()):
        sys.modules.pop(name, None)
        if str(root) in sys.path:
            sys.path.remove(str(root))
    entrypoint._loaded.clear()


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
