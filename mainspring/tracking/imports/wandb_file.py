"""The ``.wandb`` files that W&B's client writes: records of protobuf in the frames of LevelDB's log."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER = b":W&B"
_START = 7
_BLOCK = 32_768
_FRAME = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4

Message = dict[int, list[int | bytes]]
"""The fields of a protobuf message by number: numbers, and bytes of texts and messages."""


def records(path: Path) -> Iterator[Message]:
    """Give the records of a file in order.

    Raises:
        InvalidData: it is no such file, or is damaged; of a file that ends too soon, everything before was given.
    """
    for frame in _frames(path):
        yield message(frame)


def message(data: bytes) -> Message:
    """Return the fields of a protobuf message.

    >>> message(bytes([8, 3, 18, 2]) + b"hi")
    {1: [3], 2: [b'hi']}

    Raises:
        InvalidData: that is none.
    """
    fields: Message = {}
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            kind = tag & 7
            value: int | bytes
            if kind == 0:
                value, at = _varint(data, at)
            else:
                size = 8 if kind == 1 else 4
                if kind == 2:
                    size, at = _varint(data, at)
                elif kind not in (1, 5):
                    raise InvalidData(f"a record has a field of the unknown kind {kind}")
                value, at = data[at : at + size], at + size
            fields.setdefault(tag >> 3, []).append(value)
    except IndexError:
        raise InvalidData("a record ends in the middle of a field") from None
    return fields


def text(fields: Message, number: int) -> str:
    """Return a field's text, empty if it is not there."""
    return inner(fields, number).decode(errors="replace")


def inner(fields: Message, number: int) -> bytes:
    """Return the bytes of a field, empty if it is not there."""
    value = fields.get(number, [b""])[-1]
    return value if isinstance(value, bytes) else b""


def inners(fields: Message, number: int) -> list[bytes]:
    """Return the bytes of a field that may stand several times."""
    return [value for value in fields.get(number, ()) if isinstance(value, bytes)]


def whole(fields: Message, number: int) -> int:
    """Return the whole number of a field, 0 if it is not there."""
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >> 63 else value


def moment(fields: Message, number: int) -> int:
    """Return a timestamp in milliseconds since 1970."""
    stamp = message(inner(fields, number))
    return whole(stamp, 1) * 1000 + whole(stamp, 2) // 1_000_000


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _frames(path: Path) -> Iterator[bytes]:
    parts: list[bytes] = []
    with path.open("rb") as file:
        if file.read(_START)[: len(_HEADER)] != _HEADER:
            raise InvalidData(f"{path} is no file of W&B's client")
        at = _START
        while True:
            left = _BLOCK - at % _BLOCK
            if left < _FRAME.size:
                file.read(left)
                at += left
            head = file.read(_FRAME.size)
            if not head:
                break
            if len(head) < _FRAME.size:
                raise _cut(path)
            crc, size, kind = _FRAME.unpack(head)
            data = file.read(size)
            at += _FRAME.size + size
            if len(data) < size:
                raise _cut(path)
            if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or zlib.crc32(data, zlib.crc32(bytes([kind]))) != crc:
                raise InvalidData(f"{path} is damaged at byte {at - size}")
            parts.append(data)
            if kind in (_FULL, _LAST):
                yield b"".join(parts)
                parts = []
    if parts:
        raise _cut(path)


def _cut(path: Path) -> InvalidData:
    return InvalidData(f"{path} ends in the middle of a record, as after a crash; what came before was read")
