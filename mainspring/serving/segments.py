"""Parquet segments, by endpoint and hour: appended by writers, read by anyone at any time."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.base.files import staged
from mainspring.base.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mainspring.store.workspace import Workspace

PREDICTIONS = "predictions"
LABELS = "labels"
MERGED = "merged-"
"""How the names of segments begin that stand for others, and where their footers name these."""
REPLACES = "mainspring.replaces"
_HOUR = "%Y%m%d%H"


class DamagedSegment(UserWarning):
    """A segment that could not be read, and was left out."""


def hour(at: int) -> str:
    """Return the hour of a moment as segments are filed by.

    >>> hour(0)
    '1970010100'
    """
    return datetime.fromtimestamp(at / 1000, UTC).strftime(_HOUR)


def folder(workspace: Workspace, kind: str, endpoint: str) -> Path:
    """Return where the segments of an endpoint are."""
    return workspace.state / kind / endpoint


def write(root: Path, frame: pl.DataFrame, *, at: int, writer: str) -> Path:
    """Write a segment durably: it is there whole, or not at all.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    path = root / hour(at) / f"{writer}-{new_id()}.parquet"
    content = BytesIO()  # written by us, so that what the disk says is not told in the words of polars
    frame.write_parquet(content, compression="zstd", compression_level=1)
    with staged(path) as temporary, temporary.open("wb") as file:
        file.write(content.getbuffer())
    return path


def paths(root: Path, *, arrived_since: int | None = None) -> list[Path]:
    """Return the finished segments, oldest hour first, without those that a merged one stands for.

    Hours wholly before ``arrived_since`` are left out.
    """
    first = "" if arrived_since is None else hour(arrived_since)
    found = []
    for inside in sorted(root.glob("[0-9]*")):
        if inside.name >= first:
            held = names(inside)
            gone = replaced(inside, held) if len(held) > 1 else set()
            found += [inside / name for name in held if name not in gone]
    return found


def names(inside: Path) -> list[str]:
    """Return the names of an hour's finished segments."""
    return sorted(path.name for path in inside.glob("[!.]*.parquet"))


def replaced(inside: Path, held: Iterable[str]) -> set[str]:
    """Return the names of segments that the merged ones among ``held`` stand for. A damaged one stands for none."""
    gone: set[str] = set()
    for name in held:
        if name.startswith(MERGED):
            with suppress(pl.exceptions.PolarsError, OSError, ValueError):
                gone |= _stands_for(inside / name)
    return gone


@lru_cache(maxsize=4096)
def _stands_for(path: Path) -> frozenset[str]:
    return frozenset(json.loads(pl.read_parquet_metadata(path).get(REPLACES, "[]")))


def read(
    segments: Iterable[Path],
    *,
    filters: list[pl.Expr] | None = None,
    columns: list[str] | None = None,
    strict: bool = False,
) -> pl.DataFrame | None:
    """Return the rows of segments, or None if there are no segments.

    Columns that only some of them have are null in the others. A segment that vanished meanwhile is skipped.

    Raises:
        InvalidData: with ``strict``, a damaged segment; otherwise it is left out with a ``DamagedSegment`` warning.
    """
    frames = []
    for path in segments:
        frame = _read_one(path, filters or [], columns, strict)
        if frame is not None:
            frames.append(frame)
    if not frames:
        return None
    try:
        return pl.concat(frames, how="diagonal_relaxed", rechunk=True)
    except pl.exceptions.PolarsError:
        return pl.concat(_as_text(frames), how="diagonal_relaxed", rechunk=True)


def _read_one(path: Path, filters: list[pl.Expr], columns: list[str] | None, strict: bool) -> pl.DataFrame | None:
    try:
        if not path.is_file():
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lazy = pl.scan_parquet(path, glob=False)
            if columns is not None:
                held = lazy.collect_schema().names()
                lazy = lazy.select(name for name in columns if name in held)
            return lazy.filter(*filters).collect() if filters else lazy.collect()
    except FileNotFoundError:
        return None
    except (pl.exceptions.PolarsError, OSError) as error:
        said = str(error).splitlines()[0]
        message = f"the segment {path} is damaged and was left out: {said}"
        if strict:
            hint = "move the file away; its predictions are lost, all others can be read"
            raise InvalidData(f"the segment {path} is damaged: {said}", hint=hint, path=str(path)) from error
        warnings.warn(message, DamagedSegment, stacklevel=4)
        return None


def _as_text(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Make columns whose type changed between versions, beyond what casts can bridge, into text."""
    kinds: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            kinds.setdefault(name, set()).add(dtype)
    odd = [
        name
        for name, found in kinds.items()
        if len(found) > 1 and not all(dtype.is_numeric() for dtype in found) and pl.List not in found
    ]
    return [
        frame.with_columns(pl.col(name).cast(pl.String) for name in odd if name in frame.columns) for frame in frames
    ]
