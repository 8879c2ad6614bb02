"""Many objects on their way to a remote or from it: in how many requests at once, counted, damage told and not passed on."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from mainspring.base.errors import Corrupted, NotFound
from mainspring.base.files import disk_error
from mainspring.base.ids import new_id
from mainspring.store.remotes.traffic import in_flight, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mainspring.store.remotes.remote import Remote
    from mainspring.store.workspace import Workspace

    Moved = Callable[[int, int, int], None]
    """Called with objects moved, objects to move, and bytes moved."""

_MOST_REQUESTS = 64
_BANDS = ((256 << 10, _MOST_REQUESTS), (8 << 20, 8), (1 << 62, 2))
"""Files up to so many bytes are uploaded by so many requests at once, so that a slow line is not shared by too many."""
_SETTLED_SECONDS = 10
_SETTLED_FILES = 8192


class Count:
    """What was moved, told to whoever watches. Bytes are told as they move, and count when their object has arrived."""

    def __init__(self, total: int, tick: Moved | None) -> None:
        self.objects = self.bytes = 0
        self.total = total
        self._on_the_way = 0
        self._tick = tick

    def add(self, size: int) -> None:
        """Count an object that has arrived."""
        self.objects += 1
        self.bytes += size
        self.moved(0)

    def moved(self, size: int) -> None:
        """Count bytes that moved; called from many threads."""
        self._on_the_way += size
        if self._tick is not None:
            self._tick(self.objects, self.total, self._on_the_way)


def send(
    workspace: Workspace, store: Remote, md5s: set[str], sizes: dict[str, int], again: Collection[str], count: Count
) -> list[Corrupted]:
    """Upload objects of known sizes, over what is there for those of ``again``; return what is damaged here.

    Raises:
        StorageError: the remote did not take them.
    """
    if not md5s:  # as most pushes
        return []
    from mainspring.store.remotes import uploads

    damaged: list[Corrupted] = []

    def upload(md5: str) -> int | Corrupted:
        try:
            return uploads.upload(store, md5, workspace.objects.place(md5), replace=md5 in again, moved=count.moved)
        except Corrupted as error:
            try:
                workspace.objects.check(md5)
            except Corrupted as in_quarantine:
                return in_quarantine
            return error

    for together, requests in _bands(md5s, sizes):
        new = [md5 for md5 in together if md5 not in again]
        gone = (
            _send_directly(workspace, store, new, requests, count) if len(new) > requests == _MOST_REQUESTS else set()
        )
        rest = [md5 for md5 in together if md5 not in gone]
        many = soon if store.is_local else in_flight
        with closing(many(upload, rest, requests=requests)) as sent:
            for _, done in sent:
                if isinstance(done, Corrupted):
                    damaged.append(done)
                else:
                    count.add(done)
    return damaged


def _send_directly(workspace: Workspace, store: Remote, md5s: list[str], requests: int, count: Count) -> set[str]:
    """Upload small objects that the remote does not have; return those that are there now."""
    from mainspring.store.remotes import uploads

    gone = set()
    path = workspace.objects.place
    with closing(uploads.upload_directly(store, md5s, path, requests=requests, moved=count.moved)) as sent:
        for md5, size in sent:
            gone.add(md5)
            count.add(size)
    return gone


def _bands(md5s: set[str], sizes: dict[str, int]) -> list[tuple[list[str], int]]:
    rest = sorted(md5s)
    bands = []
    for limit, requests in _BANDS:
        bands.append(([md5 for md5 in rest if sizes[md5] <= limit], requests))
        rest = [md5 for md5 in rest if sizes[md5] > limit]
    return [band for band in bands if band[0]]


def download(
    workspace: Workspace, store: Remote, md5s: list[str], count: Count, lost: set[str], damaged: list[Corrupted]
) -> None:
    """Download objects and settle them some thousands at a time; what arrived is kept, however this ends.

    Those that the remote does not have are added to ``lost``, and to ``damaged`` what it has and is something else.

    Raises:
        StorageError: the remote did not give them, or the disk did not take them.
    """
    from mainspring.store.leftovers import sweep  # most fetches have nothing to do
    from mainspring.store.remotes import downloads

    folder = workspace.objects.root / "incoming" / new_id()
    waiting: list[tuple[str, str]] = []
    count.total += len(md5s)

    def get(md5: str) -> int | NotFound | Corrupted:
        try:
            return downloads.download(store, md5, f"{folder}/{md5[0]}/{md5}", moved=count.moved)
        except (NotFound, Corrupted) as error:
            return error

    sweep(folder.parent)
    try:
        for digit in {md5[0] for md5 in md5s}:  # many threads that make files in one folder wait for one another
            (folder / digit).mkdir(parents=True)
        many = soon if store.is_local else in_flight
        with closing(many(get, md5s)) as arrived, _settling(waiting) as settle_often:
            for md5, done in arrived:
                if isinstance(done, Corrupted):
                    damaged.append(done)
                elif isinstance(done, NotFound):
                    lost.add(md5)
                else:
                    waiting.append((f"{folder}/{md5[0]}/{md5}", workspace.objects.place(md5)))
                    count.add(done)
                settle_often()
    except OSError as error:
        raise disk_error(error, workspace.objects.root) from error
    finally:
        import shutil  # slow to load

        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _settling(waiting: list[tuple[str, str]]) -> Iterator[Callable[[], None]]:
    """Give what makes files durable from time to time; those that are left when this ends, however it ends, too."""
    from mainspring.store.intake import settle

    settled = time.monotonic()

    def settle_often() -> None:
        nonlocal settled
        if len(waiting) >= _SETTLED_FILES or time.monotonic() - settled > _SETTLED_SECONDS:
            batch = waiting[:]
            waiting.clear()
            settle(batch)
            settled = time.monotonic()

    try:
        yield settle_often
    finally:
        settle(waiting)
