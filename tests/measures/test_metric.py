"""The registry, regression metrics, and comparisons of two models."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from mainspring.base.errors import NotFound
from mainspring.measures import regression
from mainspring.measures.estimate import Estimate
from mainspring.measures.metric import METRICS, evaluate, get_metric
from mainspring.measures.paired import difference, mcnemar, n_needed

RNG = np.random.default_rng(11)
N = 600
Y = (RNG.random(N) < 0.4).astype(int)
GOOD = np.clip(0.4 + 0.25 * (Y - 0.4) + RNG.normal(0, 0.12, N), 0.01, 0.99)
POOR = np.clip(GOOD + RNG.normal(0, 0.15, N), 0.01, 0.99)
TRUTH = RNG.normal(10, 3, N)
CLOSE, FAR = TRUTH + RNG.normal(0, 1, N), TRUTH + RNG.normal(0.3, 1.3, N)


def test_regression_metrics_agree_with_sklearn() -> None:
    oracles = {
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
        "mape": metrics.mean_absolute_percentage_error,
        "median_absolute_error": metrics.median_absolute_error,
    }
    found = evaluate(oracles, TRUTH, value=CLOSE)
    for name, oracle in oracles.items():
        assert found[name].value == pytest.approx(oracle(TRUTH, CLOSE)), name
        assert found[name].low < found[name].value < found[name].high
    with pytest.raises(ValueError, match="constant"):
        regression.r2([1.0, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="zeros"):
        regression.mape([0.0, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        regression.mae([0.0, 1.0], [1.0, float("inf")])


def prediction(name: str, good: bool) -> np.ndarray:
    metric = METRICS[name]
    if metric.needs == "value":
        return CLOSE if good else FAR
    score = GOOD if good else POOR
    return (score > 0.4).astype(int) if metric.needs == "label" else score


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_an_estimate_and_a_difference(name: str) -> None:
    metric = get_metric(name)
    y = TRUTH if metric.needs == "value" else Y
    new, old = metric.estimate(y, prediction(name, True)), metric.estimate(y, prediction(name, False))
    found = difference(name, y, prediction(name, True), prediction(name, False))
    assert found.value == pytest.approx(new.value - old.value)
    assert found.low < found.value < found.high
    assert found.n == N
    # Pairing shares the rows' luck: never wider than two intervals of their own.
    assert found.half_width < 1.1 * math.hypot(new.half_width, old.half_width)
    mirrored = difference(name, y, prediction(name, False), prediction(name, True))
    assert mirrored.value == pytest.approx(-found.value)
    grouped = difference(name, y, prediction(name, True), prediction(name, False), clusters=np.arange(N) // 2)
    assert grouped.value == pytest.approx(found.value)
    assert 0.6 < grouped.half_width / found.half_width < 1.6


def test_every_row_twice_is_no_more_evidence_when_grouped() -> None:
    twice = np.repeat(np.arange(N), 2)
    for name in ("accuracy", "roc_auc", "brier", "f1"):
        new, old = prediction(name, True), prediction(name, False)
        once = difference(name, Y, new, old)
        fooled = difference(name, Y[twice], new[twice], old[twice])
        honest = difference(name, Y[twice], new[twice], old[twice], clusters=twice)
        assert fooled.half_width < 0.8 * once.half_width
        assert honest.half_width == pytest.approx(once.half_width, rel=0.12), name


def test_multiclass_and_text_labels_compare() -> None:
    rng = np.random.default_rng(17)
    y = rng.choice(["a", "b", "c"], 300)
    new = np.where(rng.random(300) < 0.8, y, "a")
    old = np.where(rng.random(300) < 0.5, y, "b")
    for name in ("accuracy", "f1", "precision", "recall"):
        found = difference(name, y, new, old)
        if name in ("accuracy", "f1"):
            assert found.low > 0, name
        else:
            oracle = getattr(metrics, f"{name}_score")
            assert found.value == pytest.approx(oracle(y, new, average="macro") - oracle(y, old, average="macro"))
    assert evaluate(["f1"], ["yes", "no"] * 20, label=["yes", "yes"] * 20, positive="yes")["f1"].value == pytest.approx(
        2 / 3
    )


def test_the_positive_class_may_have_a_name() -> None:
    names = np.array(["no", "yes"])
    for metric in ("f1", "brier", "precision"):
        new, old = prediction(metric, True), prediction(metric, False)
        plain = difference(metric, Y, new, old)
        if METRICS[metric].needs == "label":
            new, old = names[new], names[old]
        assert difference(metric, names[Y], new, old, positive="yes") == plain


def test_equal_models_are_never_told_apart_for_sure() -> None:
    for name in ("accuracy", "roc_auc"):
        found = difference(name, Y, prediction(name, True), prediction(name, True))
        assert found.value == 0
        assert found.low < 0 < found.high


def test_a_two_point_margin_on_a_thousand_rows_flaps_as_measured() -> None:
    """6% discordance, equal models: a 2-point margin passes in most, and wrongly fails in almost no case."""
    rng = np.random.default_rng(3)
    wrong = passed = 0
    for _ in range(300):
        discordant = rng.binomial(1000, 0.06)
        wins = rng.binomial(discordant, 0.5)
        y = np.ones(1000, dtype=int)
        new, old = y.copy(), y.copy()
        new[: discordant - wins], old[discordant - wins : discordant] = 0, 0
        found = difference("accuracy", y, new, old, confidence=0.9)
        wrong += found.high < -0.02
        passed += found.low > -0.02
    assert wrong == 0
    assert 0.7 < passed / 300 < 0.95


def test_n_needed_agrees_with_the_reference() -> None:
    """6% discordance at 90% power: about 1300 rows for two points, 5100 for one."""
    z = 1.6449
    half = z * math.sqrt(0.06 / 1000)
    estimate = Estimate(0.0, -half, half, 1000, "tango", confidence=0.9)
    assert n_needed(estimate, 0.02) == pytest.approx(1285, abs=3)
    assert n_needed(estimate, 0.01) == pytest.approx(5139, abs=8)
    assert n_needed(estimate, 0.0) is None
    assert n_needed(Estimate(0, -math.inf, math.inf, 1, "t"), 0.1) is None
    with pytest.raises(ValueError, match="margin"):
        n_needed(estimate, -0.1)


def test_mcnemar_is_exact() -> None:
    assert mcnemar([1] * 5 + [0] * 5, [1] * 5 + [0] * 5) == 1.0
    assert mcnemar([1] * 8 + [1], [0] * 8 + [1]) == pytest.approx(2 / 2**8)


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFound) as caught:
        get_metric("roc_acu")
    assert caught.value.hint == "did you mean 'roc_auc'?"
    with pytest.raises(ValueError, match="needs score="):
        evaluate(["roc_auc"], [0, 1], label=[0, 1])
    with pytest.raises(ValueError, match="one length"):
        difference("accuracy", [0, 1], [0, 1], [0])
