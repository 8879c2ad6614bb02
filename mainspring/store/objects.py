"""Content-addressed files and folders, in the layout of DVC 3's cache (``files/md5/xx/…``)."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mainspring.base.errors import Corrupted, InvalidData, NotFound, StorageError
from mainspring.base.files import disk_error, staged
from mainspring.base.hashing import md5_bytes, md5_file
from mainspring.base.ids import new_id
from mainspring.store.listings import Entry, parse_listing
from mainspring.store.seals import put_seal, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mainspring.store.intake import Taken
    from mainspring.store.links import Linker

Told = TypeVar("Told")
_TOGETHER = 16_384
"""So many files are made durable at once."""
_TOLD = 256
_NAME = re.compile(r"[0-9a-f]{30}(?:\.dir)?")


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What was stored: its address, bytes and number of files."""

    md5: str
    size: int
    files: int


class Objects:
    """The objects of a workspace, in one folder.

    Whatever ``put`` returned is durable and readable for ever; storing the same content again changes nothing. What is
    read is compared with its address first: damaged bytes are moved to ``quarantine/`` and never returned.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "files" / "md5"
        self._folder = str(self.files)

    def path(self, md5: str) -> Path:
        """Return where an object lives, whether it exists or not."""
        return Path(self.place(md5))

    def place(self, md5: str) -> str:
        """Return the same as text, for thousands of them."""
        return f"{self._folder}/{md5[:2]}/{md5[2:]}"

    def has(self, md5: str) -> bool:
        """Say whether the object is there (and, of a folder, all of its files)."""
        if not self.path(md5).is_file():
            return False
        return not md5.endswith(".dir") or all(os.path.isfile(self.place(entry.md5)) for entry in self.listing(md5))

    def put_bytes(self, data: bytes, *, suffix: str = "") -> str:
        """Store bytes and return their address."""
        md5 = md5_bytes(data) + suffix
        if not self.intact(md5, len(data)):
            with staged(self.path(md5)) as temporary:
                with open(temporary, "xb", opener=lambda place, flags: os.open(place, flags, 0o444)) as file:
                    file.write(data)
                put_seal(str(temporary), md5)
        return md5

    def put_file(self, source: Path) -> Stored:
        """Store a file, read once."""
        [stored] = self.put_files([source])
        return stored

    def put_files(
        self,
        sources: Iterable[Path | str],
        *,
        linker: Linker | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> list[Stored]:
        """Store files; when it returns, all of them are durable. Two disk barriers serve thousands of files.

        ``linker`` says how the bytes get there; by default they are copied. What is hard-linked becomes read-only.
        ``tick`` is told now and then how many files were read.
        """
        from mainspring.store.links import Linker  # who only looks needs none

        linker = linker or Linker(["copy"])
        stored: list[Stored] = []
        remaining = iter(sources)
        while batch := [os.fspath(source) for source in islice(remaining, _TOGETHER)]:
            self._put_batch(batch, linker, stored, tick)
        return stored

    def _put_batch(
        self, sources: list[str], linker: Linker, stored: list[Stored], tick: Callable[[int], None] | None
    ) -> None:
        from mainspring.store.intake import link_all, settle, take_all, vanished

        incoming = self.root / "incoming" / new_id()
        waiting: dict[str, Taken] = {}
        try:
            incoming.mkdir(parents=True)
            for taken in take_all(sources, str(incoming), linker):
                stored.append(Stored(md5=taken.md5, size=taken.size, files=1))
                if taken.md5 not in waiting and not self.intact(taken.md5, taken.size):
                    waiting[taken.md5] = taken
                if tick is not None and len(stored) % _TOLD == 0:
                    tick(len(stored))
            if linker.used == "hardlink":
                link_all([(taken, self.place(md5)) for md5, taken in waiting.items()], str(incoming))
            else:
                settle([(taken.place, self.place(md5)) for md5, taken in waiting.items()])
        except OSError as error:
            if error.filename2 is None and error.filename in sources:
                if isinstance(error, FileNotFoundError):
                    raise vanished(error.filename) from error
                raise disk_error(error, Path(error.filename), doing="read") from error
            raise disk_error(error, self.root) from error
        finally:
            import shutil  # seldom needed, and slow to load

            shutil.rmtree(incoming, ignore_errors=True)

    def put_folder(self, files: dict[str, Path]) -> Stored:
        """Store a folder given as relative POSIX path → file; the listing comes last, so no reader sees half of it."""
        names = sorted(files)
        stored = self.put_files(files[name] for name in names)
        entries = [Entry(name, item.md5) for name, item in zip(names, stored, strict=True)]
        return self.put_listing(entries, sum(item.size for item in stored))

    def put_listing(self, entries: list[Entry], size: int) -> Stored:
        """Store the listing of a folder whose files are stored already."""
        import json

        rows = sorted(
            ({"md5": entry.md5, "relpath": entry.relpath} for entry in entries), key=lambda row: row["relpath"]
        )
        md5 = self.put_bytes(json.dumps(rows, sort_keys=True).encode(), suffix=".dir")
        return Stored(md5=md5, size=size, files=len(entries))

    def listing(self, md5: str) -> list[Entry]:
        """Return the files of a stored folder, sorted by path.

        Raises:
            Corrupted: the listing is damaged, or names paths outside its folder.
        """
        return parse_listing(self.read_bytes(md5), md5)

    def read_bytes(self, md5: str) -> bytes:
        """Return an object's bytes, checked.

        Raises:
            NotFound: it is not there.
            Corrupted: its bytes are not those that were stored, or it is no file; it was moved to quarantine.
            StorageError: it cannot be read.
        """
        self._status(md5)
        try:
            data = self.path(md5).read_bytes()
        except FileNotFoundError:
            raise self._missing(md5) from None
        except OSError as error:
            raise disk_error(error, self.path(md5), doing="read") from error
        if md5_bytes(data) != md5.removesuffix(".dir"):
            raise self._quarantine(md5)
        return data

    def restore(self, md5: str, target: Path, *, mode: int | None = None) -> None:
        """Put a stored file at ``target``, or a stored folder below it, checked while it is copied.

        Files that are there under the same names are replaced one by one, each whole; other files stay.
        """
        if md5.endswith(".dir"):
            entries = self.listing(md5)
            target.mkdir(parents=True, exist_ok=True)
            for entry in entries:
                self.restore(entry.md5, target / entry.relpath, mode=mode)
            return
        from mainspring.store.copying import copy_hashing

        self._status(md5)
        with staged(target, mode=mode) as temporary:
            try:
                found, _ = copy_hashing(self.path(md5), temporary, mode=0o666 if mode is None else 0o600)
            except FileNotFoundError:
                raise self._missing(md5) from None
            if found != md5:
                raise self._quarantine(md5)

    def verify(self, md5s: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
        """Re-hash objects (all by default) and give ``(address, problem)`` for each bad one; damaged ones are quarantined."""
        for md5 in self.addresses() if md5s is None else md5s:
            try:
                self.check(md5)
            except (Corrupted, NotFound) as error:
                yield md5, error.message

    def check(self, md5: str) -> None:
        """Re-hash one object.

        Raises:
            NotFound, Corrupted, StorageError: as ``read_bytes``.
        """
        self._status(md5)
        path = self.path(md5)
        try:
            found = md5_file(path)
        except OSError as error:
            raise disk_error(error, path, doing="read") from error
        if found != md5.removesuffix(".dir"):
            raise self._quarantine(md5)

    def addresses(self) -> Iterator[str]:
        """Give the address of every object that is there; what else lies among them is none of ours."""
        for folder in sorted(self.files.glob("[0-9a-f][0-9a-f]")):
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                raise disk_error(error, folder, doing="read") from error
            yield from (folder.name + name for name in names if _NAME.fullmatch(name))

    def sound(self, md5: str) -> os.stat_result:
        """Return the status of an object that is believed: by its seal, or else by hashing it, which seals it.

        Raises:
            NotFound, Corrupted, StorageError: as ``read_bytes``.
        """
        status = self._status(md5)
        if sealed(status.st_mtime_ns, md5):
            return status
        self.check(md5)
        path = self.place(md5)
        with suppress(OSError):  # a colleague's file, or a disk that is only read
            put_seal(path, md5)
        return os.stat(path)

    def all_sound(self, md5s: Iterable[str], told: Callable[[os.stat_result], Told]) -> dict[str, Told]:
        """Return what ``told`` takes from the status of each object, as ``sound`` gives it; thousands of statuses are large.

        Raises:
            NotFound, Corrupted, StorageError: as ``sound``.
        """
        return {md5: told(self.sound(md5)) for md5 in sorted(set(md5s))}

    def is_sound(self, md5: str) -> bool:
        """Say whether an object is there and believed, as by ``sound``; a damaged one is set aside."""
        try:
            self.sound(md5)
        except (NotFound, Corrupted, StorageError, OSError):  # one that we may not read is as good as none
            return False
        return True

    def intact(self, md5: str, size: int) -> bool:
        """Say whether an object is there, sound and of that size; a damaged one is set aside.

        What is found counts as young again, so that no collection takes it away before a row names it.
        """
        path = self.place(md5)
        if not os.path.lexists(path):
            return False
        try:
            self.sound(md5)
            put_seal(path, md5)
            return os.stat(path).st_size == size
        except (NotFound, Corrupted, StorageError, OSError):  # a colleague's, whose age cannot be set, is written again
            return False

    def _status(self, md5: str) -> os.stat_result:
        """Return the status of an object, taken out of the trash if need be; what is no file is set aside.

        Raises:
            NotFound, Corrupted, StorageError: as ``read_bytes``.
        """
        place = self.place(md5)
        try:
            try:
                status = os.stat(place)
            except FileNotFoundError:
                self._recover(md5)
                status = os.stat(place)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(md5) from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise disk_error(error, self.path(md5), doing="read") from error
            raise self._quarantine(md5) from None
        if not stat.S_ISREG(status.st_mode):
            raise self._quarantine(md5)
        return status

    def _recover(self, md5: str) -> None:
        """Take an object that is needed after all back from the trash."""
        if not self.path(md5).exists():
            for taken in self.root.glob(f"trash/*/{md5}"):
                self.path(md5).parent.mkdir(parents=True, exist_ok=True)
                taken.replace(self.path(md5))

    def _missing(self, md5: str) -> NotFound:
        hint = "fetch it from a remote (mainspring data verify --heal), or add the data again"
        return NotFound(f"the object {md5} is not in the store", hint=hint, md5=md5)

    def _quarantine(self, md5: str) -> Corrupted:
        """Set a damaged object aside and return the error that says so. One that was healed just now goes back."""
        place = self.path(md5)
        aside = self.root / "quarantine" / f"{md5}.{new_id()[-8:]}"
        hint = "add the same data again (it heals the store), or restore the object from a backup"
        said = f"the object {md5} is damaged"
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(place, aside)
        except FileNotFoundError:
            return Corrupted(f"{said}; another process has set it aside", hint=hint, md5=md5)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            hint = f"remove {place} (lsattr says whether it is immutable), then {hint}"
            return Corrupted(f"{said}, and cannot be moved to quarantine: {reason}", hint=hint, md5=md5)
        if aside.is_file() and md5_file(aside) == md5.removesuffix(".dir"):
            os.replace(aside, place)
            return Corrupted(f"{said} no more: it was healed just now", hint="run the same command again", md5=md5)
        return Corrupted(f"{said}; it was moved to {aside}", hint=hint, md5=md5, aside=str(aside))


def walk(folder: Path, *, ignore: Iterable[str] = (".git", ".mainspring", "__pycache__")) -> dict[str, Path]:
    """Return the regular files below a folder as relative POSIX path → file; links to files are followed.

    Raises:
        InvalidData: a link leads nowhere.
    """
    skipped = set(ignore)
    files: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in names:
            path = Path(parent, name)
            if not path.is_file():
                raise InvalidData(f"{path} is no regular file", hint="remove it, or replace it by what it points to")
            files[path.relative_to(folder).as_posix()] = path
    return files
