"""Every example in a docstring runs and answers what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mainspring"
SKIPPED = {"scaffold", "migrations", "__main__.py"}


def modules() -> list[str]:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if not SKIPPED & set(path.parts)]
    with_examples = [path for path in files if ">>>" in path.read_text(encoding="utf-8")]
    return [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in with_examples
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert found.failed == 0
