"""Pinned versions of a Delta table that cannot be read any more: vacuumed past, or given up on purpose."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.base.clock import iso
from mainspring.base.errors import MainspringError, NotFound
from mainspring.versioning.delta.history import history

if TYPE_CHECKING:
    from mainspring.versioning.delta.history import Commit
    from mainspring.versioning.delta.sources import Source

MISSING = re.compile(r"object at location .* not found|\b404\b", re.IGNORECASE)


def given_up(source: Source) -> dict[int, Commit]:
    """Return the versions that vacuums of ours gave up, each with the commit that did.

    Raises:
        NotFound, Corrupted, StorageError: as ``open_table``.
    """
    return {version: commit for commit in history(source) for version in commit.forgot}


def gone(source: Source, version: int, said: str) -> NotFound:
    """Return the error that rows of a version are not there any more."""
    why = f"files of it were removed ({said.splitlines()[0][:200]})"
    hint = "somebody vacuumed the table past it; `mainspring data vacuum` keeps what is pinned"
    with suppress(MainspringError):
        if (commit := given_up(source).get(version)) is not None:
            by = f" by {commit.actor}" if commit.actor else ""
            why = f"it was given up{by} at {iso(commit.at)}"
            hint = f"its rows are lost for good; see `mainspring data history {source.name}`"
    return NotFound(
        f"version {version} of {source.shown} cannot be read any more: {why}",
        hint=hint,
        table=source.shown,
        version=version,
    )
