"""Metrics of classifiers against scikit-learn, and the coverage of their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from mainspring.measures import classification as own
from mainspring.measures import paired
from mainspring.measures.paired import difference
from mainspring.measures.ranking import delong


def scored(n: int, seed: int = 0, base: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(np.log(base / (1 - base)), 1.2, n)
    score = 1 / (1 + np.exp(-logit))
    return (rng.random(n) < score).astype(int), score


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=4, max_size=60))
def test_areas_agree_with_sklearn_ties_and_all(rows: list[tuple[int, int]]) -> None:
    y, score = np.array([r[0] for r in rows]), np.array([r[1] for r in rows]) / 8
    if 0 < y.sum() < len(y):
        found = own.roc_auc(y, score)
        assert found.value == pytest.approx(metrics.roc_auc_score(y, score))
        assert found.low <= found.value + 1e-12
        assert found.value <= found.high + 1e-12
    if y.sum() and len(set(rows)) > 2 and y.sum() > 3:
        from mainspring.measures.ranking import weighted_average_precision

        value = weighted_average_precision(y == 1, score)(np.ones((1, len(y))))[0]
        assert value == pytest.approx(metrics.average_precision_score(y, score))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=30, max_size=80))
def test_label_metrics_agree_with_sklearn(rows: list[tuple[int, int]]) -> None:
    y, label = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert own.accuracy(y, label).value == pytest.approx(metrics.accuracy_score(y, label))
    for average, a, b in (("macro", y, label), ("binary", (y > 0).astype(int), (label > 0).astype(int))):
        for name in ("f1", "precision", "recall"):
            oracle = getattr(metrics, f"{name}_score")(a, b, average=average, zero_division=0)
            assert getattr(own, name)(a, b, average=average).value == pytest.approx(oracle)


def test_scored_metrics_agree_with_sklearn() -> None:
    y, score = scored(2000)
    assert own.log_loss(y, score).value == pytest.approx(metrics.log_loss(y, score))
    assert own.brier(y, score).value == pytest.approx(metrics.brier_score_loss(y, score))
    assert own.average_precision(y, score).value == pytest.approx(metrics.average_precision_score(y, score))
    rng = np.random.default_rng(0)
    three = rng.dirichlet([1, 1, 1], 500)
    truth = rng.integers(0, 3, 500)
    names = np.array(["a", "b", "c"])[truth]
    assert own.log_loss(truth, three).value == pytest.approx(metrics.log_loss(truth, three))
    assert own.log_loss(names, three).value == pytest.approx(metrics.log_loss(names, three))
    assert own.log_loss([0, 1], [0.0, 1.0]).value == 0
    assert np.isfinite(own.log_loss([1, 0], [0.0, 1.0]).value)


def test_text_labels_are_classes() -> None:
    y, label = ["cat", "dog", "cow", "dog"] * 10, ["cat", "dog", "dog", "dog"] * 10
    assert own.accuracy(y, label).value == 0.75
    assert own.f1(y, label).value == pytest.approx(metrics.f1_score(y, label, average="macro"))
    assert own.f1(np.array(y, dtype=object), np.array(label, dtype=object)) == own.f1(y, label)
    assert own.precision([True, False], [True, True]).value == 0.5
    assert own.recall([-1, 1, 1], [-1, 1, -1]).value == 0.5


def test_nothing_to_divide_by_says_nothing() -> None:
    found = own.precision([0, 1], [0, 0])
    assert (found.value, found.low, found.high, found.n) == (0.0, 0.0, 1.0, 0)
    assert own.recall([0, 0], [0, 1]).n == 0


def test_delong_covers_and_is_the_jackknife() -> None:
    y, score = scored(400)
    areas = delong(y == 1, np.stack([score, score**2 + 0.01 * np.sin(40 * score)]))
    sums = areas.influence @ areas.influence.T
    assert np.allclose(sums, areas.covariance, rtol=0.02)
    assert np.allclose(areas.influence.sum(axis=1), 0)


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    big_y, big_score = scored(400_000, seed=99)
    truth = {
        "roc_auc": metrics.roc_auc_score(big_y, big_score),
        "brier": float(np.mean((big_y - big_score) ** 2)),
        "f1": metrics.f1_score(big_y, big_score > 0.4),
        "calibration_error": 0.0,
    }
    missed = dict.fromkeys(truth, 0)
    for seed in range(100):
        y, score = scored(300, seed=seed)
        for name, value in truth.items():
            prediction = (score > 0.4).astype(int) if name == "f1" else score
            missed[name] += not getattr(own, name)(y, prediction).contains(value)
    assert missed["calibration_error"] <= 12
    assert all(count <= 12 for count in missed.values()), missed


@pytest.mark.slow
def test_the_computed_error_of_average_precision_is_the_resampled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    y, score = scored(3000)
    score = np.round(score, 2)
    other = np.clip(score + np.random.default_rng(1).normal(0, 0.1, 3000), 0, 1)
    resampled = own.average_precision(y, score), difference("average_precision", y, score, other)
    monkeypatch.setattr(own, "MANY_ROWS", 100)
    monkeypatch.setattr(paired, "MANY_ROWS", 100)
    computed = own.average_precision(y, score), difference("average_precision", y, score, other)
    grouped = difference("average_precision", y, score, other, clusters=np.arange(3000))
    for a, b in zip(resampled, computed, strict=True):
        assert b.method.endswith("infinitesimal jackknife")
        assert b.value == pytest.approx(a.value)
        assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=0.15 * a.half_width)
    assert grouped.half_width == pytest.approx(computed[1].half_width)


def test_perfect_order_is_not_certainty() -> None:
    found = own.roc_auc([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    assert found.value == 1.0
    assert found.low < 0.5
    single = own.roc_auc([0, 0, 1], [0.1, 0.2, 0.15])
    assert single.high - single.low > 0.7


def test_spiegelhalter_tells_the_calibrated_from_the_rest() -> None:
    y, score = scored(5000)
    assert own.spiegelhalter(y, score).contains(0.0)
    assert not own.spiegelhalter(y, np.clip(score * 1.4, 0, 0.99)).contains(0.0)
    assert own.calibration_error(y, np.clip(score * 1.6, 0, 0.99)).low > 0.05
    assert own.calibration_error(y, score, binning="quantile").low < 0.01


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        own.roc_auc([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="1 NaN"):
        own.roc_auc([1, 0], [0.1, float("nan")])
    with pytest.raises(ValueError, match="y 2, score 3"):
        own.roc_auc([1, 0], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="empty"):
        own.accuracy([], [])
    with pytest.raises(ValueError, match=r"within|\[0, 1\]"):
        own.brier([1, 0], [0.1, 1.2])
    with pytest.raises(ValueError, match="'no', 'yes'"):
        own.brier(["yes", "no"], [0.1, 0.2])
    with pytest.raises(ValueError, match="missing"):
        own.accuracy(["a", None], ["a", "b"])
    with pytest.raises(ValueError, match="different kinds"):
        own.accuracy(["1", "0"], [1, 0])
    with pytest.raises(ValueError, match="sum to 1"):
        own.log_loss([0, 1], [[0.5, 0.6], [0.5, 0.5]])
    with pytest.raises(ValueError, match="numbers"):
        own.brier([1, 0], ["a", "b"])
    with pytest.raises(ValueError, match="undefined"):
        own.spiegelhalter([1, 0], [0.5, 1.0])
    with pytest.raises(ValueError, match="positive"):
        own.average_precision([0, 0], [0.1, 0.2])
