"""A console that draws what it is told and obeys none of it: names and texts of others cannot steer the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment

from mainspring.cli.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


class HarmlessConsole(Console):
    """Rich's console, with the control characters of texts (not its own) replaced."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Draw something as segments."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(harmless(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Say that nobody reads any more, which is no failure; Rich would end the process with another code."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            raise BrokenPipeError from None
