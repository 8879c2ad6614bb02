"""Gaps between groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from mainspring.measures.fairness import gap

RNG = np.random.default_rng(5)
N = 6000
GROUP = RNG.choice(["a", "b", "c"], N)
Y = (RNG.random(N) < 0.4).astype(int)
LABEL = np.where(RNG.random(N) < np.where(GROUP == "c", 0.35, 0.15), 1 - Y, Y)


@pytest.mark.parametrize(
    "metric",
    ["selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "precision", "accuracy"],
)
def test_rates_are_those_of_the_confusion_matrix(metric: str) -> None:
    found = gap(Y, LABEL, GROUP, metric)
    rates = {}
    for name in "abc":
        mine = name == GROUP
        tn, fp, fn, tp = oracle.confusion_matrix(Y[mine], LABEL[mine]).ravel()
        rates[name] = {
            "selection_rate": (tp + fp) / mine.sum(),
            "true_positive_rate": tp / (tp + fn),
            "false_positive_rate": fp / (fp + tn),
            "false_negative_rate": fn / (tp + fn),
            "precision": tp / (tp + fp),
            "accuracy": (tp + tn) / mine.sum(),
        }[metric]
    assert {each.group: each.rate.value for each in found.groups} == pytest.approx(rates)
    assert found.gap is not None
    assert found.gap.value == pytest.approx(max(rates.values()) - min(rates.values()))
    assert 0 <= found.gap.low < found.gap.value < found.gap.high


def test_agrees_with_fairlearn() -> None:
    fairlearn = pytest.importorskip("fairlearn.metrics")
    found = gap(Y, LABEL, GROUP)
    assert found.gap is not None
    assert found.gap.value == pytest.approx(fairlearn.demographic_parity_difference(Y, LABEL, sensitive_features=GROUP))


def test_areas_by_group() -> None:
    rng = np.random.default_rng(17)
    score = np.clip(LABEL * 0.5 + rng.random(N) * 0.5, 0, 1)
    found = gap(Y, score, GROUP, "roc_auc")
    areas = [oracle.roc_auc_score(Y[name == GROUP], score[name == GROUP]) for name in "abc"]
    assert found.gap is not None
    assert found.gap.value == pytest.approx(max(areas) - min(areas))
    assert found.gap.low > 0.05
    one_class = gap(np.where(GROUP == "a", 1, Y), score, GROUP, "roc_auc")
    assert one_class.too_small == ("a",)


def test_small_groups_are_named_not_judged() -> None:
    found = gap(Y[:60], LABEL[:60], GROUP[:60])
    assert found.gap is None
    assert found.too_small == ("a", "b", "c")
    mixed = gap(Y, LABEL, np.where(np.arange(N) < 40, "rare", "common"))
    assert mixed.gap is None
    assert mixed.too_small == ("rare",)
    missing = gap(Y, LABEL, np.where(GROUP == "a", None, GROUP))
    assert [each.group for each in missing.groups] == ["(missing)", "b", "c"]


def test_the_interval_covers_the_gap() -> None:
    missed_none = missed_some = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        group, y = rng.integers(0, 4, 1200), np.ones(1200, dtype=int)
        fair = gap(y, (rng.random(1200) < 0.7).astype(int), group).gap
        unfair = gap(y, (rng.random(1200) < np.array([0.6, 0.7, 0.75, 0.8])[group]).astype(int), group).gap
        assert fair is not None
        assert unfair is not None
        missed_none += not fair.contains(0.0)
        missed_some += not unfair.contains(0.2)
    assert missed_none <= 16
    assert missed_some <= 16


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="no rate"):
        gap(Y, LABEL, GROUP, "happiness")
    with pytest.raises(ValueError, match="one length"):
        gap(Y, LABEL, GROUP[:5])
