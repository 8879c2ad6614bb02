"""The first door: it answers by itself what is asked all the time, before the command line is built, which takes longer.

Only ``data status`` is. Whatever else stands on the line, or goes wrong, is left to the ordinary door.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.versioning.states import DatasetStatus


def main() -> None:
    """Run a command line and exit with its code."""
    words = sys.argv[1:]
    found = _status() if words in (["data", "status"], ["data", "status", "--json"]) else None
    if found is None:
        from mainspring.cli.main import main as ordinary

        ordinary()
        return
    from mainspring.cli.datasets import print_status

    with suppress(BrokenPipeError):
        print_status(found, json="--json" in words)


def _status() -> list[DatasetStatus] | None:
    from mainspring.cli import context
    from mainspring.cli.progress import progress
    from mainspring.versioning.status import status

    try:
        with progress("comparing") as tick:
            return status(context.workspace(), tick=tick)
    except KeyboardInterrupt:
        from mainspring.cli.main import interrupted

        sys.exit(interrupted())
    except Exception:  # noqa: BLE001 - the ordinary door meets it again, and says it in full
        return None
