"""The hash of code: it follows what a function reaches, and nothing that does not matter."""

from __future__ import annotations

import importlib
import sys
from textwrap import dedent

import pytest

from mainspring.automation import closure
from mainspring.automation.closure import code_hash

MAIN = """
import functools
import helpers
from helpers import clean, Scaler, LIMIT, Colour
import numpy as np

RATE = 0.5
TABLE = {"a": [1, 2]}

def twice(x):
    return 2 * x

def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args) + 0
    return inner

def start(x, *, step=twice):
    y = clean(x) * RATE
    return helpers.shift(step(y)) + Scaler(2).apply(x) + len(TABLE) + LIMIT + np.abs(x)

@logged
def decorated(x):
    return twice(x)

def outer(k):
    def inner(x):
        return twice(x) + k
    return inner

bound = outer(3)
square = lambda x: twice(x) ** 2

def late(x):
    from helpers import shift as moved
    return moved(x) + 1

def coloured(x):
    return Colour.RED.value + x
"""
HELPERS = """
import enum
from dataclasses import dataclass, field
import deeper

LIMIT = 10

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

def base():
    return [1]

@dataclass
class Scaler:
    by: float
    offsets: list = field(default_factory=base)

    def apply(self, x):
        return x * self.by + deeper.constant()

def clean(x):
    return deeper.strip(x)

def shift(x):
    return x + 1

def unused(x):
    return x
"""
DEEPER = """
def strip(x):
    return x - 1

def constant():
    return 7
"""


@pytest.fixture
def hashes(tmp_path, monkeypatch):
    """Give a function that imports the files afresh, edited, and hashes what they define."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def hashed(name="start", **edits):
        texts = {"main_code": MAIN, "helpers": HELPERS, "deeper": DEEPER}
        for module, text in texts.items():
            for before, after in edits.get(module, []):
                assert before in text
                text = text.replace(before, after)
            (tmp_path / f"{module}.py").write_text(dedent(text))
        for module in texts:
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        return code_hash(getattr(importlib.import_module("main_code"), name), tmp_path)

    yield hashed
    for module in ("main_code", "helpers", "deeper"):
        sys.modules.pop(module, None)
    closure._known.clear()


ALL = ("start", "decorated", "bound", "square", "late", "coloured")


@pytest.mark.parametrize("name", ALL)
def test_the_same_code_has_the_same_hash(hashes, name):
    assert hashes(name) == hashes(name)


@pytest.mark.parametrize(
    "edit",
    [
        {"main_code": [("y = clean(x) * RATE", "y = (clean(x)\n         * RATE)  # scaled")]},
        {"main_code": [("def start(x, *, step=twice):", 'def start(x, *, step=twice):\n    """Start."""')]},
        {"helpers": [("def clean(x):", "# cleans\n\n\ndef clean(x):\n    'Clean.'")]},
        {"helpers": [("class Colour(enum.Enum):", 'class Colour(enum.Enum):\n    """Colours."""')]},
        {"helpers": [("return x\n", "return x + 100\n")]},
    ],
    ids=["formatting", "docstring", "comment in a helper", "class docstring", "a function nobody calls"],
)
def test_what_does_not_matter_does_not_count(hashes, edit):
    before = hashes()
    assert hashes(**edit) == before


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("start", {"main_code": [("* RATE", "/ RATE")]}),
        ("start", {"main_code": [("RATE = 0.5", "RATE = 0.6")]}),
        ("start", {"main_code": [("[1, 2]", "[1, 3]")]}),
        ("start", {"main_code": [("return 2 * x", "return 3 * x")]}),
        ("start", {"helpers": [("return x + 1\n", "return x + 2\n")]}),
        ("start", {"helpers": [("x * self.by", "x / self.by")]}),
        ("start", {"helpers": [("return [1]", "return [2]")]}),
        ("start", {"helpers": [("LIMIT = 10", "LIMIT = 11")]}),
        ("start", {"deeper": [("x - 1", "x - 2")]}),
        ("start", {"deeper": [("return 7", "return 8")]}),
        ("start", {"main_code": [("np.abs", "np.sign")]}),
        ("decorated", {"main_code": [("return 2 * x", "return 3 * x")]}),
        ("decorated", {"main_code": [("(*args) + 0", "(*args) + 1")]}),
        ("bound", {"main_code": [("bound = outer(3)", "bound = outer(4)")]}),
        ("bound", {"main_code": [("return 2 * x", "return 3 * x")]}),
        ("square", {"main_code": [("twice(x) ** 2", "twice(x) ** 3")]}),
        ("square", {"main_code": [("return 2 * x", "return 3 * x")]}),
        ("late", {"helpers": [("return x + 1\n", "return x + 2\n")]}),
        ("coloured", {"helpers": [("RED = 1", "RED = 3")]}),
    ],
)
def test_what_a_function_reaches_counts(hashes, name, edit):
    before = hashes(name)
    assert hashes(name, **edit) != before


def test_swapped_names_count(hashes):
    before = hashes("coloured", main_code=[("+ x\n", "+ x + LIMIT + RATE\n")])
    after = hashes("coloured", main_code=[("+ x\n", "+ x + LIMIT + RATE\n"), ("RATE = 0.5", "RATE = 10")])
    assert before != after


def test_functions_that_call_each_other(tmp_path):
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert code_hash(even, tmp_path) == code_hash(even, tmp_path)
