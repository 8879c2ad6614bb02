"""Whether the versions of Delta tables that were pinned can still be read, as far as their files are there."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.base.errors import MainspringError
from mainspring.versioning.datasets import known_datasets, locate
from mainspring.versioning.known import log

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mainspring.base.errors import Corrupted
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.delta.pins import Pin
    from mainspring.versioning.delta.sources import Source
    from mainspring.versioning.known import DatasetVersion

_NAMED = 3
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.")


def damaged(workspace: Workspace, name: str | None = None) -> Iterator[tuple[DatasetVersion, str]]:
    """Give the versions of tables (of one dataset, or all) whose log or files are not there, with what is wrong.

    A commit that cannot be read is said of every version that is made of it, or of the newest one if none is.

    Those of a table that was given up for another one, with ``--recreated``, are not looked at, nor are versions that a vacuum
    gave up. No rows are read.

    Raises:
        NotFound: no such dataset.
    """
    for dataset in [locate(workspace, name)[0]] if name is not None else known_datasets(workspace):
        held = [version for version in log(workspace, dataset) if version.table_id is not None]
        if not held:
            continue
        from mainspring.versioning.delta import sources  # only where there are tables

        try:
            source = sources.find(workspace, dataset)
            if source is not None:
                yield from _of_table(workspace, source, held)
        except MainspringError as error:
            yield held[-1], error.message


def _of_table(workspace: Workspace, source: Source, held: list[DatasetVersion]) -> Iterator[tuple[DatasetVersion, str]]:
    from mainspring.versioning.delta.identity import pinned
    from mainspring.versioning.delta.losses import given_up
    from mainspring.versioning.delta.opening import open_table
    from mainspring.versioning.delta.pins import read_pointer
    from mainspring.versioning.delta.versions import pin_of_version

    pointer = read_pointer(source)
    ids = {pointer.pin.id if pointer is not None else held[-1].table_id}
    lost: Collection[int] = ()
    with suppress(MainspringError):  # each version tells why the table cannot be read
        lost = given_up(source)
        ids.update(pinned(workspace, source, str(open_table(source).metadata().id)).values())
    mine = [version for version in held if version.table_id in ids and version.table_version not in lost]
    broken, checkpoints = _log(source)
    needed: set[int] = set()
    for version in mine:
        pin = pin_of_version(workspace, version)
        start = max((number for number in checkpoints if number <= pin.version), default=-1)
        bad = [number for number in broken if start < number <= pin.version]
        problem = broken[bad[0]].message if bad else _problem(source, pin)
        if problem is not None:
            yield version, problem
        needed.update(bad)
    if mine:
        yield from ((mine[-1], error.message) for number, error in broken.items() if number not in needed)


def _log(source: Source) -> tuple[dict[int, Corrupted], list[int]]:
    """Return the commits that cannot be read, and the versions that are made without those before."""
    from mainspring.versioning.delta.commits import broken_commits, log_files
    from mainspring.versioning.delta.opening import translated

    try:
        with translated(source):
            names = log_files(source)
            return broken_commits(source), [int(found[1]) for name in names if (found := _CHECKPOINT.match(name))]
    except MainspringError:
        return {}, []  # each version tells why the table cannot be read


def _problem(source: Source, pin: Pin) -> str | None:
    from mainspring.versioning.delta.opening import open_pinned, translated

    try:
        table = open_pinned(source, pin)
        with translated(source):
            missing = sorted(table.repair(dry_run=True)["files_removed"])
            if "deletionVectors" in (table.protocol().reader_features or ()):
                for _ in table.deletion_vectors():
                    pass  # a file of them that is not there, or damaged, is found by reading it
    except MainspringError as error:
        return error.message
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    shown = f"{', '.join(missing[:_NAMED])}{more}"
    return f"files of version {pin.version} of {source.shown} are not there: {shown}" if missing else None
