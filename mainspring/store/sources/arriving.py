"""Files of a source on their way into the object store: all of them are there as they were seen, or none is kept."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from mainspring.base.files import disk_error
from mainspring.base.ids import new_id
from mainspring.store.intake import settle
from mainspring.store.leftovers import sweep
from mainspring.store.remotes.traffic import in_flight
from mainspring.store.seals import make_read_only, put_seal
from mainspring.store.sources.seen import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from typing_extensions import Buffer

    from mainspring.store.objects import Objects
    from mainspring.store.sources.seen import Moved, Seen, Source

    Tick = Callable[[int, int, int], None]
    """Called with files that are here, files in all, and bytes that came."""

_REQUESTS = 16


class Arrived(NamedTuple):
    """A file that came: its content's address and size in bytes."""

    md5: str
    size: int


@contextmanager
def arrived(
    objects: Objects, source: Source, seen: dict[str, Seen], *, tick: Tick | None = None
) -> Iterator[tuple[dict[str, Arrived], Callable[[], None]]]:
    """Give the files of a source, downloaded, and what makes them objects; without that nothing is kept.

    Raises:
        Conflict: the source changed meanwhile.
        NotFound, StorageError: it did not give them all, or the disk did not take them.
    """
    folder = objects.root / "incoming" / new_id()
    places = {name: folder / str(number) for number, name in enumerate(seen)}
    count, total = 0, 0

    def moved(size: int) -> None:
        nonlocal total
        total += size
        if tick is not None:
            tick(count, len(seen), total)

    def read(name: str) -> Arrived:
        return Arrived(*source.read(name, seen[name], places[name], moved))

    found: dict[str, Arrived] = {}
    try:
        folder.mkdir(parents=True)
        sweep(folder.parent)
        with closing(in_flight(read, list(seen), requests=_REQUESTS)) as files:
            for name, file in files:
                found[name] = file
                count += 1
                moved(0)
        yield (
            {name: found[name] for name in seen},
            lambda: settle([(str(places[name]), objects.place(file.md5)) for name, file in _new(objects, found)]),
        )
    except OSError as error:
        raise disk_error(error, objects.root) from error
    finally:
        import shutil  # slow to load

        shutil.rmtree(folder, ignore_errors=True)


def unchanged(source: Source, before: dict[str, Seen], *, versions: bool = False) -> None:
    """Look at a source again.

    Raises:
        Conflict: it is not what it was.
        NotFound, StorageError: as ``look``.
    """
    after = source.look(versions=versions)
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if differing:
        raise changed(source.address, differing[0])


def write_hashed(target: Path, parts: Iterable[Buffer], moved: Moved) -> tuple[str, int]:
    """Write a file as objects are, read-only and sealed; return its md5 and its size in bytes.

    Raises:
        OSError: it cannot be written.
    """
    hasher, size = hashlib.md5(usedforsecurity=False), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        for part in parts:
            view = memoryview(part)
            hasher.update(view)
            size += len(view)
            moved(len(view))
            while view:
                view = view[os.write(descriptor, view) :]
        make_read_only(descriptor)
        put_seal(descriptor, hasher.hexdigest())
    finally:
        os.close(descriptor)
    return hasher.hexdigest(), size


def _new(objects: Objects, found: dict[str, Arrived]) -> Iterator[tuple[str, Arrived]]:
    """Give those files whose content the store does not have yet, each content once."""
    given: set[str] = set()
    for name, file in found.items():
        if file.md5 not in given and not objects.intact(file.md5, file.size):
            given.add(file.md5)
            yield name, file
