"""The ladder: what each rung needs, and which level a set of rungs comes to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.reproducibility.ladder import (
    Measured,
    compare_files,
    compare_metrics,
    compare_predictions,
    hash_predictions,
    incomparable_predictions,
    reached,
    rung,
)

scores = st.lists(st.floats(0, 1), min_size=1, max_size=50).map(np.array)


def test_identical_files_reach_the_top() -> None:
    found = compare_files({"model.skops": "a", "signature.json": "b"}, {"signature.json": "b", "model.skops": "a"})
    assert found.status == "pass"
    assert found.evidence["files"] == 2


def test_a_missing_and_a_new_file_are_named() -> None:
    found = compare_files({"model.skops": "a", "code/x.py": "b"}, {"model.skops": "a", "code/y.py": "b"})
    assert (found.status, found.evidence["missing"], found.evidence["extra"]) == ("fail", ["code/x.py"], ["code/y.py"])


def test_no_files_is_no_pass() -> None:
    assert compare_files({}, {}).status == "not comparable"


@given(scores)
def test_predictions_equal_themselves(values: np.ndarray) -> None:
    third, second = compare_predictions(values, values.copy())
    assert (third.status, second.status) == ("pass", "pass")


@given(scores, st.floats(1e-4, 0.5))
def test_a_difference_beyond_the_tolerance_misses_both(values: np.ndarray, by: float) -> None:
    moved = values.copy()
    moved[0] += by
    third, second = compare_predictions(values, moved)
    assert (third.status, second.status) == ("fail", "fail")
    assert second.evidence["beyond"] == 1
    assert second.evidence["max_difference"] == pytest.approx(by)


def test_the_last_digits_miss_the_hash_and_keep_the_distance() -> None:
    values = np.linspace(0, 1, 100).reshape(50, 2)
    third, second = compare_predictions(values, values + 1e-13)
    assert (third.status, second.status) == ("fail", "pass")
    assert second.evidence["n"] == 50


def test_other_shapes_and_missing_values_are_differences() -> None:
    assert [item.status for item in compare_predictions(np.zeros(3), np.zeros(4))] == ["fail", "fail"]
    assert [item.status for item in compare_predictions(np.array([np.nan]), np.array([0.5]))] == ["fail", "fail"]
    assert [item.status for item in compare_predictions(np.array([np.nan]), np.array([np.nan]))] == ["pass", "pass"]
    assert [item.status for item in compare_predictions(np.array([np.inf]), np.array([np.inf]))] == ["pass", "pass"]
    assert [item.status for item in compare_predictions(np.zeros(0), np.zeros(0))] == ["not comparable"] * 2


def test_the_hash_knows_the_shape() -> None:
    assert hash_predictions(np.zeros((2, 3))) != hash_predictions(np.zeros((3, 2)))


def test_metrics_are_held_against_their_intervals() -> None:
    before = {"auc": Measured(value=0.8, low=0.78, high=0.82, n=500), "rows": Measured(value=100.0)}
    inside = compare_metrics(before, {"auc": Measured(value=0.781), "rows": Measured(value=7.0)})
    assert inside.status == "pass"
    assert inside.evidence["metrics"] == {"auc": {"original": 0.8, "again": 0.781, "interval": [0.78, 0.82], "n": 500}}
    gone = compare_metrics(before, {"rows": Measured(value=100.0)})
    assert (gone.status, gone.evidence["outside"]) == ("fail", ["auc"])


def test_metrics_without_intervals_have_to_be_equal() -> None:
    before = {"loss": Measured(value=0.25), "rows": Measured(value=100.0)}
    assert compare_metrics(before, {"loss": Measured(value=0.25), "rows": Measured(value=100.0)}).status == "pass"
    other = compare_metrics(before, {"loss": Measured(value=0.25), "rows": Measured(value=101.0)})
    assert (other.status, other.evidence["outside"]) == ("fail", ["rows"])
    assert compare_metrics(before, {"loss": Measured(value=0.25)}).evidence["outside"] == ["rows"]


def test_without_metrics_nothing_is_compared() -> None:
    assert compare_metrics({}, {"auc": Measured(value=1.0)}).status == "not comparable"
    assert compare_metrics({"auc": Measured(value=None)}, {}).status == "not comparable"


@pytest.mark.parametrize(
    ("statuses", "level"),
    [
        (("pass", "pass", "pass", "pass"), 4),
        (("fail", "pass", "pass", "pass"), 3),
        (("fail", "fail", "pass", "pass"), 2),
        (("fail", "fail", "fail", "pass"), 1),
        (("fail", "fail", "fail", "fail"), 0),
        (("pass", "fail", "pass", "pass"), 2),
        (("fail", "pass", "pass", "not comparable"), 3),
        (("not comparable",) * 4, 0),
    ],
)
def test_the_level_is_the_highest_rung_with_none_broken_below(statuses: tuple, level: int) -> None:
    assert reached(rung(4 - index, status) for index, status in enumerate(statuses)) == level


def test_incomparable_predictions_say_why() -> None:
    assert {item.evidence["reason"] for item in incomparable_predictions("other rows")} == {"other rows"}
