"""Committing to a Delta table: what a commit says of itself, and what becomes of two writers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring.base.errors import Conflict, Refused
from mainspring.versioning.delta.history import ACTOR, RUN, history
from mainspring.versioning.delta.opening import append_only, refusal
from mainspring.versioning.delta.pins import read_pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from deltalake import DeltaTable

    from mainspring.base.errors import MainspringError
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.sources import Source

T = TypeVar("T")
_APPEND_ONLY = "delta.appendOnly"

_ATTEMPTS = 6
_PAUSE = 0.05


def commit_options(
    workspace: Workspace, run_id: str | None, *, retries: int | None = None, more: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return what every commit says of itself; expired logs stay, since versions may be pinned that need them."""
    from deltalake import CommitProperties, PostCommitHookProperties

    told = {ACTOR: workspace.actor} | ({RUN: run_id} if run_id else {}) | (more or {})
    return {
        "commit_properties": CommitProperties(custom_metadata=told, max_commit_retries=retries),
        "post_commithook_properties": PostCommitHookProperties(cleanup_expired_logs=False),
    }


def check_free(source: Source) -> None:
    """Make sure that no version is held.

    Raises:
        Refused: one is.
    """
    pointer = read_pointer(source)
    if pointer is not None and pointer.held:
        raise Refused(
            f"'{source.name}' is held at version {pointer.pin.version} of {source.shown}: nothing is written to it meanwhile",
            hint=f"follow the table again first: mainspring data add {source.name}",
            dataset=source.name,
        )


def check_takes_changes(source: Source, table: DeltaTable) -> None:
    """Make sure that rows of a table may be changed and deleted.

    Raises:
        Refused: it only takes rows.
    """
    if table.metadata().configuration.get(_APPEND_ONLY, "").lower() == "true":
        raise append_only(source)


def again(commit: Callable[[], T]) -> T:
    """Commit, and where somebody else was first, commit on top of that."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return commit()
        except Conflict:
            time.sleep(_PAUSE * attempt)
    return commit()


def conflict(source: Source, error: Exception) -> MainspringError:
    """Return the error that somebody else committed first, with who it was; or that the table does not take such a commit."""
    if (refused := refusal(source, error, doing="written")) is not None:
        return refused
    newest = history(source, limit=1)[0]
    by = f" by {newest.actor}" if newest.actor else ""
    by += f" in run {newest.run}" if newest.run else ""
    return Conflict(
        f"{source.shown} was changed at the same moment: version {newest.version} is a {newest.operation}{by}",
        hint=f"nothing of ours was committed; look at `mainspring data history {source.name}`, then do it again",
        table=source.shown,
        version=newest.version,
        reason=str(error).strip().splitlines()[0],
    )
