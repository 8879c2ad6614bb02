"""What happened to a Delta table: its commits, and its state at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import NotFound
from mainspring.versioning.delta.opening import open_table, translated

if TYPE_CHECKING:
    from mainspring.versioning.delta.sources import Source

RUN = "mainspring.run"
ACTOR = "mainspring.actor"
OPERATION = "mainspring.operation"
FORGOT = "mainspring.forgot"


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a table: what was done, when (milliseconds since 1970), by whom and in which run, and its figures.

    ``forgot`` are versions that a vacuum of ours gave up.
    """

    version: int
    at: int
    operation: str
    run: str | None = None
    actor: str | None = None
    metrics: dict[str, Any] = {}
    forgot: list[int] = []


def history(source: Source, *, limit: int | None = None) -> list[Commit]:
    """Return the commits of a table, newest first.

    Raises:
        NotFound, Corrupted, StorageError: as ``open_table``.
    """
    table = open_table(source)
    with translated(source):
        told = table.history(limit)
    return [
        Commit(
            version=each["version"],
            at=int(each.get("inCommitTimestamp") or each.get("timestamp") or 0),
            operation=str(each.get(OPERATION) or each.get("operation", "")).lower(),
            run=each.get(RUN),
            actor=each.get(ACTOR) or each.get("userName"),
            metrics=each.get("operationMetrics") or {},
            forgot=[int(version) for version in str(each.get(FORGOT) or "").split(",") if version.isdigit()],
        )
        for each in told
    ]


def version_at(source: Source, moment: datetime) -> int:
    """Return the version that a table had at a moment; a moment without a time zone is UTC.

    Raises:
        NotFound: the table (or what is left of its log) is younger.
    """
    at = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
    commits = history(source)
    for commit in commits:
        if 0 < commit.at <= at:
            return commit.version
    first = datetime.fromtimestamp(commits[-1].at / 1000, UTC).isoformat(timespec="seconds") if commits else "never"
    raise NotFound(
        f"{source.shown} had no version at {moment.isoformat()}: the oldest that is known is of {first}",
        hint=f"see `mainspring data history {source.name}`",
        table=source.shown,
    )
