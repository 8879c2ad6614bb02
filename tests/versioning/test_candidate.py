from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier

from mainspring.base.errors import InvalidData
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.frames import to_container, to_polars

ROWS = pl.DataFrame({"x": [1.0, 2.0], "y": [True, False]})


def made(**changes: Any) -> Candidate:
    wanted: dict[str, Any] = {
        "model": DummyClassifier(),
        "train": ROWS,
        "holdout": ROWS,
        "features": ["x"],
        "target": "y",
    }
    return Candidate(**wanted | changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": ["z"]}, "the train table has no column 'z'"),
        ({"target": "z"}, "has no column 'z'"),
        ({"holdout": ROWS.clear()}, "the holdout table is empty"),
        ({"features": []}, "at least one feature"),
        ({"features": ["x", "x"]}, "named twice"),
        ({"features": ["x", "y"]}, "among the features"),
        ({"container": "spark"}, "container='spark'"),
        ({"task": "clustering"}, "task='clustering'"),
        ({"train": [1, 2]}, "expected a polars or pandas DataFrame, found list"),
        ({"model": DummyClassifier}, "not a fitted model"),
        ({"holdout": ROWS.with_columns(y=None)}, "null in 2 rows of the holdout"),
        ({"metrics": {"auc": "high"}}, "metric 'auc' is str"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidData, match=says):
        made(**changes)


def test_pandas_frames_are_kept_as_polars() -> None:
    frame = pd.DataFrame({"x": [1.0, None], "y": [True, False]})
    assert made(train=frame).train["x"].to_list() == [1.0, None]


def test_pandas_there_and_back() -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [1.5, None],
            "s": ["a", None],
            "b": [True, False],
            "c": pd.Categorical(["u", None], categories=["v", "u"]),
            "t": pd.to_datetime(["2020-01-01", None]),
            "z": pd.to_datetime(["2020-01-01", "2020-01-02"]).tz_localize("Europe/Berlin"),
            "n": pd.array([1, None], dtype="Int64"),
        }
    )
    found = to_polars(frame)
    assert found.row(1)[:7] == (2, None, None, False, None, None, found["z"][1])
    assert found["z"][0].isoformat() == "2019-12-31T23:00:00+00:00"
    assert found["n"].to_list() == [1, None]
    back = to_container(found.drop("z"), "pandas", {"c": ["v", "u"]})
    assert list(back["c"].cat.categories) == ["v", "u"]
    assert back["i"].dtype == "int64"
    assert back["f"].isna().tolist() == [False, True]
    assert back["s"].dtype == frame["s"].dtype


def test_names_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidData, match="names that are no text"):
        to_polars(pd.DataFrame({0: [1]}))


def test_numpy_gets_floats_or_objects() -> None:
    rows = pl.DataFrame({"a": [1, None], "b": [True, False]})
    assert to_container(rows, "numpy", {}).dtype == "float64"
    assert to_container(rows.with_columns(c=pl.lit("x")), "numpy", {}).tolist()[1] == [None, False, "x"]


def test_the_container_is_that_of_the_training_table() -> None:
    import pandas as pd

    rows = {"x": [0.0, 1.0], "y": [0, 1]}
    named: dict[str, Any] = {"model": object(), "holdout": pl.DataFrame(rows), "features": ["x"], "target": "y"}
    assert Candidate(train=pd.DataFrame(rows), **named).container == "pandas"
    assert Candidate(train=pl.DataFrame(rows), **named).container == "polars"
    assert Candidate(train=pd.DataFrame(rows), container="numpy", **named).container == "numpy"
