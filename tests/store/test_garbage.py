"""Garbage collection: what a row needs stays, whatever kind of row it is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, inspect

from mainspring.base.errors import Corrupted
from mainspring.store import garbage
from mainspring.store.database import Database
from mainspring.store.listings import Entry
from mainspring.store.objects import Objects
from mainspring.store.schema.automation import step_results
from mainspring.store.schema.monitoring import alerts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def put(objects: Objects, text: str) -> str:
    md5 = objects.put_bytes(text.encode())
    os.utime(objects.path(md5), (0, 0))
    return md5


def folder(objects: Objects, *files: str) -> str:
    entries = [Entry(f"{number}.txt", put(objects, text)) for number, text in enumerate(files)]
    md5 = objects.put_listing(entries, 0).md5
    os.utime(objects.path(md5), (0, 0))
    return md5


def name_in_column(database: Database, md5: str) -> None:
    row = {"key": "k", "name": "n", "result": md5, "format": "f", "size": 1, "seconds": 0.0, "created_at": 0}
    with database.write() as connection:
        connection.execute(insert(step_results), row)


def name_in_document(database: Database, md5: str) -> None:
    row = {"id": "a", "monitor": "m", "kind": "k", "status": "firing", "at": 0, "summary": "", "deliveries": []}
    with database.write() as connection:
        connection.execute(insert(alerts), {**row, "evidence": {"deep": [{"report": md5}]}})


def test_files_of_a_damaged_listing_stay_however_often_garbage_is_collected(
    database: Database, objects: Objects
) -> None:
    needed = folder(objects, "one", "two")
    name_in_column(database, needed)
    files = [entry.md5 for entry in objects.listing(needed)]
    place = objects.path(needed)
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[:-1])
    for _ in range(3):
        with pytest.raises(Corrupted, match=r"listing|damaged"):
            garbage.collect(database, objects, remove=True)
    assert all(objects.has(md5) for md5 in files)
    folder(objects, "one", "two")
    assert garbage.collect(database, objects, remove=True).objects == 0


def test_what_rows_name_stays(database: Database, objects: Objects) -> None:
    in_column, in_document, elsewhere = put(objects, "a"), folder(objects, "b", "c"), put(objects, "d")
    lost, lost_folder = put(objects, "e"), folder(objects, "f", "b")
    name_in_column(database, in_column)
    name_in_document(database, in_document)
    found = garbage.collect(database, objects, others=[elsewhere])
    assert found.objects == 3
    assert objects.has(lost)
    garbage.collect(database, objects, others=[elsewhere], remove=True)
    assert all(objects.has(md5) for md5 in (in_column, in_document, elsewhere))
    assert not objects.has(lost)
    assert not objects.path(lost_folder).exists()
    assert garbage.collect(database, objects, others=[elsewhere]).objects == 0


def test_what_is_young_stays(database: Database, objects: Objects) -> None:
    md5 = objects.put_bytes(b"its row is on the way")
    assert garbage.collect(database, objects, remove=True).objects == 0
    assert objects.has(md5)


def test_what_is_needed_again_comes_back(database: Database, objects: Objects) -> None:
    md5 = put(objects, "a")
    garbage.collect(database, objects, remove=True)
    assert not objects.has(md5)
    assert objects.read_bytes(md5) == b"a"
    assert objects.has(md5)


def test_old_trash_is_emptied(database: Database, objects: Objects) -> None:
    md5 = put(objects, "a")
    garbage.collect(database, objects, remove=True)
    [folder] = (objects.root / "trash").iterdir()
    folder.rename(folder.with_name("1000-x"))
    garbage.collect(database, objects, remove=True)
    assert not list((objects.root / "trash").iterdir())
    assert not objects.has(md5)


def test_nothing_goes_while_a_listing_cannot_be_read(database: Database, objects: Objects) -> None:
    needed, lost = folder(objects, "a"), put(objects, "b")
    name_in_column(database, needed)
    objects.path(needed).chmod(0o644)
    objects.path(needed).write_bytes(b"damaged")
    with pytest.raises(Corrupted):
        garbage.collect(database, objects, remove=True)
    assert objects.has(lost)


def test_every_table_is_looked_through(database: Database) -> None:
    said = "from mainspring.store import garbage; print(len(garbage.metadata.tables))"
    known = int(subprocess.run([sys.executable, "-c", said], capture_output=True, check=True).stdout)
    with database.read() as connection:
        assert known == len(inspect(connection).get_table_names()) - 1  # Alembic's own
