"""The rows kept with a model to prove, anywhere and later, that it still answers the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mainspring.versioning.scoring import Scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.versioning.signature import Signature

ROWS = 512
UNSEEN = "mainspring: unseen category"
_POOL = 20_000


def select_rows(
    tables: tuple[pl.DataFrame, ...], signature: Signature, answer: Callable[[pl.DataFrame], Scores]
) -> pl.DataFrame:
    """Return at most 512 raw rows: extremes and nulls of every column, rows around the decision, and a stratified rest.

    If the model takes text, one row with a category that it has never seen is added, unless the model refuses such rows.
    Deterministic: the same tables and model give the same rows.
    """
    features = signature.features
    pool = pl.concat([_thinned(table) for table in tables], how="diagonal_relaxed").select(features)
    pool = _distinct(pool)
    if len(pool) > ROWS - 1:
        chosen = list(dict.fromkeys([*_extremes(pool), *_undecided(answer(pool), signature)]))[: ROWS // 2]
        rest = np.linspace(0, len(pool) - 1, ROWS - 1 - len(chosen)).astype(int).tolist()
        pool = pool[sorted({*chosen, *rest})]
    return _with_unseen(pool, signature, answer)


def _thinned(table: pl.DataFrame) -> pl.DataFrame:
    if len(table) <= _POOL:
        return table
    spread: list[int] = np.linspace(0, len(table) - 1, _POOL).astype(int).tolist()
    return table[spread + _extremes(table)]


def _distinct(pool: pl.DataFrame) -> pl.DataFrame:
    return pool.unique(maintain_order=True)


def _extremes(pool: pl.DataFrame) -> list[int]:
    rows: list[int] = []
    for column in pool.iter_columns():
        if column.null_count():
            rows.append(int(column.is_null().arg_max() or 0))
        if column.dtype.is_numeric() or column.dtype.is_temporal():
            known = column.fill_nan(None) if column.dtype.is_float() else column
            rows += [int(at) for at in (known.arg_min(), known.arg_max()) if at is not None]
    return rows


def _undecided(scores: Scores, signature: Signature) -> list[int]:
    if signature.target.task == "regression":
        order = np.argsort(scores.score, kind="stable")
        return [int(order[0]), int(order[-1])]
    if signature.target.task == "binary":
        distance = np.abs(scores.score - 0.5)
    else:
        ranked = np.sort(scores.score, axis=1)
        distance = ranked[:, -1] - ranked[:, -2]
    return [int(row) for row in np.argsort(distance, kind="stable")[:64]]


def _with_unseen(pool: pl.DataFrame, signature: Signature, answer: Callable[[pl.DataFrame], Scores]) -> pl.DataFrame:
    from mainspring.base.errors import InvalidData

    texts = [column.name for column in signature.inputs if column.dtype == "string"]
    if not texts:
        return pool
    plain = pool.with_columns(pl.col(name).cast(pl.String) for name in texts)
    unseen = plain.head(1).with_columns(pl.lit(UNSEEN).alias(name) for name in texts)
    try:
        answer(unseen)
    except InvalidData:
        return plain
    return pl.concat([plain, unseen])


def write_probe(path: Path, rows: pl.DataFrame, scores: Scores) -> None:
    """Write raw rows with ``probe.score`` (``probe.score.K`` of several classes) and ``probe.label`` in full precision."""
    answers = {"probe.label": scores.label}
    if scores.score.ndim == 1:
        answers["probe.score"] = scores.score
    else:
        answers |= {f"probe.score.{index}": scores.score[:, index] for index in range(scores.score.shape[1])}
    rows.with_columns(pl.Series(name, values) for name, values in answers.items()).write_parquet(path)


def read_probe_rows(path: Path, signature: Signature) -> tuple[pl.DataFrame, Scores]:
    """Return the raw rows and the answers of a probe."""
    table = pl.read_parquet(path)
    label = table.get_column("probe.label").to_numpy()
    if "probe.score" in table.columns:
        score = table.get_column("probe.score").to_numpy()
    else:
        width = len(signature.target.classes or ())
        score = table.select(f"probe.score.{index}" for index in range(width)).to_numpy()
    return table.select(signature.features), Scores(score, label)
