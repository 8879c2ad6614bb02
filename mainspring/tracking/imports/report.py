"""What an import took, what it left out, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Mapping

Progress = Callable[[str, int, int | None], None]
"""Told what is taken, how many of it so far, and of how many if that is known."""


def silent(what: str, done: int, total: int | None) -> None:
    """Tell nobody."""


class Report(msgspec.Struct, kw_only=True):
    """Counts by kind of thing; ``left_out`` has a line for everything that was not taken."""

    source: str
    taken: dict[str, int] = {}
    unchanged: dict[str, int] = {}
    left_out: list[str] = []

    def count(self, kind: str, *, fresh: bool) -> None:
        """Count a thing that was taken now, or that was here as it is."""
        counts = self.taken if fresh else self.unchanged
        counts[kind] = counts.get(kind, 0) + 1

    def leave(self, what: str, why: str) -> None:
        """Note something that was not taken."""
        self.left_out.append(f"{what}: {why}")

    def fitting(
        self, whose: str, values: Mapping[str, Any], key: Callable[[str], str], text: Callable[[str, Any], str]
    ) -> dict[str, str]:
        """Return the texts that can be kept; the others are left out, one by one."""
        kept = {}
        for name, value in values.items():
            try:
                kept[key(name)] = text(name, value)
            except InvalidData as error:
                self.leave(whose, error.message)
        return kept
