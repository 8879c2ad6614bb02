"""Building syntax trees while other threads do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_TRIES = 20


def parsed(read: Callable[[], T]) -> T:
    """Return what ``read`` returns; it may parse Python, as numpy does with the headers of its files.

    Before 3.11.8 and 3.12.2 Python counts the depth of its syntax trees for all threads together, and a thread that was
    interrupted in its own gets a ``SystemError`` (python/cpython#106905). Nothing is wrong with what was read: it is read
    again. ``read`` must have no effect.

    >>> parsed(lambda: 1)
    1
    """
    for _ in range(_TRIES - 1):
        try:
            return read()
        except SystemError as error:
            if "recursion depth mismatch" not in str(error):
                raise
    return read()
