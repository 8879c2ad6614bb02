"""What happened to a Delta table: its commits, its state at a moment, and the change feed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.base.errors import NotFound, UsageError
from mainspring.versioning.delta.opening import open_table, translated
from mainspring.versioning.delta.reading import MISSING, gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.versioning.delta.sources import Source

RUN = "mainspring.run"
ACTOR = "mainspring.actor"
FEED = "delta.enableChangeDataFeed"


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a table: what was done, when (milliseconds since 1970), by whom and in which run, and its figures."""

    version: int
    at: int
    operation: str
    run: str | None = None
    actor: str | None = None
    metrics: dict[str, Any] = {}


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
            at=int(each.get("timestamp") or 0),
            operation=str(each.get("operation", "")).lower(),
            run=each.get(RUN),
            actor=each.get(ACTOR) or each.get("userName"),
            metrics=each.get("operationMetrics") or {},
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


def changes(source: Source, after: int, until: int) -> Iterator[pl.DataFrame]:
    """Yield the changes that the commits after ``after`` up to ``until`` made, as rows in batches, commit by commit.

    A row is told with ``_change_type`` (insert, delete, update_preimage, update_postimage), ``_commit_version`` and
    ``_commit_timestamp``. A row that was changed twice is told twice; what remains of it all is ``difference``'s to say.

    Raises:
        UsageError: the table keeps no change feed, or the versions are the wrong way round.
        NotFound: there is no such version, or what a commit changed was vacuumed.
    """
    if after >= until:
        raise UsageError(
            f"there are no commits after version {after} up to {until}", hint="name the older version first"
        )
    table = open_table(source, until)
    if table.metadata().configuration.get(FEED) != "true":
        raise UsageError(
            f"{source.shown} keeps no change feed",
            hint=f"it is asked for when a table is made (--change-feed); `mainspring data diff {source.name}` needs none",
            table=source.shown,
        )
    for version in range(after + 1, until + 1):
        with translated(source):
            try:
                for batch in table.load_cdf(starting_version=version, ending_version=version):
                    yield pl.DataFrame(batch)
            except Exception as error:  # what goes wrong while it is read has no class of its own
                if MISSING.search(str(error)):
                    raise gone(source, version, str(error)) from None
                raise error if type(error) is not Exception else OSError(str(error)) from error
