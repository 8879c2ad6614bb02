from __future__ import annotations

import itertools
import json
import math
import subprocess
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import InvalidData
from mainspring.tracking.batch import point
from mainspring.tracking.limits import artifact_path, check_key, metric_value, metric_whole, param_text, tag_text
from tests.tracking.peer import environment, interpreter


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
        "a/%2e%2E/b",
        "a/%252e%252e/b",
        "a%2Fb",
        "%2fa",
        "a%5cb",
        "a%255cb",
        "a%00b",
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


@pytest.mark.parametrize(
    "name", ["image%step%20%timestamp%1795440095542%t590163e-f02b", "image%step%25%timestamp", "100%"]
)
def test_percent_signs_that_lead_nowhere_else_are_taken(name: str) -> None:
    assert artifact_path(f"images/{name}.webp") == f"images/{name}.webp"


@given(st.text(max_size=40) | st.text("%25eEfF./ac0\\", max_size=12))
def test_an_accepted_path_stays_below_any_folder(text: str) -> None:
    from pathlib import Path

    try:
        path = artifact_path(text)
    except InvalidData:
        return
    assert path == text
    assert (Path("/base") / path).resolve().is_relative_to("/base")
    decoded = unquote(unquote(path))
    assert not {"\\", "\0"} & set(decoded)
    assert (Path("/base") / decoded).resolve().is_relative_to("/base")


@pytest.mark.parametrize("key", ["", "  ", "a\tb", "x" * 251, 7, None, "\ud800"])
def test_a_key_out_of_bounds_is_refused(key: object) -> None:
    with pytest.raises(InvalidData):
        check_key(key, "metric")


@pytest.mark.parametrize("key", ["loss", "val/loss", "accuracy [carrier=UA]", "f1: macro", "größe", "x" * 250])
def test_a_key_within_bounds_is_taken(key: str) -> None:
    assert check_key(key, "metric") == key


@pytest.mark.parametrize("key", ["../x", "a/../b", "/abs", "a//b", "a/", "a/./b", ".", "..", "..a"])
def test_a_key_that_is_another_name_as_a_path_is_refused(key: str) -> None:
    with pytest.raises(InvalidData, match="as a path it is another name"):
        check_key(key, "metric")


@pytest.mark.slow
@pytest.mark.xdist_group("mlflow peer")
def test_keys_are_paths_for_mlflow_where_they_are_for_us() -> None:
    names = ["".join(letters) for length in range(1, 6) for letters in itertools.product("./a", repeat=length)]
    script = (
        "import json, sys; from mlflow.utils.validation import path_not_unique;"
        "print(json.dumps([name for name in json.load(sys.stdin) if not path_not_unique(name)]))"
    )
    told = subprocess.run(
        [interpreter(), "-c", script], input=json.dumps(names), capture_output=True, text=True, env=environment()
    )
    assert told.returncode == 0, told.stderr[-2000:]
    assert [name for name in names if _taken(name)] == json.loads(told.stdout)


def _taken(name: str) -> bool:
    try:
        return check_key(name, "tag") == name
    except InvalidData:
        return False


def test_a_metric_has_no_moment_before_1970() -> None:
    assert point("loss", 1, at=0).at == 0
    with pytest.raises(InvalidData, match="-1 as its moment: it is negative"):
        point("loss", 1, at=-1)


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
    assert metric_value("m", value) == float(value)  # type: ignore[arg-type]  # all of them are numbers


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
