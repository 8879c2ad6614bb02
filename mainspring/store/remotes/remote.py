"""A remote: which objects it holds, and objects on their way there and back, checked."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from contextlib import closing, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from mainspring.base.clock import milliseconds
from mainspring.base.errors import Corrupted, MainspringError, NotFound, StorageError
from mainspring.base.hashing import md5_bytes, md5_file
from mainspring.store.remotes.authorities import placed
from mainspring.store.remotes.failures import explained, is_passing
from mainspring.store.remotes.opening import key_prefix, local_folder, open_store, signed_place, takes_signed_uploads
from mainspring.store.remotes.traffic import ahead, in_flight
from mainspring.store.seals import put_seal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator
    from pathlib import Path

    from obstore import ObjectMeta
    from obstore.store import ObjectStore, S3Store
    from typing_extensions import Buffer

    from mainspring.base.settings.schema import RemoteSettings

    Moved = Callable[[int], None]

Result = TypeVar("Result")

FOLDER = "files/md5"
PART = 8 << 20
"""Bytes of one request at most."""
_FEW = 64
_HEAD_COST = 40
"""One question for an object costs as much as listing so many."""
_ONE_LISTING = 50_000
_PARTS_AHEAD = 4
_ROUNDS = 3
_TRIED = re.compile(r"after [1-9]\d* retries")
_MD5 = re.compile("[0-9a-f]{32}")
_UNFINISHED = re.compile(r"[0-9a-f]{30}(\.dir)?#\d+")
"""What the store's client calls a file in a folder while it writes it; no listing of its shows one."""


def _unseen(_: int) -> None:
    """Nobody watches."""


class Held(NamedTuple):
    """An object of a remote: its address, its bytes, and when it was written (seconds since 1970)."""

    md5: str
    size: int
    written: float


class Remote:
    """Objects in a store of another machine, or another folder.

    What is downloaded was compared with its address; what is uploaded too. Every failure is a ``StorageError`` that says
    what happened and what to do.
    """

    def __init__(self, name: str, settings: RemoteSettings, root: Path, *, write: bool = False) -> None:
        self.name = name
        self.url = settings.url
        self._place = local_folder(settings.url, root)
        self.is_local = self._place is not None
        self._settings = settings = placed(settings, root)
        self._open = partial(open_store, settings, root, write=write)
        self._folder = f"{key_prefix(settings.url)}{FOLDER}"
        self._signed = signed_place(settings)
        if self._signed is None:
            _ = self._store  # what is wrong with it is said now
        self._large = threading.BoundedSemaphore(2)
        self._conditional = True
        self._tags_are_md5 = True

    @cached_property
    def _store(self) -> ObjectStore:
        """The store by its client, which listings may do without."""
        return self._open()

    def sizes(self, wanted: Collection[str]) -> dict[str, int]:
        """Return the sizes of those of the wanted objects that are there.

        Few objects are asked for one by one; otherwise the remote is listed, in one go or by its 256 folders at once.
        """
        if len(wanted) <= _FEW:
            return self._ask(wanted)
        folders = sorted({md5[:2] for md5 in wanted})
        listed = self._listed(folders[0])
        expected = len(listed) * 256
        if len(wanted) * _HEAD_COST < expected:
            return self._ask(wanted)
        if expected <= _ONE_LISTING:
            listed = self._listed("")
        else:
            for _, part in in_flight(self._listed, folders[1:]):
                listed |= part
        start = len(self._folder) + 1
        held = {path[start : start + 2] + path[start + 3 :]: size for path, size in listed.items()}
        return {md5: held[md5] for md5 in held.keys() & wanted}

    def held(self) -> list[Held]:
        """Return every object that is there."""
        items = [(self._address(item["path"]), item) for item in self._list("")]
        return [
            Held(md5, item["size"], item["last_modified"].timestamp())
            for md5, item in items
            if _MD5.fullmatch(md5.removesuffix(".dir"))
        ]

    def unfinished(self) -> Iterator[Path]:
        """Give what uploads left half-way, and those that are under way; other stores than folders keep none in sight."""
        if self._place is not None:
            files = (self._place / self._folder).glob("[0-9a-f][0-9a-f]/*")
            yield from (file for file in files if _UNFINISHED.fullmatch(file.name))

    def upload(self, md5: str, source: Path, *, replace: bool = False, moved: Moved = _unseen) -> int:
        """Store a file under its address and return its size; what another client stored in the meantime stays.

        ``moved`` is called with the bytes that went, now and then.

        Raises:
            FileNotFoundError: there is no such file.
            Corrupted: its content is not what its address says; nothing was stored.
            StorageError: the remote did not take it.
        """
        size, data = _read(source)
        found = md5_file(source) if data is None else md5_bytes(data)
        if found != md5.removesuffix(".dir"):
            raise Corrupted(f"the object {md5} is damaged here", hint="mainspring data verify --heal", md5=md5)
        if data is None:
            self._patiently("write to", lambda: self._put_parts(md5, source, moved))
        else:
            self._patiently("write to", lambda: self._put(md5, data, replace=replace))
            moved(size)
        return size

    def upload_directly(
        self, md5s: Iterable[str], source: Callable[[str], Path], *, requests: int, moved: Moved = _unseen
    ) -> Generator[tuple[str, int]]:
        """Upload many small files past the store's client, at half the cost, and give address and size of each.

        Those are given that are there now. What becomes of the others ``upload`` says, and also where this cannot be done.

        Raises:
            StorageError: what arrives is not what was sent.
        """
        if not takes_signed_uploads(self._settings):
            return
        from mainspring.store.remotes.direct import STORED, Upload, uploaded  # with an event loop

        def read() -> Iterator[Upload]:
            for md5 in md5s:
                plain = md5.removesuffix(".dir")
                with suppress(OSError):
                    _, data = _read(source(md5))
                    if data is not None and md5_bytes(data) == plain:
                        yield Upload(self._path(md5), data, plain)

        timeout, ca_file = milliseconds(self._settings.timeout) / 1000, self._settings.ca_file
        way = partial(
            uploaded, cast("S3Store", self._store), create=self._conditional, timeout=timeout, ca_file=ca_file
        )
        with closing(way(read(), requests=requests)) as done:
            for upload, answer in done:
                md5 = self._address(upload.path)
                if answer.status == STORED:
                    self._check_arrival(md5, upload.data, answer.e_tag)
                moved(len(upload.data))
                yield md5, len(upload.data)

    def download(self, md5: str, target: Path, *, moved: Moved = _unseen) -> int:
        """Write an object to a file and return its size. The file may hold anything when this raises.

        ``moved`` is called with the bytes that came, now and then.

        Raises:
            NotFound: the remote does not have it.
            Corrupted: what the remote gave, twice, is not what its address says.
            StorageError: the remote did not give it.
            OSError: the file cannot be written.
        """
        for attempt in (1, 2):  # damaged on the way, or there?
            if attempt == 2:
                target.unlink(missing_ok=True)
            found, size = self._patiently("read from", lambda: self._get(md5, target, moved), md5=md5)
            if found == md5.removesuffix(".dir"):
                return size
        raise Corrupted(
            f"the object {md5} is damaged on the remote '{self.name}' ({self.url}); it was not taken",
            hint=f"from a workspace that has it: mainspring data push --replace --remote {self.name}",
            md5=md5,
            remote=self.name,
        )

    def delete(self, md5s: Collection[str]) -> None:
        """Remove objects; what is not there is no error."""
        paths = [self._path(md5) for md5 in sorted(md5s)]
        for start in range(0, len(paths), 1000):
            self._patiently("remove from", partial(_delete, self._store, paths[start : start + 1000]))

    def _put_parts(self, md5: str, source: Path, moved: Moved) -> None:
        import obstore

        def parts() -> Iterator[bytes]:
            with source.open("rb") as file:
                while part := file.read(PART):
                    yield part
                    moved(len(part))

        with self._large:
            obstore.put(self._store, self._path(md5), parts(), chunk_size=PART, max_concurrency=_PARTS_AHEAD)

    def _put(self, md5: str, data: bytes, *, replace: bool) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError

        if self._conditional and not replace:
            try:
                done = obstore.put(self._store, self._path(md5), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return
            except NotSupportedError:
                self._conditional = False
            else:
                self._check_arrival(md5, data, done["e_tag"])
                return
        done = obstore.put(self._store, self._path(md5), data, use_multipart=False)
        self._check_arrival(md5, data, done["e_tag"])

    def _check_arrival(self, md5: str, data: bytes, tag: str | None) -> None:
        """Compare what the store says it took: S3's entity tag is the md5, unless it encrypts with keys of its own."""
        import obstore

        plain = md5.removesuffix(".dir")
        said = (tag or "").strip('"')
        if not self._tags_are_md5 or said == plain or _MD5.fullmatch(said) is None:
            return
        for _ in range(_ROUNDS):
            if bytes(obstore.get(self._store, self._path(md5)).bytes()) == data:
                self._tags_are_md5 = False
                return
            tag = obstore.put(self._store, self._path(md5), data, use_multipart=False)["e_tag"]
            if (tag or "").strip('"') == plain:
                return
        obstore.delete(self._store, self._path(md5))
        raise StorageError(
            f"cannot write to the remote '{self.name}' ({self.url}): what arrives there is not what was sent",
            hint="check the network, and whether something in between rewrites what passes",
            md5=md5,
        )

    def _get(self, md5: str, target: Path, moved: Moved) -> tuple[str, int]:
        import obstore

        answer = obstore.get(self._store, self._path(md5))
        size = int(answer.meta["size"])
        if size <= PART:
            data = answer.bytes()
            found = hashlib.md5(data, usedforsecurity=False).hexdigest()
            _write(target, [data], md5)
            moved(len(data))
            return found, len(data)
        del answer
        hasher = hashlib.md5(usedforsecurity=False)

        def parts() -> Iterator[bytes]:
            for part in ahead(lambda start: self._part(md5, start, size), range(0, size, PART), requests=_PARTS_AHEAD):
                hasher.update(part)
                moved(len(part))
                yield part

        with self._large:
            _write(target, parts(), md5)
        return hasher.hexdigest(), size

    def _part(self, md5: str, start: int, size: int) -> bytes:
        import obstore

        end = min(start + PART, size)
        return self._patiently(
            "read from", lambda: bytes(obstore.get_range(self._store, self._path(md5), start=start, end=end)), md5=md5
        )

    def _ask(self, wanted: Collection[str]) -> dict[str, int]:
        try:
            return {md5: size for md5, size in in_flight(self._size, list(wanted)) if size is not None}
        except StorageError as error:
            if "403" in error.message:
                self._list(
                    "none"
                )  # a refused question for one object comes without the reason; a refused listing says it
            raise

    def _size(self, md5: str) -> int | None:
        import obstore

        try:
            return self._patiently(
                "look into", lambda: int(obstore.head(self._store, self._path(md5))["size"]), md5=md5
            )
        except NotFound:
            return None

    def _list(self, folder: str) -> list[ObjectMeta]:
        import obstore

        prefix = f"{self._folder}/{folder}".rstrip("/")
        return self._patiently(
            "list", lambda: [item for part in obstore.list(self._store, prefix, chunk_size=1000) for item in part]
        )

    def _listed(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects in one of the 256 folders, or in all, by path."""
        if self._signed is not None:
            from mainspring.store.remotes.listing import sizes_below  # with what speaks HTTP

            timeout = milliseconds(self._settings.timeout) / 1000
            found = sizes_below(self._signed, f"{self._folder}/{folder}/".replace("//", "/"), timeout=timeout)
            if found is not None:
                return found
        return {item["path"]: item["size"] for item in self._list(folder)}

    def _path(self, md5: str) -> str:
        return f"{self._folder}/{md5[:2]}/{md5[2:]}"

    def _address(self, path: str) -> str:
        """Return the address of an object by its path; of anything else, what is none."""
        start = len(self._folder) + 1
        return path[start : start + 2] + path[start + 3 :]

    def _patiently(self, doing: str, request: Callable[[], Result], *, md5: str | None = None) -> Result:
        """Make a request once or twice more where that may help and the store's client has not tried it again itself."""
        from obstore.exceptions import BaseError

        for attempt in range(1, _ROUNDS + 1):
            try:
                return request()
            except MainspringError:
                raise
            except (FileNotFoundError, BaseError) as error:
                missing = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error)
                if missing and md5 is not None:
                    raise NotFound(f"the object {md5} is not on the remote '{self.name}'", md5=md5) from None
                if attempt == _ROUNDS or _TRIED.search(str(error)) or not is_passing(error):
                    raise explained(error, remote=self.name, url=self.url, doing=doing) from None
                import random

                time.sleep(random.uniform(0.5, 1) * attempt)  # noqa: S311 - clients should not come back all at once
        raise AssertionError("the last round returns or raises")


def _delete(store: ObjectStore, paths: list[str]) -> None:
    """Remove objects, also from stores that stop at the first that is not there."""
    import obstore

    def alone(path: str) -> None:
        with suppress(FileNotFoundError):
            obstore.delete(store, path)

    try:
        obstore.delete(store, paths)
    except FileNotFoundError:
        for _ in in_flight(alone, paths):
            pass


def _read(source: Path) -> tuple[int, bytes | None]:
    """Return the size of a file, and its content unless that is too large for one request."""
    descriptor = os.open(source, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        return size, os.read(descriptor, size + 1) if size <= PART else None
    finally:
        os.close(descriptor)


def _write(target: Path, parts: Iterable[Buffer], md5: str) -> None:
    """Write a file as objects are: read-only, and sealed."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, 0o444)
        put_seal(descriptor, md5)
    finally:
        os.close(descriptor)
