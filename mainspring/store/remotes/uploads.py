"""Objects on their way to a remote, checked when they arrive."""

from __future__ import annotations

import os
import re
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mainspring.base.errors import Corrupted, StorageError
from mainspring.base.hashing import md5_bytes, md5_file
from mainspring.store.remotes import local
from mainspring.store.remotes.parts import LARGE, PART, PARTS_AHEAD
from mainspring.store.remotes.remote import unseen
from mainspring.store.remotes.s3 import takes_signed_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from obstore.store import S3Store

    from mainspring.store.remotes.remote import Moved, Remote

_ROUNDS = 3
_MD5 = re.compile("[0-9a-f]{32}")


def upload(remote: Remote, md5: str, source: str, *, replace: bool = False, moved: Moved = unseen) -> int:
    """Store a file under its address and return its size; what another client stored in the meantime stays.

    ``moved`` is called with the bytes that went, now and then.

    Raises:
        FileNotFoundError: there is no such file.
        Corrupted: its content is not what its address says; nothing was stored.
        StorageError: the remote did not take it.
    """
    data = local.read(source, PART)
    found = md5_file(Path(source)) if data is None else md5_bytes(data)
    if found != md5.removesuffix(".dir"):
        raise Corrupted(f"the object {md5} is damaged here", hint="mainspring data verify --heal", md5=md5)
    if data is None:
        remote.patiently("write to", lambda: _put_parts(remote, md5, source, moved))
        return os.path.getsize(source)
    file = remote.file(md5)
    if file is None or not local.write(file, data):
        remote.patiently("write to", lambda: _put(remote, md5, data, replace=replace))
    moved(len(data))
    return len(data)


def upload_directly(
    remote: Remote, md5s: Iterable[str], source: Callable[[str], str], *, requests: int, moved: Moved = unseen
) -> Generator[tuple[str, int]]:
    """Upload many small files past the store's client, at half the cost, and give address and size of each.

    Those are given that are there now. What becomes of the others ``upload`` says, and also where this cannot be done.

    Raises:
        StorageError: what arrives is not what was sent.
    """
    if not takes_signed_uploads(remote.settings):
        return
    from mainspring.store.remotes.direct import STORED, Upload, uploaded  # with an event loop

    def read() -> Iterator[Upload]:
        for md5 in md5s:
            plain = md5.removesuffix(".dir")
            with suppress(OSError):
                data = local.read(source(md5), PART)
                if data is not None and md5_bytes(data) == plain:
                    yield Upload(remote.path(md5), data, plain)

    timeout, ca_file = remote.timeout, remote.settings.ca_file
    way = partial(
        uploaded, cast("S3Store", remote.store), create=remote.takes_conditions, timeout=timeout, ca_file=ca_file
    )
    with closing(way(read(), requests=requests)) as done:
        for upload, answer in done:
            md5 = remote.address(upload.path)
            if answer.status == STORED:
                _check_arrival(remote, md5, upload.data, answer.e_tag)
            moved(len(upload.data))
            yield md5, len(upload.data)


def _put_parts(remote: Remote, md5: str, source: str, moved: Moved) -> None:
    import obstore

    def parts() -> Iterator[bytes]:
        with open(source, "rb") as file:
            while part := file.read(PART):
                yield part
                moved(len(part))

    with LARGE:
        obstore.put(remote.store, remote.path(md5), parts(), chunk_size=PART, max_concurrency=PARTS_AHEAD)


def _put(remote: Remote, md5: str, data: bytes, *, replace: bool) -> None:
    import obstore
    from obstore.exceptions import AlreadyExistsError, NotSupportedError

    if remote.takes_conditions and not replace:
        try:
            done = obstore.put(remote.store, remote.path(md5), data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return
        except NotSupportedError:
            remote.takes_conditions = False
        else:
            _check_arrival(remote, md5, data, done["e_tag"])
            return
    done = obstore.put(remote.store, remote.path(md5), data, use_multipart=False)
    _check_arrival(remote, md5, data, done["e_tag"])


def _check_arrival(remote: Remote, md5: str, data: bytes, tag: str | None) -> None:
    """Compare what the store says it took: S3's entity tag is the md5, unless it encrypts with keys of its own."""
    import obstore

    plain = md5.removesuffix(".dir")
    said = (tag or "").strip('"')
    if not remote.tags_are_md5 or said == plain or _MD5.fullmatch(said) is None:
        return
    for _ in range(_ROUNDS):
        if bytes(obstore.get(remote.store, remote.path(md5)).bytes()) == data:
            remote.tags_are_md5 = False
            return
        tag = obstore.put(remote.store, remote.path(md5), data, use_multipart=False)["e_tag"]
        if (tag or "").strip('"') == plain:
            return
    obstore.delete(remote.store, remote.path(md5))
    raise StorageError(
        f"cannot write to the remote '{remote.name}' ({remote.url}): what arrives there is not what was sent",
        hint="check the network, and whether something in between rewrites what passes",
        md5=md5,
    )
