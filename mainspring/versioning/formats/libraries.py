"""Libraries that only some models need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mainspring.base.errors import InvalidData


def library(module: str, name: str, *, extra: str) -> Any:
    """Return a library that comes with an extra of ours.

    Raises:
        InvalidData: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise InvalidData(
            f"this model needs {name}, which is not installed", hint=f"pip install 'mainspring[{extra}]'"
        ) from None
