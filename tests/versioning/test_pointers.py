"""A pointer means what YAML says, however it is read."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.versioning import pointers

_MD5 = st.text("0123456789abcdef", min_size=32, max_size=32) | st.sampled_from(
    ["0" * 32, "1" * 32, "0b" + "1" * 30, "0x" + "1" * 30, "12345678e" + "1" * 23, "1" * 31 + "e", "0o" + "7" * 30]
)
_SIZE = st.sampled_from(["0", "07", "08", "12", "1_000", "1e3", "0x1f", "1:30", "-1", "12.5", "9" * 18, "9" * 30, "~"])
_PATH = st.sampled_from(
    ["data", "no", "Yes", "ON", "null", "y", "a: b", "a #b", "é", "'a'", "a/b.csv", "1.5", "a ", "&a", "b:", "x-1_y"]
) | st.text("abnoyesNY/.-_ :#'0", min_size=1, max_size=5)  # fmt: skip


@settings(max_examples=500)
@given(
    md5=_MD5,
    folder=st.booleans(),
    size=_SIZE,
    nfiles=st.none() | _SIZE,
    path=_PATH,
    end=st.sampled_from(["", "\n", "\n\n", "\r\n"]),
)
def test_the_usual_pointer_is_read_as_yaml_reads_it(
    md5: str, folder: bool, size: str, nfiles: str | None, path: str, end: str
) -> None:
    count = "" if nfiles is None else f"  nfiles: {nfiles}\n"
    text = f"outs:\n- md5: {md5}{'.dir' * folder}\n  size: {size}\n{count}  hash: md5\n  path: {path}{end}"
    said = pointers._usual(text)
    assert said is None or said == yaml.safe_load(text)


@pytest.mark.parametrize("nfiles", ["", "  nfiles: 3\n"])
def test_what_dvc_writes_is_the_usual(nfiles: str) -> None:
    text = f"outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e.dir\n  size: 11\n{nfiles}  hash: md5\n  path: data\n"
    assert pointers._usual(text) == yaml.safe_load(text)
