"""Rows that come in groups: intervals that heed it cover, and say what they rest on."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm, t
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from mainspring.base.errors import InvalidData, UsageError
from mainspring.measures.clustered import clustered, clustered_mean, left_out
from mainspring.measures.clusters import cut
from mainspring.measures.fairness import gap
from mainspring.measures.metric import METRICS, get_metric
from mainspring.measures.paired import difference
from mainspring.measures.ranking import areas_left_out


def days(rng: np.random.Generator, count: int, rows: int, icc: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the day of each row, and standard normal values of which a share ``icc`` is the day's."""
    day = np.repeat(np.arange(count), rows)
    return day, math.sqrt(icc) * rng.normal(size=count)[day] + math.sqrt(1 - icc) * rng.normal(size=len(day))


def test_a_mean_is_the_regression_on_a_constant_with_clustered_errors() -> None:
    """For equal clusters the jackknife is the sandwich with G / (G - 1), as econometric packages compute it."""
    rng = np.random.default_rng(1)
    day, value = days(rng, 40, 25, 0.5)
    found = clustered("mae", np.zeros(1000), value, day)
    rows = np.abs(value)
    ones = np.ones((1000, 1))
    fitted = LinearRegression(fit_intercept=False).fit(ones, rows)
    scores = np.bincount(day, weights=rows - fitted.predict(ones))
    error = math.sqrt(40 / 39 * float(scores @ scores)) / 1000
    assert found.half_width == pytest.approx(t.ppf(0.975, 39) * error)
    alone = get_metric("mae").estimate(np.zeros(1000), value)
    design = (error / (alone.half_width / 1.96)) ** 2
    assert (found.clusters, found.effective_clusters) == (40, pytest.approx(40))
    assert found.effective_n == pytest.approx(1000 / design, rel=0.01)
    assert found.n == 1000


def test_a_mean_of_any_numbers_is_that_of_errors() -> None:
    day, value = days(np.random.default_rng(8), 30, 20, 0.3)
    found, same = clustered_mean(np.abs(value), day), clustered("mae", np.zeros(600), value, day)
    assert (found.value, found.low, found.high) == pytest.approx((same.value, same.low, same.high))
    assert (found.clusters, found.effective_n) == (30, pytest.approx(same.effective_n))
    assert clustered_mean([5.0, 6.0], ["a", "a"]).half_width == math.inf


def test_times_are_cut_in_utc_and_other_values_as_they_are() -> None:
    started = datetime(2026, 1, 31, 22, tzinfo=UTC)
    at = pl.Series("at", [started + timedelta(hours=hour) for hour in range(4)])
    rows = pl.DataFrame({"at": at.dt.convert_time_zone("America/New_York"), "site": ["b", None, "a", "b"]})
    told = {"table": "the table", "hint": "look"}
    for length, expected in ((None, [1, 1, 2, 2]), ("hour", [1, 2, 3, 4]), ("month", [1, 1, 2, 2]), ("week", [1] * 4)):
        assert cut(rows, "at", length, **told).tolist() == expected
    assert cut(rows, "site", None, **told).tolist() == [2, 0, 1, 2]
    with pytest.raises(UsageError, match="needs a time column, but 'site' is String"):
        cut(rows, "site", "day", **told)
    with pytest.raises(InvalidData, match="the table has no column 'zone'") as caught:
        cut(rows, "zone", None, **told)
    assert caught.value.hint == "look"


@pytest.mark.parametrize("unequal", [False, True])
def test_areas_without_each_cluster_are_exact(unequal: bool) -> None:
    rng = np.random.default_rng(2)
    group = rng.integers(0, 12, 400) if unequal else np.arange(400) % 12
    y, score = rng.random(400) < 0.3, rng.integers(0, 30, 400) / 30
    oracle = [roc_auc_score(y[group != g], score[group != g]) for g in range(12)]
    assert areas_left_out(y, score, group) == pytest.approx(oracle)


@pytest.mark.parametrize("name", ["accuracy", "f1", "brier", "rmse", "roc_auc", "average_precision"])
def test_values_without_each_cluster_are_those_of_the_other_rows(name: str) -> None:
    rng = np.random.default_rng(3)
    metric, group = get_metric(name), np.arange(240) % 8
    y = rng.random(240) if metric.needs == "value" else (rng.random(240) < 0.5).astype(int)
    answer = (rng.random(240) < 0.5).astype(int) if metric.needs == "label" else rng.random(240)
    oracle = [metric.estimate(y[group != g], answer[group != g]).value for g in range(8)]
    assert left_out(metric, y, answer, group) == pytest.approx(oracle)


@pytest.mark.parametrize(("name", "count"), [("accuracy", 12), ("brier", 12), ("brier", 40), ("recall", 20)])
def test_intervals_cover_where_days_differ_much(name: str, count: int) -> None:
    """30 rows a day of which 40 % is the day's: rows taken as independent cover in far fewer than 95 of 100 cases."""
    rng = np.random.default_rng(4)
    metric = get_metric(name)
    covered = fooled = 0
    for run in range(-1, 300):
        day, latent = days(rng, 20_000 if run < 0 else count, 30, 0.4)
        y = (latent > 0).astype(int)
        answer = (latent > 0.5).astype(int) if metric.needs == "label" else np.full(len(day), 0.3)
        if run < 0:
            truth = metric.estimate(y, answer).value
            continue
        covered += clustered(name, y, answer, day).contains(truth)
        fooled += metric.estimate(y, answer).contains(truth)
    assert covered / 300 >= 0.92
    assert fooled / 300 < covered / 300 - 0.05


def test_paired_intervals_cover_where_the_gain_is_the_days() -> None:
    rng = np.random.default_rng(5)
    covered = fooled = 0
    for _ in range(300):
        day, gain = days(rng, 14, 40, 0.4)
        y, old = np.zeros(len(day)), 10 + np.abs(rng.normal(3, 1, len(day)))
        covered += difference("mae", y, old + gain, old, clusters=day).contains(0.0)
        fooled += difference("mae", y, old + gain, old).contains(0.0)
    assert covered / 300 >= 0.92
    assert fooled / 300 < 0.6


def test_gaps_cover_where_rows_come_by_site() -> None:
    rng = np.random.default_rng(6)
    covered = fooled = 0
    for _ in range(300):
        site, latent = days(rng, 40, 30, 0.4)
        groups = np.where(site % 2, "a", "b")
        label = (latent > norm.ppf(0.7)).astype(int)
        honest = gap(label, label, groups, min_n=50, clusters=site)
        plain = gap(label, label, groups, min_n=50)
        assert honest.gap is not None
        assert plain.gap is not None
        covered += honest.gap.low == 0
        fooled += plain.gap.low == 0
    assert covered / 300 >= 0.93
    assert fooled / 300 < 0.75
    assert (honest.gap.clusters, honest.groups[0].rate.clusters) == (40, 20)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_rows_of_their_own_clusters_are_independent_rows(name: str) -> None:
    rng = np.random.default_rng(7)
    metric, n = get_metric(name), 1200
    y = 1 + rng.random(n) if metric.needs == "value" else (rng.random(n) < 0.5).astype(int)
    answer = y + rng.normal(size=n) if metric.needs == "value" else np.clip(0.3 * y + 0.6 * rng.random(n), 0, 1)
    answer = (answer > 0.5).astype(int) if metric.needs == "label" else answer
    alone, each = metric.estimate(y, answer), clustered(name, y, answer, np.arange(n))
    assert 0.99 < each.half_width / alone.half_width < 1.35
    assert each.effective_n is not None
    assert each.effective_n <= each.n


def test_what_clusters_cannot_tell_stays_open() -> None:
    single = clustered("accuracy", [1, 0] * 50, [1, 0] * 50, ["a"] * 100)
    assert (single.low, single.high, single.clusters) == (-math.inf, math.inf, 1)
    only_there = clustered("roc_auc", [1] * 10 + [0] * 90, np.linspace(0, 1, 100), np.arange(100) // 10)
    assert only_there.half_width == math.inf
    lopsided = clustered("accuracy", [1, 0] * 500, [1, 1] * 500, np.minimum(np.arange(1000) // 10, 20))
    assert lopsided.clusters == 21
    assert lopsided.effective_clusters is not None
    assert lopsided.effective_clusters < 2
    with pytest.raises(ValueError, match="clusters"):
        clustered("accuracy", [1, 0], [1, 0], ["a"])
