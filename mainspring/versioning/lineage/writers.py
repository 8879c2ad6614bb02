"""Which runs wrote which versions of datasets: files by their content, tables by the commits that a version is the first to have.

A run that read a content and wrote it again, as one whose steps were all remembered does, made nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from mainspring.versioning.lineage.graph import Key
from mainspring.versioning.records import lineage as rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    Link = tuple[Key, Key, str]


def writing(connection: Connection, keys: Sequence[Key]) -> Iterator[Link]:
    """Give the runs that wrote contents of datasets."""
    links: list[Link] = []
    for name in sorted({key.name for key in keys}):
        found = rows.writers(connection, name, [key.which for key in keys if key.name == name])
        links += [(Key("run", row.run_id), Key("dataset", name, row.md5), "made") for row in found]
    tables = rows.tables_of(connection, [key.which for key in keys])
    links += _committed(connection, rows.commits(connection, table_ids=tables))
    wanted = set(keys)
    yield from _new(connection, [link for link in links if link[1] in wanted])


def written_by(connection: Connection, keys: Sequence[Key]) -> Iterator[Link]:
    """Give the contents of datasets that runs wrote."""
    ids = [key.name for key in keys]
    written = rows.datasets_written(connection, ids)
    links = [(Key("run", row.run_id), Key("dataset", row.dataset, row.md5), "made") for row in written]
    links += _committed(connection, rows.commits(connection, run_ids=ids))
    yield from _new(connection, links)


def _new(connection: Connection, links: Sequence[Link]) -> Iterator[Link]:
    """Leave out what the run had read already."""
    runs = [run.name for run, _, _ in links]
    read = {(row.run_id, row.dataset, row.md5) for row in rows.datasets_read(connection, runs)}
    return (link for link in links if (link[0].name, link[1].name, link[1].which) not in read)


def _committed(connection: Connection, commits: Iterable[Any]) -> Iterator[Link]:
    """Give commits with the first version of each dataset that has them; what no version has yet is left out."""
    made = list(commits)
    pinned: dict[tuple[str, str], list[Any]] = {}
    for row in rows.versions_of_tables(connection, [commit.table_id for commit in made]):
        pinned.setdefault((row.table_id, row.dataset), []).append(row)
    for commit in made:
        for (table_id, dataset), versions in pinned.items():
            first = bisect_left(versions, commit.table_version, key=lambda row: row.table_version)
            if table_id == commit.table_id and first < len(versions):
                yield Key("run", commit.run_id), Key("dataset", dataset, versions[first].md5), "made"
