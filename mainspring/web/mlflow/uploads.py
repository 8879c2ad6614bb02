"""Files that come in several parts: each part is kept until the upload is completed or given up."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from mainspring.base.errors import Conflict, InvalidData, NotFound
from mainspring.base.files import staged, write_atomic
from mainspring.base.ids import new_id
from mainspring.store.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace

_ID = re.compile("[0-9a-f]{32}")
_PARTS = 10_000
_PIECE = 1 << 20


class Upload(msgspec.Struct, frozen=True):
    """What is to be uploaded: a path of a run or a logged model, in a number of parts."""

    owner_id: str
    path: str
    parts: int


def begin(workspace: Workspace, upload: Upload) -> str:
    """Prepare an upload and return its id.

    Raises:
        InvalidData: there are too many parts, or none.
    """
    if not 1 <= upload.parts <= _PARTS:
        raise InvalidData(f"an upload has between 1 and {_PARTS} parts, not {upload.parts}")
    upload_id = new_id()
    write_atomic(_folder(workspace, upload_id) / "upload.json", msgspec.json.encode(upload), mode=0o600)
    return upload_id


class PartFile:
    """A part on its way to the disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hasher = hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes) -> None:
        """Take some bytes."""
        self._hasher.update(data)
        self._file.write(data)

    @property
    def etag(self) -> str:
        """The md5 of what was taken."""
        return self._hasher.hexdigest()


@contextmanager
def receiving(workspace: Workspace, upload_id: str, number: int) -> Iterator[PartFile]:
    """Give what takes a part; left without an error, the part is durable. Sent again, it replaces the one before.

    Raises:
        NotFound: there is no such upload, or no such part.
        StorageError: the disk is full.
    """
    upload = _opened(workspace, upload_id)
    if not 1 <= number <= upload.parts:
        raise NotFound(f"the upload {upload_id} has no part {number}")
    with staged(_folder(workspace, upload_id) / str(number), mode=0o600) as temporary, temporary.open("wb") as file:
        yield PartFile(file)


def complete(workspace: Workspace, upload_id: str, owner_id: str, path: str, etags: dict[int, str]) -> Stored:
    """Store the parts, joined in their order, as one object; ``give_up`` removes them afterwards.

    Raises:
        NotFound: there is no such upload.
        Conflict: a part is missing, or not the one that the client sent.
    """
    upload = _opened(workspace, upload_id)
    if (upload.owner_id, upload.path) != (owner_id, path):
        raise NotFound(f"there is no upload {upload_id} of '{path}'")
    with Sink(workspace.objects) as sink:
        for number in range(1, upload.parts + 1):
            hasher = hashlib.md5(usedforsecurity=False)
            try:
                with (_folder(workspace, upload_id) / str(number)).open("rb") as part:
                    while piece := part.read(_PIECE):
                        hasher.update(piece)
                        sink.write(piece)
            except FileNotFoundError:
                raise Conflict(f"part {number} of {upload.parts} is missing", hint="send it, then complete") from None
            if etags.get(number, hasher.hexdigest()).strip('"') != hasher.hexdigest():
                raise Conflict(f"part {number} is not the one that was sent", hint="send it again, then complete")
        return sink.keep()


def give_up(workspace: Workspace, upload_id: str) -> None:
    """Remove an upload and its parts.

    Raises:
        NotFound: there is no such upload.
    """
    _opened(workspace, upload_id)
    shutil.rmtree(_folder(workspace, upload_id), ignore_errors=True)


def _opened(workspace: Workspace, upload_id: str) -> Upload:
    if _ID.fullmatch(upload_id):
        try:
            return msgspec.json.decode((_folder(workspace, upload_id) / "upload.json").read_bytes(), type=Upload)
        except FileNotFoundError:
            pass
    raise NotFound(f"there is no upload '{upload_id[:64]}'", hint="it was completed, given up, or is older than a day")


def _folder(workspace: Workspace, upload_id: str) -> Path:
    return workspace.objects.root / "uploads" / upload_id
