"""YAML is read by libyaml, and means what PyYAML says it means."""

from __future__ import annotations

import pytest
import yaml

from mainspring.base.yamls import parse

DEEP = 100_000


@pytest.mark.parametrize("text", ["[" * DEEP, "{a: " * DEEP, "- " * DEEP], ids=["list", "map", "items"])
def test_deep_nesting_is_an_error_and_no_end_of_the_process(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match=r"too deeply|expected|recursion"):
        parse(text + "1")


@pytest.mark.parametrize(
    "text", ['"\\ud83d\\ude00"', "[a:]", "a: 1", "outs:\n- md5: x\n  path: ü\n", "", "a: {b: [1, 2.5, null]}"]
)
def test_what_one_reader_takes_is_read_as_by_the_other(text: str) -> None:
    assert parse(text) == yaml.safe_load(text)


def test_bytes_are_text() -> None:
    assert parse("ü: 1".encode()) == {"ü": 1}
