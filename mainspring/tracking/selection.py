"""Naming runs: one by one, or all that pass a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.tracking.query import search_runs
from mainspring.tracking.search import get_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.search import RunInfo

_ASKED_AT_ONCE = 1000


def choose(
    workspace: Workspace,
    references: Sequence[str] = (),
    *,
    filter: str | None = None,
    deleted: bool = False,
    limit: int | None = None,
) -> list[RunInfo]:
    """Return the runs that references name, in their order, or those that pass a filter, newest first. Read-only.

    With ``deleted`` only runs that were deleted are looked at, else only those that were not. Each run comes once.

    Raises:
        UsageError: neither references nor a filter were given, or both, or the filter is none.
        NotFound, Conflict: as ``get_run``.
    """
    if (filter is None) == (not references):
        raise UsageError(
            "name runs, or give a filter, one of the two", hint="such as `--filter \"metrics.auc > 0.9\"`; '' means all"
        )
    if filter is None:
        named = {run.id: run for run in (get_run(workspace, text, deleted=deleted) for text in references)}
        return list(named.values())
    found: list[RunInfo] = []
    token: str | None = ""
    while token is not None and (limit is None or len(found) < limit):
        most = _ASKED_AT_ONCE if limit is None else min(limit - len(found), _ASKED_AT_ONCE)
        view = "deleted" if deleted else "active"
        page = search_runs(workspace, None, filter=filter, view=view, limit=most, page=token or None)
        found += page.items
        token = page.next
    return found
