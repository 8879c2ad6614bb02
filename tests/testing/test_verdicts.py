"""Three-state verdicts: what they decide, and that they do not flap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import InvalidData, NotFound
from mainspring.measures.estimate import Estimate
from mainspring.measures.intervals import wilson
from mainspring.measures.metric import get_metric
from mainspring.measures.paired import difference, n_needed
from mainspring.testing.checks.no_regression import _needed, gain
from mainspring.testing.report import row
from mainspring.testing.verdict import (
    Verdict,
    against_bound,
    measuring,
    of_error,
    worst,
)

numbers = st.floats(-10, 10, allow_nan=False)


@given(st.lists(numbers, min_size=3, max_size=3), numbers)
def test_a_bound_splits_intervals_into_three(parts: list[float], bound: float) -> None:
    low, value, high = sorted(parts)
    found = Estimate(value, low, high, 100, "t")
    at_least = against_bound("x", found, low=bound).status
    assert at_least == ("pass" if low >= bound else "fail" if high < bound else "inconclusive")
    mirrored = Estimate(-value, -high, -low, 100, "t")
    assert against_bound("x", mirrored, high=-bound).status == at_least


def test_both_bounds_have_to_be_cleared() -> None:
    found = Estimate(0.5, 0.4, 0.6, 100, "t")
    assert against_bound("x", found, low=0.3, high=0.7).status == "pass"
    assert against_bound("x", found, low=0.3, high=0.55).status == "inconclusive"
    assert against_bound("x", found, low=0.55, high=0.3).status == "fail"


def test_strict_bounds_want_more() -> None:
    found = Estimate(0.0, 0.0, 0.0, 10, "t")
    assert against_bound("x", found, low=0.0).status == "pass"
    assert against_bound("x", found, low=0.0, strict=True).status == "fail"


def test_open_intervals_are_told_without_infinity() -> None:
    verdict = against_bound("x", Estimate(5.0, 4.0, float("inf"), 20, "order statistics"), high=10.0)
    assert (verdict.status, verdict.interval, verdict.n_needed) == ("inconclusive", (4.0, None), None)


def test_the_n_that_is_said_to_decide_does() -> None:
    rng = np.random.default_rng(0)
    needed = against_bound("accuracy", wilson(455, 500), low=0.90).n_needed
    assert needed is not None
    drawn = rng.binomial(needed, 0.91, 400)
    decided = [against_bound("accuracy", wilson(float(k), needed), low=0.90).status == "pass" for k in drawn]
    assert np.mean(decided) > 0.85


def test_no_n_can_be_told_on_the_bound_itself() -> None:
    assert n_needed(Estimate(0.9, 0.8, 1.0, 50, "t"), 0.0) is None
    assert n_needed(Estimate(0.9, 0.8, 1.0, 50, "t"), 1e-9) is None
    assert n_needed(Estimate(0.9, -1e200, 1e200, 50, "t"), 5e-324) is None


def test_the_n_of_a_comparison_is_never_what_there_was_already() -> None:
    near_the_margin = Estimate(-0.019, -0.025, -0.013, 5000, "tango")
    assert _needed(near_the_margin, 0.02) > 5000
    assert _needed(Estimate(0.0, -0.03, 0.03, 1000, "tango"), 0.02) == 6155


def test_few_clusters_decide_nothing() -> None:
    found = Estimate(0.95, 0.93, 0.97, 4000, "t", clusters=8, effective_clusters=7.6, effective_n=300.0)
    verdict = against_bound("accuracy", found, low=0.9)
    assert (verdict.status, verdict.n_needed) == ("inconclusive", None)
    assert "8 clusters, worth 7.6" in verdict.reason
    enough = against_bound("accuracy", replace(found, clusters=14, effective_clusters=13.5), low=0.9)
    assert enough.status == "pass"
    assert enough.evidence["effective_n"] == 300.0
    assert row(enough)[3] == "4000 in 14 clusters"


def test_errors_become_open_questions() -> None:
    verdict = of_error("x", NotFound("gone", hint="look", reason="shadowed", path="p"))
    assert verdict.evidence == {"error": "not_found", "hint": "look", "path": "p", "reason": "gone"}
    with pytest.raises(InvalidData, match="recall cannot be measured: odd"), measuring("recall"):
        raise ValueError("odd")
    assert Verdict(check="x", status="pass").reason == ""
    assert worst([]) == "pass"


def outcomes(delta: float, *, n: int = 1000, discordant: float = 0.06, times: int = 300) -> dict[str, float]:
    """Compare two models whose accuracies differ by ``delta`` again and again, on new rows each time."""
    rng = np.random.default_rng(abs(round(delta * 1000)) * 2 + (delta < 0))
    metric = get_metric("accuracy")
    seen: list[str] = []
    naive = 0
    y = np.ones(n, dtype=np.int64)
    for _ in range(times):
        draw = rng.random(n)
        only_candidate = draw < (discordant + delta) / 2
        only_champion = (draw >= (discordant + delta) / 2) & (draw < discordant)
        both = rng.random(n) < 0.85
        candidate = np.where(only_candidate, 1, np.where(only_champion, 0, both)).astype(np.int64)
        champion = np.where(only_candidate, 0, np.where(only_champion, 1, both)).astype(np.int64)
        found = gain(difference("accuracy", y, candidate, champion), metric)
        seen.append(against_bound("x", found, low=-0.02, strict=True).status)
        naive += candidate.mean() < champion.mean()
    return {
        **{status: seen.count(status) / times for status in ("pass", "fail", "inconclusive")},
        "naive": naive / times,
    }


def test_equal_models_are_not_rejected_and_bad_ones_do_not_pass() -> None:
    better, equal, worse, bad = (outcomes(delta) for delta in (0.01, 0.0, -0.01, -0.04))
    assert equal["naive"] > 0.35  # what a plain comparison of two numbers does to equal models
    assert (better["fail"], equal["fail"]) == (0.0, 0.0)
    assert worse["fail"] < 0.02
    assert better["pass"] > 0.9
    assert equal["pass"] > 0.6
    assert bad["pass"] == 0.0
    assert bad["fail"] > 0.6
    assert better["pass"] > equal["pass"] > worse["pass"] > bad["pass"]
