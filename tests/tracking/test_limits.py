from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import InvalidData
from mainspring.tracking.limits import artifact_path, check_key, metric_value, metric_whole, param_text, tag_text


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "/etc/passwd",
        "../up",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "..",
        "a\\b",
        "a%2e%2e%2fb",
        "C:/x",
        "c:x",
        "a\x00b",
        "a\nb",
        "x" * 501,
        None,
        3,
    ],
)
def test_a_path_that_could_leave_its_run_is_refused(path: object) -> None:
    with pytest.raises(InvalidData):
        artifact_path(path)


@given(st.text(max_size=40))
def test_an_accepted_path_stays_below_any_folder(text: str) -> None:
    from pathlib import Path

    try:
        path = artifact_path(text)
    except InvalidData:
        return
    assert path == text
    assert (Path("/base") / path).resolve().is_relative_to("/base")
    assert not re.search("%[0-9a-f]{2}", path, re.IGNORECASE)
    assert "\\" not in path


@pytest.mark.parametrize("key", ["", "  ", "a\tb", "x" * 251, 7, None, "\ud800"])
def test_a_key_out_of_bounds_is_refused(key: object) -> None:
    with pytest.raises(InvalidData):
        check_key(key, "metric")


@pytest.mark.parametrize("key", ["loss", "val/loss", "accuracy [carrier=UA]", "f1: macro", "größe", "x" * 250])
def test_a_key_within_bounds_is_taken(key: str) -> None:
    assert check_key(key, "metric") == key


def test_values_up_to_the_limit_are_taken_and_longer_ones_name_the_limit() -> None:
    assert len(param_text("p", "x" * 6000)) == 6000
    assert len(tag_text("t", "x" * 8000)) == 8000
    with pytest.raises(InvalidData, match="6001 characters, 6000 is the most"):
        param_text("p", "x" * 6001)
    with pytest.raises(InvalidData, match="8001 characters"):
        tag_text("t", "x" * 8001)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (None, "None"),
        (0.1, "0.1"),
        ([1, "a"], '[1,"a"]'),
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ("", ""),
    ],
)
def test_params_as_text(value: object, text: str) -> None:
    assert param_text("p", value) == text


def test_a_set_has_one_text_in_every_process() -> None:
    assert param_text("columns", {"c", "a", "b"}) == '["a","b","c"]'


def test_text_that_no_database_takes_is_made_harmless() -> None:
    assert param_text("p", "a\x00b") == "a\ufffdb"
    assert param_text("p", "\ud800") == "?"


@pytest.mark.parametrize("value", [1, 1.5, True, np.float32(1.5), np.int64(3), np.array(2.0), math.inf])
def test_numbers_of_any_kind_are_metric_values(value: object) -> None:
    assert metric_value("m", value) == float(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["0.5", b"1", None, [1.0], np.array([1.0, 2.0]), 1j, {}])
def test_what_is_no_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidData, match="metric 'loss'"):
        metric_value("loss", value)


@pytest.mark.parametrize("step", [1.0, "1", None, 2**63, -(2**63) - 1])
def test_what_is_no_step_is_refused(step: object) -> None:
    with pytest.raises(InvalidData, match="step"):
        metric_whole("loss", "step", step)


def test_numpy_integers_are_steps() -> None:
    assert metric_whole("loss", "step", np.int32(-4)) == -4
