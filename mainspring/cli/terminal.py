"""A console that draws what it is told and obeys none of it: names and texts of others cannot steer the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

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


class HarmlessConsole(Console):
    """Rich's console, with the control characters of texts (not its own) replaced."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Draw something as segments."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(harmless(segment.text), segment.style)
