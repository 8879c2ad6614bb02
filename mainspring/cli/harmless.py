"""Texts of others, without what steers a terminal."""

from __future__ import annotations

_KEPT = {ord("\n"), ord("\t")}
_STEERING = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""Control characters of ASCII and Latin-1, and what turns the direction of writing."""
_SHOWN = {code: "\N{REPLACEMENT CHARACTER}" for code in _STEERING if code not in _KEPT}


def harmless(text: str) -> str:
    """Return a text without anything that steers a terminal.

    >>> harmless("\\x1b[31mred\\x1b[0m")
    '�[31mred�[0m'
    """
    return text.translate(_SHOWN)
