"""A small project with a real pipeline in a real git repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import polars as pl

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


@step
def clean(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop_nulls()


@step
def fit(rows: pl.DataFrame, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength).fit(rows.select("a", "b").to_numpy(), rows["y"].to_numpy())


@pipeline
def train(rows: pl.DataFrame, strength: float = 1.0) -> Candidate:
    rows = clean(rows)
    seen, kept = rows.head(150), rows.tail(50)
    return Candidate(
        model=fit(seen, strength), train=seen, holdout=kept, features=["a", "b"], target="y", container="numpy"
    )
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "a step") -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def write_rows(folder: Path, shift: int = 0) -> None:
    rows = pl.DataFrame({"a": [float((i * 7919) % 101) for i in range(200)], "b": [float(i % 17) for i in range(200)]})
    noise = pl.Series(range(200)) % 40 + shift
    rows.with_columns(y=((pl.col("a") + 3 * pl.col("b") + noise) > 90).cast(pl.Int64)).write_csv(
        folder / "data/rows.csv"
    )


def make_project(root: Path, state: str = "") -> None:
    (root / "data").mkdir(parents=True)
    (root / "mainspring.yaml").write_text(SETTINGS + state)
    (root / "flow.py").write_text(CODE)
    (root / ".gitignore").write_text(".mainspring/\ndata/*\n!data/*.dvc\n__pycache__/\n")
    write_rows(root)
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root)
