"""Metric points as bytes: a batch of any metrics as they were logged, and a part of one metric's curve.

Both layouts begin with their version, hold columns one after the other, and are little-endian whatever the machine is.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.base.errors import Corrupted
from mainspring.tracking.strides import pack_strides, unpack_strides

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
    Values = np.ndarray[tuple[int], np.dtype[np.float64]]

_VERSION = 1
_CURVE_VERSION = 2
"""In the first layout of a curve its three columns lay there as they are; what was written so is still read."""
_BATCH = struct.Struct("<BII")
_CURVE = struct.Struct("<BI")


class Columns(NamedTuple):
    """Points of one metric as columns of one length; ``at`` is in milliseconds since 1970."""

    steps: Numbers
    at: Numbers
    values: Values

    def rows(self, chosen: Any) -> Columns:
        """Return the points that a slice, a mask or numbers of rows choose."""
        return Columns(self.steps[chosen], self.at[chosen], self.values[chosen])


def pack_batch(points: Sequence[tuple[str, int, int, float]]) -> bytes:
    """Return ``(key, step, at, value)`` points as bytes.

    >>> [key for key, _ in unpack_batch(pack_batch([("loss", 0, 5, 0.5), ("auc", 0, 5, 0.9), ("loss", 1, 6, 0.4)]))]
    ['loss', 'auc']
    """
    numbers: dict[str, int] = {}
    which = array("I", [numbers.setdefault(point[0], len(numbers)) for point in points])
    names = msgspec.msgpack.encode(list(numbers))
    columns: list[array[Any]] = [
        which,
        array("q", [point[1] for point in points]),
        array("q", [point[2] for point in points]),
        array("d", [point[3] for point in points]),
    ]
    return _BATCH.pack(_VERSION, len(points), len(names)) + names + b"".join(map(_bytes, columns))


def keys_of(payload: bytes) -> list[str]:
    """Return the metrics that a batch holds points of."""
    _, names = _batch_head(payload)
    return msgspec.msgpack.decode(payload[_BATCH.size : _BATCH.size + names], type=list[str])


def unpack_batch(payload: bytes, only: str | None = None) -> list[tuple[str, Columns]]:
    """Return the points of a batch by metric, or those of one, each in the order in which they were logged."""
    import numpy as np

    count, names = _batch_head(payload)
    keys = keys_of(payload)
    if only is not None and only not in keys:
        return []
    start = _BATCH.size + names
    which = np.frombuffer(payload, "<u4", count, start)
    steps, at, values = _columns(payload, count, start + 4 * count)
    if len(keys) == 1:
        return [(keys[0], Columns(steps, at, values))]
    wanted = [(keys.index(only), only)] if only is not None else list(enumerate(keys))
    chosen = ((key, which == number) for number, key in wanted) if len(wanted) < 8 else _grouped(which, keys)
    return [(key, Columns(steps, at, values).rows(rows)) for key, rows in chosen]


def pack_curve(columns: Columns) -> bytes:
    """Return a part of a curve as bytes.

    >>> import numpy as np
    >>> unpack_curve(pack_curve(Columns(np.array([1]), np.array([7]), np.array([0.5])))).values.tolist()
    [0.5]
    """
    values = columns.values.astype("<f8", copy=False).tobytes()
    head = _CURVE.pack(_CURVE_VERSION, len(columns.steps))
    return head + pack_strides(columns.steps) + pack_strides(columns.at) + values


def unpack_curve(payload: bytes) -> Columns:
    """Return the points of a part of a curve."""
    import numpy as np

    version, count = _CURVE.unpack_from(payload)
    if version == 1:
        return _columns(payload, count, _CURVE.size)
    _check(version, _CURVE_VERSION)
    steps, end = unpack_strides(payload, count, _CURVE.size)
    at, end = unpack_strides(payload, count, end)
    return Columns(steps, at, np.frombuffer(payload, "<f8", count, end))


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the points of several parts, one after the other."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Columns(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
    return Columns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def rising(numbers: Numbers) -> bool:
    """Say whether each number is larger than the one before."""
    return bool((numbers[1:] > numbers[:-1]).all())


def _batch_head(payload: bytes) -> tuple[int, int]:
    version, count, names = _BATCH.unpack_from(payload)
    _check(version)
    return count, names


def _columns(payload: bytes, count: int, start: int) -> Columns:
    import numpy as np

    width = 8 * count
    return Columns(
        np.frombuffer(payload, "<i8", count, start),
        np.frombuffer(payload, "<i8", count, start + width),
        np.frombuffer(payload, "<f8", count, start + 2 * width),
    )


def _grouped(which: Numbers, keys: Sequence[str]) -> Iterable[tuple[str, Numbers]]:
    """Give the rows of every key, with one sort for all of them."""
    import numpy as np

    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(keys)), side="right")
    return zip(keys, np.split(order, ends[:-1]), strict=True)


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _check(version: int, known: int = _VERSION) -> None:
    if version != known:
        raise Corrupted(
            f"metric points are written in layout {version}, this version of mainspring knows {known}",
            hint="upgrade mainspring, if a newer one wrote them; else restore the database from a backup",
        )
