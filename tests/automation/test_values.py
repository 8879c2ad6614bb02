"""The hash of values: equal content is equal in every process, and everything else differs."""

from __future__ import annotations

import datetime as dt
import enum
import os
import subprocess
import sys
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from mainspring.automation.results import decode, encode
from mainspring.automation.values import Unhashable, hash_value

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=10,
)


@pytest.mark.slow
@given(plain)
def test_results_come_back_as_they_were(value):
    back = decode(*encode(value))
    assert back == value
    assert hash_value(back) == hash_value(value)


@given(plain, plain)
def test_different_values_have_different_hashes(a, b):
    assert (repr(a) == repr(b)) == (hash_value(a) == hash_value(b))


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Point:
    x: int
    y: object


class Box(msgspec.Struct):
    inside: object


NAIVE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)
FRAME = pl.DataFrame(
    {
        "i": [1, 2, None],
        "s": ["a", None, "c"],
        "f": [1.0, float("nan"), None],
        "l": [[1], [], None],
        "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        "d": [NAIVE, None, NAIVE + dt.timedelta(1)],
    }
)
DISTINCT = [
    None, True, 1, 1.0, "1", b"1", [1], (1,), {1}, {"1": 1}, [[1], 2], [1, [2]], Colour.RED, Colour.BLUE,
    dt.date(2020, 1, 1), NAIVE, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.timedelta(1),
    Point(1, 2), Point(2, 1), Box(1), Box("1"), np.int64(1), np.array([1]), np.array([1.0]), np.array([[1]]),
    np.array(["a", None], dtype=object), np.array([], dtype=float), np.array([], dtype=int),
    FRAME, FRAME.head(2), FRAME.select(pl.all().reverse()), FRAME.rename({"i": "j"}), FRAME.cast({"i": pl.Float64}),
    FRAME.select("i"), FRAME["i"], FRAME.clear(), pl.DataFrame(), pl.DataFrame({"a": [1, 0]}), pl.DataFrame({"a": [0, 1]}),
    pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]}, index=[1, 2]), pd.DataFrame({"b": [1, 2]}), pd.Series([1, 2]),
    LogisticRegression(), LogisticRegression(C=2), LogisticRegression().fit([[0], [1]], [0, 1]), len, np.abs, Point,
]  # fmt: skip


def test_everything_differs():
    hashes = [hash_value(value) for value in DISTINCT]
    assert len(set(hashes)) == len(hashes)


def test_tables_count_by_content_not_by_how_they_were_made():
    made = pl.concat([FRAME.head(1), FRAME.tail(2)], rechunk=False)
    assert made.n_chunks() == 2
    assert hash_value(made) == hash_value(FRAME)
    assert hash_value(decode(*encode(FRAME))) == hash_value(FRAME)
    sliced = pl.concat([FRAME, FRAME])[3:]
    assert hash_value(sliced) == hash_value(FRAME)


@pytest.mark.slow
def test_hashes_are_the_same_in_another_process(tmp_path):
    (tmp_path / "f.txt").write_text("content")
    code = (
        "import importlib, pathlib, sys; t = importlib.import_module(sys.argv[2]);"
        "from mainspring.automation.values import hash_value as h;"
        "print([h(v) for v in [*t.DISTINCT, {'a', 'b', 'c'}, pathlib.Path(sys.argv[1])]])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "f.txt"), __name__]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here = [hash_value(value) for value in [*DISTINCT, {"a", "b", "c"}, tmp_path / "f.txt"]]
    assert done.stdout.strip() == str(here)


def test_paths_count_by_content(tmp_path):
    first, second = tmp_path / "a" / "t.csv", tmp_path / "b" / "t.csv"
    for path in (first, second):
        path.parent.mkdir()
        path.write_text("x\n1\n")
    assert hash_value(first) == hash_value(second)
    missing = hash_value(tmp_path / "c")
    second.write_text("x\n2\n")
    assert hash_value(first) != hash_value(second)
    assert hash_value(tmp_path / "a") != missing


def test_a_list_within_itself():
    knot: list[object] = [1]
    knot.append(knot)
    assert hash_value(knot) == hash_value(knot)


def test_what_has_no_content_is_refused(tmp_path):
    with (tmp_path / "open").open("w") as file:
        for value in ((x for x in "ab"), file, FRAME.lazy(), {"deep": [(x for x in "ab")]}):
            with pytest.raises(Unhashable) as refused:
                hash_value(value)
            assert refused.value.hint


def test_results_of_other_kinds_come_back():
    array = np.arange(6.0).reshape(2, 3)
    kind, data = encode(array)
    assert kind == "npy"
    np.testing.assert_array_equal(decode(kind, data), array)
    model = LogisticRegression().fit([[0], [1]], [0, 1])
    kind, data = encode({"model": model, "table": FRAME})
    assert kind == "pickle"
    assert decode(kind, data)["table"].equals(FRAME)
    assert encode(float("nan"))[0] == encode((1, 2))[0] == encode(2**70)[0] == "pickle"
