"""Many small segments of an hour made into few: same rows, fewer files to open.

A merged segment names, in its own footer, the segments it stands for. Its rename is the moment from which readers take it
and leave those out, so no row is seen twice or not at all, whenever a process dies. The replaced files stay for a while, for
readers that listed them before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.clock import now
from mainspring.base.files import staged, sync_folder
from mainspring.base.ids import new_id
from mainspring.serving import segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.workspace import Workspace

log = logging.getLogger(__name__)

MANY = 256
"""Segments of the present hour that are merged before it is over."""
LARGEST = 200_000
"""Rows of a merged segment, about."""
KEPT_SECONDS = 900.0
"""How long replaced segments stay."""
_LATE_MS = 600_000
"""How long after its end an hour counts as over: segments come late when a disk was full."""


class Compaction:
    """Merges the segments of a workspace, again and again; remembers hours in which there is nothing to merge."""

    def __init__(self, workspace: Workspace, *, kept: float = KEPT_SECONDS, many: int = MANY) -> None:
        self._workspace = workspace
        self._kept = kept
        self._many = many
        self._settled: dict[Path, list[str]] = {}

    def run(self, *, at: int | None = None) -> int:
        """Merge what is due in every endpoint's predictions and labels; return how many segments were replaced.

        One process at a time does so; where another does already, nothing happens.

        Raises:
            StorageError: the disk refuses; nothing is lost, and the next call tries again.
        """
        replaced = 0
        closed = segments.hour((now() if at is None else at) - _LATE_MS)
        for kind in (segments.PREDICTIONS, segments.LABELS):
            root = self._workspace.state / kind
            if not root.is_dir():
                continue
            with _alone(root) as alone:
                for inside in sorted(root.glob("[!.]*/[0-9]*")) if alone else ():
                    replaced += self._visit(inside, least=2 if inside.name < closed else self._many)
        return replaced

    def _visit(self, inside: Path, *, least: int) -> int:
        names = segments.names(inside)
        if self._settled.get(inside) == names:
            return 0
        merged = _compact_hour(inside, names, least=least)
        _sweep(inside, self._kept)
        if not merged and not (segments.replaced(inside, names) & set(names)) and least == 2:
            self._settled[inside] = names
        return merged


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[bool]:
    descriptor = os.open(root / ".compaction", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _compact_hour(inside: Path, names: list[str], *, least: int) -> int:
    """Merge the segments of one hour that have the same columns; no type is changed, no damaged file touched."""
    gone = segments.replaced(inside, names)
    current = [name for name in names if name not in gone]
    if len(current) < least:
        return 0
    alike: dict[str, list[tuple[str, int]]] = {}
    for name in current:
        try:
            schema, rows = _shape(inside / name)
        except (pl.exceptions.PolarsError, OSError) as error:
            log.warning("the segment %s is damaged and stays as it is: %s", inside / name, str(error).splitlines()[0])
            continue
        if rows < LARGEST:
            alike.setdefault(repr(schema), []).append((name, rows))
    return sum(_merge(inside, group) for shape in alike.values() for group in _portions(shape) if len(group) > 1)


def _shape(path: Path) -> tuple[pl.Schema, int]:
    lazy = pl.scan_parquet(path, glob=False)
    return lazy.collect_schema(), int(lazy.select(pl.len()).collect().item())


def _portions(found: list[tuple[str, int]]) -> list[list[str]]:
    portions: list[list[str]] = [[]]
    total = 0
    for name, rows in found:
        if portions[-1] and total + rows > LARGEST:
            portions.append([])
            total = 0
        portions[-1].append(name)
        total += rows
    return portions


def _merge(inside: Path, names: list[str]) -> int:
    try:
        frame = pl.concat([pl.read_parquet(inside / name, glob=False) for name in names], how="vertical")
    except (pl.exceptions.PolarsError, OSError) as error:
        log.warning("segments of %s are not merged, one of them is damaged: %s", inside, str(error).splitlines()[0])
        return 0
    held = [name for name in names if name.startswith(segments.MERGED)]
    before = segments.replaced(inside, held)  # what a merged segment stood for must not come back with it gone
    content = BytesIO()
    frame.write_parquet(
        content,
        compression="zstd",
        compression_level=3,
        metadata={segments.REPLACES: json.dumps(sorted({*names, *before}))},
    )
    with staged(inside / f"{segments.MERGED}{new_id()}.parquet") as temporary, temporary.open("wb") as file:
        file.write(content.getbuffer())
    return len(names)


def _sweep(inside: Path, kept: float) -> None:
    """Remove replaced segments, once what replaces them is old enough that nobody reads by a list from before."""
    for left in inside.glob(f".{segments.MERGED}*.tmp"):  # of a process that died; nobody else merges now
        left.unlink(missing_ok=True)
    names = segments.names(inside)
    old = [name for name in names if name.startswith(segments.MERGED) and _age(inside / name) >= kept]
    gone = segments.replaced(inside, old) & set(names)
    for name in gone:
        (inside / name).unlink(missing_ok=True)
    if gone:
        sync_folder(inside)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
