"""The checks, each on models and rows of which the answer is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mainspring.base.settings.checks import (
    Baseline,
    Calibration,
    Fairness,
    Leakage,
    MetricThreshold,
    NoRegression,
)
from mainspring.testing.checks.dispatch import CHECKS, answer, label
from mainspring.testing.checks.no_regression import in_order
from mainspring.versioning.scoring import Scores


def by_name(verdicts):
    return {verdict.check: verdict for verdict in verdicts}


def test_every_kind_of_check_has_an_answer() -> None:
    from typing import get_args

    from mainspring.base.settings.checks import Check

    assert set(CHECKS) == set(get_args(Check))


# metric


def test_a_metric_is_judged_by_its_interval(lab) -> None:
    context = lab.context(lab.candidate())
    truth = context.truth
    expected = roc_auc_score(truth, context.scores.score)
    settings = [MetricThreshold(metric="roc_auc", min=bound) for bound in (0.6, expected + 0.002, 0.99)]
    verdicts = [answer(each, context)[0] for each in settings]
    assert [verdict.status for verdict in verdicts] == ["pass", "inconclusive", "fail"]
    assert verdicts[0].estimate == pytest.approx(expected)
    assert verdicts[0].evidence["holdout_md5"] == context.frozen.holdout_md5
    assert verdicts[1].n_needed > verdicts[1].n == 2000
    assert verdicts[0].n_needed is None


def test_a_metric_that_should_be_small_has_an_upper_bound(lab) -> None:
    context = lab.context(lab.candidate(task="regression", model=HistGradientBoostingRegressor(max_iter=20)))
    assert answer(MetricThreshold(metric="mae", max=5.0), context)[0].status == "pass"
    assert answer(MetricThreshold(metric="mae", max=0.1), context)[0].status == "fail"


def test_rows_of_a_cluster_are_not_taken_as_independent(lab) -> None:
    context = lab.context(lab.candidate(n_holdout=600), champion=lab.candidate(n_holdout=600))
    for make in (
        partial(MetricThreshold, metric="roc_auc", min=0.6),
        partial(NoRegression, metric="brier", margin=0.01),
        partial(Baseline, metric="roc_auc"),
        partial(Calibration, max_error=0.2),
        partial(Fairness, group="group", metric="accuracy", max_gap=0.5, min_group=50),
    ):
        alone, by_day = answer(make(), context), answer(make(cluster="day"), context)
        assert [one.estimate for one in alone] == pytest.approx([one.estimate for one in by_day])
        for one, other in zip(alone, by_day, strict=True):
            assert "clusters" not in one.evidence
            assert other.evidence["clusters"] == 60
            assert other.evidence["effective_n"] <= other.n
            assert other.interval[0] <= one.interval[0] + 1e-9
    [wrong] = answer(MetricThreshold(metric="roc_auc", min=0.6, cluster="dya"), context)
    assert (wrong.status, "'dya'" in wrong.reason, wrong.evidence["hint"]) == (
        "inconclusive",
        True,
        "did you mean 'day'?",
    )
    [wrong] = answer(MetricThreshold(metric="roc_auc", min=0.6, cluster="day", cluster_by="week"), context)
    assert "needs a time column" in wrong.reason
    [wrong] = answer(MetricThreshold(metric="roc_auc", min=0.6, cluster_by="week"), context)
    assert "cluster_by needs cluster" in wrong.reason


def test_times_are_clustered_by_day_or_as_told(lab) -> None:
    train, holdout = lab.rows(1000), lab.rows(960, start=1000)
    started = datetime(2026, 1, 1, tzinfo=UTC)
    at = [started + timedelta(hours=hour) if hour else None for hour in range(960)]
    candidate = lab.fit(train, holdout.with_columns(pl.Series("at", at)))
    context = lab.context(candidate)
    counted = {}
    for length in (None, "hour", "day", "week", "month"):
        settings = MetricThreshold(metric="accuracy", min=0.5, cluster="at", cluster_by=length)
        [verdict] = answer(settings, context)
        counted[length] = verdict.evidence["clusters"]
        assert verdict.status == ("inconclusive" if length in ("week", "month") else "pass")
    assert counted == {None: 41, "hour": 960, "day": 41, "week": 8, "month": 3}


def test_a_metric_of_another_task_is_inconclusive_and_says_so(lab) -> None:
    context = lab.context(lab.candidate(200, 200))
    verdict = answer(MetricThreshold(metric="rmse", max=1.0), context)[0]
    assert (verdict.status, verdict.check) == ("inconclusive", "metric: rmse")
    assert "not for a binary model" in verdict.reason
    assert answer(MetricThreshold(metric="accuracy"), context)[0].status == "inconclusive"


def test_multiclass_metrics(lab) -> None:
    context = lab.context(lab.candidate(task="multiclass"))
    for metric in ("accuracy", "f1", "log_loss"):
        bound = {"max": 2.0} if metric == "log_loss" else {"min": 0.4}
        assert answer(MetricThreshold(metric=metric, **bound), context)[0].status == "pass"


def test_a_holdout_of_one_class_is_inconclusive(lab) -> None:
    train = lab.rows(500)
    holdout = lab.rows(500, start=500).filter(pl.col("y") == 1)
    verdict = answer(MetricThreshold(metric="roc_auc", min=0.5), lab.context(lab.fit(train, holdout)))[0]
    assert verdict.status == "inconclusive"
    assert "one only" in verdict.reason


# no regression


def test_without_a_champion_the_question_does_not_arise(lab) -> None:
    verdict = answer(NoRegression(metric="accuracy"), lab.context(lab.candidate(200, 200)))[0]
    assert verdict.status == "not_applicable"


def test_better_passes_worse_fails_and_equal_is_inconclusive_at_no_margin(lab) -> None:
    train, holdout = lab.rows(3000), lab.rows(2000, start=3000)
    good, bad = lab.fit(train, holdout), lab.fit(train, holdout, LogisticRegression())
    settings = NoRegression(metric="accuracy", margin=0.02)
    better = answer(settings, lab.context(good, champion=bad))[0]
    assert better.status == "pass"
    assert better.estimate == pytest.approx(better.evidence["candidate_value"] - better.evidence["champion_value"])


def test_a_worse_candidate_fails_whatever_the_direction_of_the_metric(lab) -> None:
    train, holdout = lab.rows(3000), lab.rows(2000, start=3000)
    context = lab.context(lab.fit(train, holdout, LogisticRegression()), champion=lab.fit(train, holdout))
    for metric in ("accuracy", "log_loss", "roc_auc"):
        verdict = answer(NoRegression(metric=metric, margin=0.005), context)[0]
        assert verdict.status == "fail", metric
        assert verdict.estimate < 0


def test_the_same_model_passes_with_a_margin_and_is_open_without(lab) -> None:
    train, holdout = lab.rows(1000), lab.rows(2000, start=1000)
    context = lab.context(lab.fit(train, holdout), champion=lab.fit(train, holdout))
    with_margin, without = (answer(NoRegression(metric="roc_auc", margin=each), context)[0] for each in (0.02, 0.0))
    assert (with_margin.status, without.status) == ("pass", "inconclusive")
    assert with_margin.evidence["champion"] == "m@1.0.0"


@pytest.mark.slow
def test_rows_that_the_champion_was_trained_on_are_left_out(lab) -> None:
    rows = lab.rows(3000)
    holdout = pl.concat([rows.head(700), lab.rows(1300, start=5000)])
    context = lab.context(lab.fit(rows.tail(1500), holdout), champion=lab.fit(rows.head(1000), rows.tail(100)))
    verdict = answer(NoRegression(metric="accuracy", margin=0.05), context)[0]
    assert verdict.evidence["seen_by_champion"] == verdict.evidence["excluded"] == 700
    assert verdict.n == 1300


def test_a_holdout_that_the_champion_knows_whole_decides_nothing(lab) -> None:
    rows = lab.rows(1500)
    context = lab.context(lab.fit(rows.head(500), rows.tail(300)), champion=lab.fit(rows, rows.head(100)))
    assert answer(NoRegression(metric="accuracy", margin=0.05), context)[0].status == "inconclusive"


def test_a_champion_of_other_inputs_leaves_a_required_question_open(lab) -> None:
    train, holdout = lab.rows(300), lab.rows(300, start=300)
    champion = lab.fit(train, holdout, features=["a", "b", "c"])
    slim = lab.fit(train.drop("c"), holdout.drop("c"), features=["a", "b"])
    context = lab.context(slim, champion=champion)
    required = answer(NoRegression(metric="accuracy", margin=0.1), context)[0]
    optional = answer(NoRegression(metric="accuracy", margin=0.1, required=False), context)[0]
    assert (required.status, optional.status) == ("inconclusive", "not_applicable")
    assert "'c'" in required.reason


def test_a_champion_that_needs_fewer_inputs_can_score(lab) -> None:
    train, holdout = lab.rows(1000), lab.rows(1000, start=1000)
    context = lab.context(lab.fit(train, holdout), champion=lab.fit(train, holdout, features=["a", "b"]))
    assert answer(NoRegression(metric="accuracy", margin=0.3), context)[0].status == "pass"


def test_classes_in_another_order_are_renumbered() -> None:
    scores = Scores(np.array([[0.7, 0.2, 0.1], [0.0, 0.1, 0.9]]), np.array([0.0, 2.0]))
    turned = in_order(scores, ["x", "y", "z"], ["z", "x", "y"])
    assert turned.score.tolist() == [[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]]
    assert turned.label.tolist() == [1.0, 0.0]


# leakage


def test_a_clean_split_passes_every_sub_question(lab) -> None:
    verdicts = by_name(answer(Leakage(time="day", group="id"), lab.context(lab.candidate())))
    assert list(verdicts) == ["leakage: rows", "leakage: time", "leakage: groups", "leakage: single feature"]
    assert {verdict.status for verdict in verdicts.values()} == {"pass"}


def test_copied_rows_fail_even_when_their_ids_differ(lab) -> None:
    train = lab.rows(1000)
    copied = train.head(100).with_columns(pl.col("id") + 10_000, pl.col("day") + 10_000)
    context = lab.context(lab.fit(train, pl.concat([lab.rows(900, start=1000), copied])))
    verdict = by_name(answer(Leakage(), context))["leakage: rows"]
    assert verdict.status == "fail"
    assert verdict.evidence["compared"]["features and target"]["rows"] == 100
    assert verdict.evidence["compared"]["all columns"]["rows"] == 0
    assert verdict.estimate == pytest.approx(0.1)


def test_time_and_groups_that_overlap_fail(lab) -> None:
    rows = lab.rows(2000)
    mixed = rows.sample(fraction=1.0, shuffle=True, seed=0)
    context = lab.context(lab.fit(mixed.head(1500), mixed.tail(500)))
    verdicts = by_name(answer(Leakage(time="day", group="group"), context))
    assert verdicts["leakage: time"].status == verdicts["leakage: groups"].status == "fail"
    assert verdicts["leakage: time"].evidence["early_rows"] > 400
    assert set(verdicts["leakage: groups"].evidence["groups"]) == {"north", "south", "island"}


def test_a_missing_time_column_is_inconclusive_and_the_rest_is_answered(lab) -> None:
    verdicts = by_name(answer(Leakage(time="dya"), lab.context(lab.candidate(300, 300))))
    assert verdicts["leakage: time"].status == "inconclusive"
    assert "did you mean 'day'?" in verdicts["leakage: time"].evidence["hint"]
    assert verdicts["leakage: rows"].status == "pass"


def test_a_feature_that_gives_the_answer_away_is_named(lab) -> None:
    train, holdout = (
        table.with_columns((pl.col("y") + pl.col("c") * 0.01).alias("b"))
        for table in (lab.rows(500), lab.rows(500, start=500))
    )
    verdict = by_name(answer(Leakage(), lab.context(lab.fit(train, holdout))))["leakage: single feature"]
    assert verdict.status == "fail"
    assert verdict.evidence["beyond"] == ["b"]
    assert verdict.reason.startswith("'b' alone reaches AUC 1.000")


def test_single_features_of_a_regression_with_text_dates_and_nulls(lab) -> None:
    from datetime import date, timedelta

    train, holdout = (
        table.with_columns(
            pl.Series("b", [None if i % 7 == 0 else float(i) for i in range(table.height)]),
        )
        for table in (lab.rows(600, task="regression"), lab.rows(400, task="regression", start=600))
    )
    context = lab.context(lab.fit(train, holdout, HistGradientBoostingRegressor(max_iter=5)))
    verdict = by_name(answer(Leakage(), context))["leakage: single feature"]
    assert (verdict.status, verdict.evidence["measure"]) == ("pass", "R² of ranks")
    from mainspring.testing.checks.leakage import plain

    days = plain(pl.Series([date(1970, 1, 1) + timedelta(1), None]))
    assert days[0] == 1.0
    assert np.isnan(days[1])


# fairness


def test_a_gap_between_groups(lab) -> None:
    context = lab.context(lab.candidate())
    wide, narrow = (answer(Fairness(group="group", max_gap=gap), context)[0] for gap in (0.2, 0.0001))
    assert wide.status == "pass"
    assert narrow.status == "inconclusive"
    assert wide.evidence["too_small"] == ["island"]
    assert set(wide.evidence["groups"]) == {"north", "south"}


def test_a_model_unfair_to_one_group_fails(lab) -> None:
    train = lab.rows(3000)
    holdout = lab.rows(3000, start=3000).with_columns(
        pl.when(pl.col("group") == "north").then(-pl.col("a")).otherwise(pl.col("a")).alias("a")
    )
    verdict = answer(Fairness(group="group", max_gap=0.1, metric="accuracy"), lab.context(lab.fit(train, holdout)))[0]
    assert verdict.status == "fail"
    assert verdict.interval[0] > 0.1


def test_groups_too_small_to_compare_are_named_and_open(lab) -> None:
    verdict = answer(Fairness(group="group", min_group=5000), lab.context(lab.candidate(300, 300)))[0]
    assert verdict.status == "inconclusive"
    assert "island" in verdict.reason
    missing = answer(Fairness(group="gruop"), lab.context(lab.candidate(300, 300)))[0]
    assert (missing.status, missing.evidence["hint"]) == ("inconclusive", "did you mean 'group'?")


def test_fairness_of_other_tasks(lab) -> None:
    context = lab.context(lab.candidate(task="multiclass"))
    assert answer(Fairness(group="group"), context)[0].status == "not_applicable"
    assert answer(Fairness(group="group", metric="accuracy", max_gap=0.3), context)[0].status == "pass"


# baseline


def test_a_model_that_beats_both_baselines_passes(lab) -> None:
    verdicts = by_name(answer(Baseline(metric="roc_auc"), lab.context(lab.candidate(4000, 4000))))
    assert {name: verdict.status for name, verdict in verdicts.items()} == {
        "baseline: dummy": "pass",
        "baseline: linear": "pass",
    }
    assert verdicts["baseline: dummy"].evidence["baseline_value"] == 0.5


def test_a_model_no_better_than_a_constant_fails(lab) -> None:
    context = lab.context(lab.candidate(model=DummyClassifier(strategy="prior")))
    verdicts = by_name(answer(Baseline(metric="log_loss", margin=0.01), context))
    assert {verdict.status for verdict in verdicts.values()} == {"fail"}


def test_a_linear_candidate_is_not_compared_with_itself(lab) -> None:
    context = lab.context(lab.candidate(model=LogisticRegression()))
    verdicts = by_name(answer(Baseline(metric="roc_auc"), context))
    assert verdicts["baseline: linear"].status == "not_applicable"
    assert verdicts["baseline: dummy"].status == "pass"


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_baselines_of_other_tasks(lab, task: str) -> None:
    model = HistGradientBoostingRegressor(max_iter=40) if task == "regression" else None
    context = lab.context(lab.candidate(3000, 3000, task=task, model=model))
    metric = "mae" if task == "regression" else "accuracy"
    assert {verdict.status for verdict in answer(Baseline(metric=metric), context)} == {"pass"}


def test_baselines_take_text_nulls_infinities_and_dates(lab) -> None:
    from mainspring.testing.checks.simple_models import _matrix, _prepare

    frame = pl.DataFrame(
        {
            "n": [1.0, None, float("inf"), float("nan")],
            "when": pl.Series([0, 1, None, 3]).cast(pl.Date),
            "flag": [True, None, False, True],
            "word": ["a", None, "b", "a"],
        }
    )
    prepared = _prepare(3, 1).fit_transform(_matrix(frame, ["n", "when", "flag"], ["word"]))
    assert np.isfinite(prepared.astype(float)).all()


# calibration


@pytest.mark.slow
def test_calibration(lab) -> None:
    # fitted on plenty, the model is calibrated; on few rows with deep trees it is not
    calibrated = lab.context(lab.candidate(6000, 6000))
    assert answer(Calibration(max_error=0.05), calibrated)[0].status == "pass"
    wild = HistGradientBoostingClassifier(max_iter=300, learning_rate=0.5, random_state=0)
    verdict = answer(Calibration(max_error=0.05), lab.context(lab.candidate(600, 4000, model=wild)))[0]
    assert verdict.status == "fail"
    assert verdict.interval[0] > 0.05


def test_calibration_needs_one_probability(lab) -> None:
    context = lab.context(lab.candidate(500, 500, task="multiclass"))
    assert answer(Calibration(), context)[0].status == "not_applicable"


def test_names_of_checks() -> None:
    assert label(NoRegression(metric="f1")) == "no_regression: f1"
    assert label(Baseline(metric="f1", name="simple")) == "simple"
