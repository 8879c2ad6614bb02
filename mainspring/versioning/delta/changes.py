"""What commits of a Delta table changed, as its change feed has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import UsageError
from mainspring.versioning.delta.losses import MISSING, gone
from mainspring.versioning.delta.opening import open_table, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.versioning.delta.sources import Source

FEED = "delta.enableChangeDataFeed"


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
