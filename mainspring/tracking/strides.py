"""Whole numbers that rise by almost the same again and again, such as steps and moments, as few bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

_HEAD = struct.Struct("<qqB")
_WIDTHS = (1, 2, 4, 8)


def pack_strides(numbers: Numbers) -> bytes:
    """Return numbers as their first, their smallest stride, and what each stride is above that.

    Sums wrap around, so that any numbers come back as they were.

    >>> import numpy as np
    >>> packed = pack_strides(np.arange(0, 80_000, 10))
    >>> len(packed), unpack_strides(packed, 8000, 0)[0][-2:].tolist()
    (17, [79980, 79990])
    """
    import numpy as np

    if not len(numbers):
        return _HEAD.pack(0, 0, 0)
    strides = np.diff(numbers.astype(np.int64, copy=False))
    least = strides.min() if len(strides) else np.int64(0)
    above = (strides - least).view(np.uint64)
    most = int(above.max(initial=0))
    width = next(width for width in (0, *_WIDTHS) if most < 1 << 8 * width)
    return _HEAD.pack(int(numbers[0]), int(least), width) + (above.astype(f"<u{width}").tobytes() if width else b"")


def unpack_strides(packed: bytes, count: int, start: int) -> tuple[Numbers, int]:
    """Return ``count`` numbers that lie packed at a place in bytes, and where they end."""
    import numpy as np

    first, least, width = _HEAD.unpack_from(packed, start)
    start += _HEAD.size
    numbers = np.empty(count, np.int64)
    if not count:
        return numbers, start
    numbers[0] = first
    if width:
        numbers[1:] = np.frombuffer(packed, f"<u{width}", count - 1, start)
        numbers[1:] += least
    else:
        numbers[1:] = least
    return np.cumsum(numbers, out=numbers), start + width * (count - 1)
