"""The first door: it answers by itself what is asked all the time, before the command line is built, which takes longer.

Only ``data status`` is. Whatever else stands on the line, or goes wrong, is left to the ordinary door.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run a command line and exit with its code."""
    words = sys.argv[1:]
    if words[:2] == ["data", "status"] and words[2:] in ([], ["--json"]) and _answered(json="--json" in words):
        return
    from mainspring.cli.main import main as ordinary

    ordinary()


def _answered(*, json: bool) -> bool:
    from mainspring.base.errors import MainspringError
    from mainspring.cli import context
    from mainspring.cli.datasets import print_status
    from mainspring.cli.progress import progress
    from mainspring.versioning.status import status

    try:
        with progress("comparing") as tick:
            found = status(context.workspace(), tick=tick)
    except MainspringError:
        return False  # the ordinary door says it in full
    print_status(found, json=json)
    return True
