"""Values of requests become exactly what the signature wants, or a refusal that names the column."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.serving import invocations, protocol
from mainspring.serving.payload import Reader, event_times, from_columns
from mainspring.serving.problem import Problem
from mainspring.versioning.signature import ColumnType, DType, Signature, Target


def signature(dtype: DType = "float64", *, nullable: bool = False, names: tuple[str, ...] = ("a",)) -> Signature:
    inputs = [ColumnType(name=name, dtype=dtype, nullable=nullable) for name in names]
    return Signature(inputs=inputs, target=Target(name="y", task="regression", classes=None), container="polars")


VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    "string": st.text(),
    "boolean": st.booleans(),
    "datetime": st.datetimes().map(lambda moment: moment.isoformat()),
    "date": st.dates().map(lambda day: day.isoformat()),
}


@pytest.mark.parametrize("dtype", VALUES)
@given(data=st.data())
def test_a_frame_of_the_reader_needs_no_conforming(dtype: DType, data: st.DataObject) -> None:
    values = data.draw(st.lists(VALUES[dtype] | st.none(), min_size=1, max_size=5))
    wanted = signature(dtype, nullable=True)
    reader = Reader(wanted)
    frame = reader.frame(reader.read({"a": values}))
    assert frame.equals(wanted.conform(frame))
    assert frame.schema == reader.schema
    assert frame["a"].null_count() == values.count(None)


@pytest.mark.parametrize(
    ("dtype", "value", "said"),
    [
        ("float64", "1.5", "text"),
        ("float64", True, "boolean"),
        ("float64", [1.0], "list"),
        ("float64", {"v": 1}, "object"),
        ("float64", None, "null"),
        ("float64", 10**400, "double"),
        ("int64", 1.5, "1.5"),
        ("int64", 2**63, "64 bits"),
        ("int64", 1e300, "1e300"),
        ("int64", False, "boolean"),
        ("string", 1, "number"),
        ("boolean", 1, "number"),
        ("boolean", "true", "text"),
        ("datetime", "yesterday", "yesterday"),
        ("datetime", 5, "number"),
        ("date", "2026-02-30", "2026-02-30"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(dtype: DType, value: object, said: str) -> None:
    good = {"float64": 1.0, "int64": 1, "string": "s", "boolean": True, "datetime": "2026-01-01", "date": "2026-01-01"}
    with pytest.raises(Problem) as refusal:
        Reader(signature(dtype)).read({"a": [good[dtype], value]})
    assert refusal.value.status == 400
    assert refusal.value.details["column"] == "a"
    assert refusal.value.details["row"] == 1
    assert said in refusal.value.message


def test_safe_casts_are_made() -> None:
    assert Reader(signature("int64")).read({"a": [3.0, 4]}) == {"a": [3, 4]}
    assert Reader(signature("float64")).read({"a": [3]}) == {"a": [3.0]}
    moment = Reader(signature("datetime"))
    frame = moment.frame(moment.read({"a": ["2026-01-01T01:00:00+01:00"]}))
    assert frame["a"].dt.epoch("ms").to_list() == [1767225600000]


def test_columns_come_in_the_order_of_the_signature_whatever_the_client_does() -> None:
    reader = Reader(signature(names=("a", "b", "c")))
    assert list(reader.read({"c": [1.0], "a": [2.0], "b": [3.0]})) == ["a", "b", "c"]
    with pytest.raises(Problem, match="'b' is missing"):
        reader.read({"a": [1.0], "c": [2.0]})
    with pytest.raises(Problem, match="'d' is unknown"):
        reader.read({"a": [1.0], "b": [1.0], "c": [2.0], "d": [1.0]})


@pytest.mark.parametrize(
    "body",
    [
        '{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}',
        '{"dataframe_split": {"index": [0, 1], "columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}',
        '{"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]}',
        '{"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}',
        '{"instances": [[1, 2], [3, 4]]}',
        '{"inputs": {"a": [1, 3], "b": [2, 4]}}',
        '{"inputs": {"a": [[1], [3]], "b": [[2], [4]]}}',
        '{"inputs": [[1, 2], [3, 4]], "params": {"event_time": 5}}',
        '{"inputs": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}',
    ],
)
def test_all_forms_of_invocations_mean_the_same(body: str) -> None:
    payload = invocations.parse(body.encode())
    assert payload.rows == 2
    assert payload.named(["a", "b"]) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        "null",
        "{",
        '{"instances": []}',
        '{"instances": [[1, 2], [3]]}',
        '{"instances": [[1, 2], {"a": 3}]}',
        '{"instances": 5}',
        '{"inputs": 5}',
        '{"inputs": {}}',
        '{"inputs": {"a": [1], "b": [1, 2]}}',
        '{"dataframe_records": [{"a": 1}, {"b": 1}]}',
        '{"dataframe_records": [1]}',
        '{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}',
        '{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}',
        '{"dataframe_split": {"columns": ["a"], "data": []}}',
        '{"instances": [[1]], "inputs": [[1]]}',
        '{"instances": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"instances": [[Infinity]]}',
        "\xff",
    ],
)
def test_bad_invocations_are_refused(body: str) -> None:
    with pytest.raises(Problem) as refusal:
        invocations.parse(body.encode("latin-1"))
    assert refusal.value.status == 400


def tensors(*inputs: dict[str, object], **more: object) -> bytes:
    import msgspec

    return msgspec.json.encode({"inputs": list(inputs), **more})


def test_tensors_by_column_and_as_one_matrix() -> None:
    columns = tensors(
        {"name": "a", "shape": [2], "datatype": "FP64", "data": [1, 3]},
        {"name": "b", "shape": [2, 1], "datatype": "INT64", "data": [[2], [4]]},
    )
    for body in (
        columns,
        tensors({"name": "input", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}),
        tensors({"name": "input", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}),
    ):
        payload, _ = protocol.parse(body)
        assert payload.named(["a", "b"]) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    "tensor",
    [
        {"shape": [3], "datatype": "FP64", "data": [1, 2]},
        {"shape": [-1], "datatype": "FP64", "data": [1]},
        {"shape": [], "datatype": "FP64", "data": []},
        {"shape": [0], "datatype": "FP64", "data": []},
        {"shape": [1], "datatype": "FP65", "data": [1]},
        {"shape": [1, 1, 1], "datatype": "FP64", "data": [1]},
        {"shape": [2, 2], "datatype": "FP64", "data": [[1, 2], 3]},
        {"shape": [2, 2], "datatype": "FP64", "data": [[1, 2], [3]]},
        {"shape": [2**62, 4], "datatype": "FP64", "data": [1]},
        {"shape": [10**30], "datatype": "FP64", "data": [1]},
        {"shape": "x", "datatype": "FP64", "data": [1]},
        {"shape": [0, 0], "datatype": "FP64", "data": []},
        {"datatype": "FP64", "data": [1]},
    ],
)
def test_bad_tensors_are_refused(tensor: dict[str, object]) -> None:
    with pytest.raises(Problem) as refusal:
        protocol.parse(tensors({"name": "a", **tensor}))
    assert refusal.value.status == 400


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    for parse in (invocations.parse, protocol.parse):
        with pytest.raises(Problem):
            parse(body)


def test_event_times() -> None:
    assert event_times([5, "1970-01-01T00:00:01Z", "1970-01-01"], "at") == [5, 1000, 0]
    for wrong in (None, -1, True, 1.5, "soon", 1 << 60):
        with pytest.raises(Problem, match="at"):
            event_times([wrong], "at")


def test_columns_of_single_values_are_one_row() -> None:
    assert from_columns({"a": 1, "b": "x"}) == {"a": [1], "b": ["x"]}


def test_null_is_not_nan() -> None:
    reader = Reader(signature(nullable=True))
    frame = reader.frame(reader.read({"a": [None, math.inf, 1]}))
    assert frame["a"].to_list() == [None, math.inf, 1.0]
    assert frame.schema == {"a": pl.Float64}
