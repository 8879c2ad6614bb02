from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.versioning.difference import rows as module
from mainspring.versioning.difference.columns import compare_schemas
from mainspring.versioning.difference.rows import RowChanges, Rows, compare_rows


def compared(before: pl.DataFrame, after: pl.DataFrame, *key: str, examples: int = 0) -> RowChanges:
    _, shared = compare_schemas(before.schema, after.schema)
    sides = [Rows(lazy=frame.lazy(), collect=pl.LazyFrame.collect, count=frame.height) for frame in (before, after)]
    return compare_rows(sides[0], sides[1], shared, key, examples=examples)


def counts(found: RowChanges) -> tuple[int, int, int]:
    return found.added, found.removed, found.changed


def test_by_key() -> None:
    before = pl.DataFrame({"id": [1, 2, 3, 4], "x": [1.0, float("nan"), None, 0.0], "s": ["a", "b", "c", "d"]})
    after = pl.DataFrame({"id": [5, 4, 3, 2], "x": [9.0, -0.0, float("nan"), float("nan")], "s": ["e", "d", "c", "B"]})
    found = compared(before, after, "id", examples=5)
    assert counts(found) == (1, 1, 2)
    assert (found.columns, found.looked_at) == ({"x": 1, "s": 1}, 2)
    assert found.examples_added == [{"id": 5, "x": 9.0, "s": "e"}]
    assert found.examples_removed == [{"id": 1, "x": 1.0, "s": "a"}]
    assert {each.key["id"]: set(each.values) for each in found.examples_changed} == {2: {"s"}, 3: {"x"}}
    assert [each.values["s"] for each in found.examples_changed if "s" in each.values] == [("b", "B")]


def test_keys_that_are_null_or_nan_identify_nothing() -> None:
    before = pl.DataFrame({"id": [1.0, None, float("nan"), None], "x": [1, 2, 3, 4]})
    after = pl.DataFrame({"id": [1.0, None, float("nan"), None], "x": [9, 2, 30, 4]})
    found = compared(before, after, "id")
    assert (counts(found), found.without_key) == ((1, 1, 1), 2)


def test_keys_that_are_there_several_times() -> None:
    before = pl.DataFrame({"id": [1, 1, 1, 2], "x": [1, 2, 3, 4]})
    after = pl.DataFrame({"id": [1, 1, 2, 2], "x": [2, 5, 4, 4]})
    found = compared(before, after, "id")
    assert (counts(found), found.repeated_keys, found.looked_at) == ((1, 1, 1), 1, 0)


def test_without_a_key_rows_are_a_multiset() -> None:
    before = pl.DataFrame({"x": [1, 1, 2, 3]})
    after = pl.DataFrame({"x": [3, 2, 2, 1]})
    found = compared(before, after)
    assert (counts(found), found.without_key) == ((1, 1, 0), 0)


def test_columns_and_types_that_changed() -> None:
    before = pl.DataFrame({"id": [1, 2], "n": pl.Series([1, 2], dtype=pl.Int32), "old": [1, 2], "t": ["1", "2"]})
    after = pl.DataFrame({"id": [1, 2], "n": pl.Series([1, 3], dtype=pl.Int64), "new": [1, 2], "t": [1, 2]})
    changes, shared = compare_schemas(before.schema, after.schema)
    assert [(each.column, each.change, each.comparable) for each in changes] == [
        ("n", "retyped", True),
        ("old", "removed", False),
        ("t", "retyped", False),
        ("new", "added", False),
    ]
    assert shared == {"id": pl.Int64, "n": pl.Int64}
    found = compared(before, after, "id")
    assert (counts(found), found.columns, found.compared) == ((0, 0, 1), {"n": 1}, ["id", "n"])


def test_no_column_in_common() -> None:
    assert counts(compared(pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"b": [1]}))) == (1, 2, 0)


def test_lists_structs_and_categories() -> None:
    before = pl.DataFrame({"id": [1, 2], "l": [[1], [2]], "s": [{"a": 1}, {"a": None}], "c": ["x", "y"]})
    after = before.with_columns(pl.col("c").cast(pl.Categorical), l=pl.Series([[1], [2, 3]]))
    assert counts(compared(before, after, "id")) == (0, 0, 1)


_values = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, None])), max_size=12)


@given(before=_values, after=_values)
def test_it_is_what_counting_says(before: list[tuple[int, float]], after: list[tuple[int, float]]) -> None:
    schema = {"id": pl.Int64, "x": pl.Float64}
    frames = [pl.DataFrame(rows, schema=schema, orient="row") for rows in (before, after)]
    gone, came = Counter(before) - Counter(after), Counter(after) - Counter(before)
    assert counts(compared(*frames)) == (came.total(), gone.total(), 0)
    keyed = [Counter(key for key, _ in side.elements()) for side in (gone, came)]
    changed = (keyed[0] & keyed[1]).total()
    assert counts(compared(*frames, "id")) == (came.total() - changed, gone.total() - changed, changed)


def test_many_rows_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 500)
    before = pl.DataFrame({"id": range(4000), "x": range(4000)})
    after = before.filter(pl.col("id") >= 10).with_columns(pl.col("x") + (pl.col("id") % 4 == 0)).reverse()
    found = compared(before, after, "id", examples=2)
    assert counts(found) == (0, 10, 997)
    assert (found.columns, found.looked_at, len(found.examples_removed)) == ({"x": 997}, 997, 2)
