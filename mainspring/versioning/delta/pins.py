"""What names one version of a Delta table: in the store, and in a file for git."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import yaml

from mainspring.base.errors import InvalidData
from mainspring.base.files import write_atomic
from mainspring.base.hashing import md5_bytes
from mainspring.base.yamls import parse
from mainspring.versioning.named import said

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.delta.sources import Source

_HEAD = "# The version of a Delta table that this project reads; `mainspring data add` and `data checkout` write it.\n"
_PIN = re.compile(r"pin: \{id: ([^,\s]+), version: (\d+), at: \d+\}")


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a table: ``id`` is the table's, ``at`` the moment of the commit in milliseconds since 1970.

    Versions begin at 0 again when a table is made anew, and a table that was put back from a backup may get other commits of
    the same numbers: all three together name one content.
    """

    id: str
    version: int
    at: int

    def record(self) -> bytes:
        """Return what the store holds of it."""
        return msgspec.json.encode({"delta": self}, order="deterministic")

    @property
    def md5(self) -> str:
        """The address of its record."""
        return md5_bytes(self.record())


def read_record(data: bytes) -> Pin:
    """Read what ``Pin.record`` wrote.

    Raises:
        InvalidData: it is something else.
    """
    try:
        return msgspec.json.decode(data, type=dict[str, Pin])["delta"]
    except (msgspec.DecodeError, KeyError):
        raise InvalidData("this object does not name a version of a Delta table") from None


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What git holds of a table: ``held`` says that this version is read although the table may have newer ones."""

    table: str
    pin: Pin
    held: bool = False


def write_pointer(source: Source, pin: Pin, *, held: bool) -> None:
    """Make the pointer of a table name a version of it."""
    said = yaml.safe_dump({"table": source.shown}, allow_unicode=True, width=10_000)
    text = f"{_HEAD}{said}pin: {{id: {pin.id}, version: {pin.version}, at: {pin.at}}}\nheld: {str(held).lower()}\n"
    if not source.pointer.is_file() or source.pointer.read_text(encoding="utf-8") != text:
        source.pointer.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(source.pointer, text.encode())


def read_pointer(source: Source) -> Pointer | None:
    """Return what the pointer of a table says; None without one.

    Raises:
        InvalidData: it cannot be read.
    """
    try:
        tree = parse(source.pointer.read_text(encoding="utf-8"))
        return msgspec.convert(tree, Pointer)
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidData(
            f"{source.pointer} cannot be read: {str(error).splitlines()[0]}",
            hint=f"resolve the merge conflict, or remove it and `mainspring data add {source.name}`",
            path=str(source.pointer),
        ) from None


def named_in_git(folder: Path) -> dict[str, set[int]]:
    """Return the versions of tables, by their ids, that pointers below ``folder`` name, or that git has or had in any commit.

    Raises:
        StorageError, ExternalToolError: they or git cannot be read, so what is named is not known.
    """
    found: dict[str, set[int]] = {}
    for table_id, version in _PIN.findall(said(folder, lambda name: name.endswith(".delta"), (":(top)*.delta",))):
        found.setdefault(table_id, set()).add(int(version))
    return found
