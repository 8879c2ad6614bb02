"""Objects of S3, GCS and Azure as sources: one, or all below a prefix."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from mainspring.base.errors import InvalidData, MainspringError, NotFound, StorageError
from mainspring.base.names import names_elsewhere
from mainspring.store.remotes.failures import is_passing, reason
from mainspring.store.remotes.opening import open_store
from mainspring.store.remotes.parts import PART, PARTS_AHEAD
from mainspring.store.remotes.traffic import ahead, in_flight
from mainspring.store.sources.arriving import write_hashed
from mainspring.store.sources.seen import Seen, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from obstore import GetOptions, ObjectMeta
    from typing_extensions import Buffer

    from mainspring.base.settings.schema import RemoteSettings
    from mainspring.store.sources.seen import Moved

Result = TypeVar("Result")

_ROUNDS = 3
_MD5_DIGITS = 32


class Bucket:
    """An object, or those below a prefix. ``settings`` say how the store is reached; the key is in their ``url``."""

    key = "etag"

    def __init__(self, address: str, settings: RemoteSettings, root: Path) -> None:
        self.address = address
        place = urlsplit(settings.url, allow_fragments=False)
        self._kind = place.scheme
        self._key = place.path.lstrip("/")
        self._store = open_store(settings, root)

    def look(self, *, versions: bool = False) -> dict[str, Seen]:
        """Return the files, as every source does. One object alone comes before those below its name, but after a slash."""
        key = self._key.rstrip("/")
        alone = self._head(key) if key and not self._key.endswith("/") else None
        if alone is not None:
            return {"": self._seen(alone)}
        found = {item["path"][len(key) :].lstrip("/"): item for item in self._list(key)}
        for name in [name for name in found if _may_be_marker(name, found)]:
            del found[name]
        for name in found:
            if names_elsewhere(name):
                raise InvalidData(
                    f"{self.address} has an object '{name}', which is no path below a folder",
                    hint="name a file, or a prefix without such objects",
                    address=self.address,
                )
        empty = [name for name, item in found.items() if not item["size"]]  # or what stands for an empty folder
        asked = list(found) if versions or self._kind == "gs" else empty
        for name, item in in_flight(lambda name: self._head(self._path(name)), asked):
            if item is None:
                del found[name]
            else:
                found[name] = item
        if not found:
            raise NotFound(
                f"there is nothing at {self.address}",
                hint="check the address; a prefix ends where a folder would",
                address=self.address,
            )
        return {name: self._seen(found[name]) for name in sorted(found)}

    def read(self, name: str, seen: Seen, target: Path, moved: Moved) -> tuple[str, int]:
        """Write a file, as every source does."""
        options: GetOptions = (
            {"version": seen.version} if seen.version else {"if_match": _quoted(seen.tag or seen.etag)}
        )
        if self._kind == "gs" and not seen.version:
            options = {}
        found, size = self._get(name, seen, options, target, moved)
        if self._kind == "s3" and len(seen.etag) == _MD5_DIGITS and found != seen.etag:  # damaged, or encrypted there
            target.unlink()
            again, _ = self._get(name, seen, options, target, moved)
            if again != found:
                raise StorageError(
                    f"{self._shown(name)} came differently each time",
                    hint="check the network, then run the same command again",
                    address=self.address,
                )
        return found, size

    def _get(self, name: str, seen: Seen, options: GetOptions, target: Path, moved: Moved) -> tuple[str, int]:
        import obstore

        path = self._path(name)

        def part(start: int, end: int) -> Buffer:
            given: GetOptions = {**options, "range": (start, end)} if end > start else options
            data = self._asked(lambda: bytes(obstore.get(self._store, path, options=given).bytes()), name)
            if len(data) != end - start:
                raise changed(self.address, name)
            return data

        def parts(size: int) -> Iterator[Buffer]:
            if size <= PART:
                yield part(0, size)
                return
            spans = [(start, min(start + PART, size)) for start in range(0, size, PART)]
            yield from ahead(lambda span: part(*span), spans, requests=PARTS_AHEAD)

        size = seen.size
        if size is None:  # a pointer that does not say it
            item = self._head(path)
            if item is None:
                raise self._missing(name)
            size = item["size"]
        return write_hashed(target, parts(size), moved)

    def _head(self, path: str) -> ObjectMeta | None:
        import obstore

        try:
            return self._asked(lambda: obstore.head(self._store, path), path)
        except NotFound:
            return None

    def _list(self, key: str) -> list[ObjectMeta]:
        import obstore

        return self._asked(
            lambda: [item for part in obstore.list(self._store, key or None, chunk_size=1000) for item in part], key
        )

    def _seen(self, item: ObjectMeta) -> Seen:
        tag, version = item["e_tag"] or "", item["version"]
        version = None if version == "null" else version
        etag = tag.strip('"')
        if self._kind == "gs":
            etag = _google_tag(version) if version else etag
        elif self._kind in ("az", "azure"):
            etag = f'"{etag}"'
        return Seen(etag=etag, size=item["size"], version=version, tag=tag or None)

    def _asked(self, request: Callable[[], Result], name: str) -> Result:
        """Make a request, once or twice more where that may help.

        Raises:
            NotFound, Conflict, StorageError: as ``look`` and ``read``.
        """
        from obstore.exceptions import BaseError, PreconditionError

        for attempt in range(1, _ROUNDS + 1):
            try:
                return request()
            except MainspringError:
                raise
            except PreconditionError:
                raise changed(self.address, name) from None
            except (FileNotFoundError, BaseError) as error:
                if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                    raise self._missing(name) from None
                if attempt == _ROUNDS or not is_passing(error):
                    said, hint = reason(error)
                    raise StorageError(f"cannot read {self.address}: {said}", hint=hint, address=self.address) from None
                time.sleep(random.uniform(0.5, 1) * attempt)  # noqa: S311 - clients should not come back all at once
        raise AssertionError("the last round returns or raises")

    def _path(self, name: str) -> str:
        return "/".join(filter(None, (self._key.rstrip("/"), name)))

    def _shown(self, name: str) -> str:
        return "/".join(filter(None, (self.address.rstrip("/"), name)))

    def _missing(self, name: str) -> NotFound:
        return NotFound(f"there is no {self._shown(name)}", hint="check the address", address=self.address)


def _may_be_marker(name: str, found: dict[str, ObjectMeta]) -> bool:
    """Say whether an object without content is one that some tools make where a folder begins."""
    return not found[name]["size"] and (not name or any(other.startswith(f"{name}/") for other in found))


def _quoted(tag: str) -> str:
    return tag if tag.endswith('"') else f'"{tag}"'


def _google_tag(generation: str) -> str:
    """Return the entity tag that Google's JSON interface has for a generation whose metadata were never changed.

    DVC writes its bytes, in hexadecimal; the other interface, which is used here, has other tags. It is a protocol buffer of
    generation and count of changes.

    >>> _google_tag("1720889888465538")
    '0882c5ffb3bea487031001'
    """
    number, digits = int(generation), bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return b"".join((b"\x08", bytes(digits), bytes([number]), b"\x10\x01")).hex()
