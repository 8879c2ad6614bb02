"""By which values the files of a Delta table are parted, as its log has them; the names of their folders may say so, too."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltalake import DeltaTable

_NULL = ("", "__HIVE_DEFAULT_PARTITION__")
_FILE = "mainspring file"


def read_parts(table: DeltaTable, schema: pl.Schema) -> tuple[list[str], pl.DataFrame]:
    """Return the addresses of a table's files, and in the same order the values that they are parted by."""
    names = table.metadata().partition_columns
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    known = {unquote(path): place for place, path in enumerate(actions["path"])}
    uris = table.file_uris()
    order = [next(known[end] for end in _ends(uri) if end in known) for uri in uris]
    values = actions.select(pl.col(f"partition.{name}").cast(schema[name]).alias(name) for name in names)
    return uris, values[order]


def _ends(uri: str) -> list[str]:
    """Return what the log may call a file, the longest first."""
    places = [0, *(found.end() for found in re.finditer("/", uri))]
    return [uri[place:] for place in places]


def are_in_names(uris: Sequence[str], values: pl.DataFrame) -> bool:
    """Say whether the folders of all files are called by their values (``city=a%20b``), as who reads those would take them."""
    for name, kind in values.schema.items():
        found = re.compile(f"/{re.escape(name)}=([^/]*)/")
        said = [match[1] if (match := found.search(uri)) else None for uri in uris]
        if None in said or isinstance(kind, pl.Decimal):  # which older polars does not read from names
            return False
        read = pl.Series([None if text in _NULL else unquote(text or "") for text in said], dtype=pl.String)
        if not typed(read, kind).eq_missing(values[name]).all():
            return False
    return True


def typed(texts: pl.Series, kind: pl.DataType) -> pl.Series:
    """Return values of a type that stand as text, as the log has them; null for what is none."""
    if isinstance(kind, pl.Datetime):
        moments = pl.Series([_moment(text) for text in texts], dtype=pl.Datetime("us"))
        return moments if kind.time_zone is None else moments.dt.replace_time_zone(kind.time_zone)
    if kind == pl.Date:
        return texts.str.to_date("%Y-%m-%d", strict=False)
    if kind == pl.Boolean:
        return texts.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    return texts.cast(kind, strict=False)


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def by_values(uris: Sequence[str], values: pl.DataFrame) -> list[tuple[dict[str, object], list[str]]]:
    """Return the values that files are parted by, each with its files in their order."""
    with_files = values.with_columns(pl.Series(_FILE, uris, dtype=pl.String))
    groups = with_files.partition_by(values.columns, maintain_order=True)
    return [(group.drop(_FILE).row(0, named=True), group[_FILE].to_list()) for group in groups]
