"""How datasets compare with their versions, as text: in shell prompts and hooks it is asked for all the time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mainspring.cli.harmless import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.versioning.states import DatasetStatus

_COLUMNS = ("dataset", "path", "version", "state", "what")


def print_status(found: Sequence[DatasetStatus], *, json: bool) -> None:
    """Print what was found, as JSON or as lines in columns."""
    if json:
        from mainspring.cli.output import print_json

        print_json(found)
        return
    rows = [_COLUMNS, *(_row(item) for item in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _row(item: DatasetStatus) -> tuple[str, ...]:
    changes = f"+{item.added} ~{item.modified} -{item.deleted}" if item.state == "modified" else ""
    number = "—" if item.number is None else str(item.number)
    return tuple(map(harmless, (item.dataset, item.path, number, item.state, item.problem or changes)))
