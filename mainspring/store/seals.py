"""What tells an object that was written by us and left alone from one that somebody wrote into, without reading it.

Objects carry a seal: the nanoseconds of their modification time are computed from their address. Whoever writes into one
moves its time, and breaks the seal but for one case in a thousand million. An object without its seal (damaged, written by
DVC, copied by a tool that cuts times, on a file system that keeps none) is hashed again before it is believed. The seal
speaks of accidents; it is no proof against somebody who wants to deceive.
"""

from __future__ import annotations

import os
import time

_SECOND = 1_000_000_000


def seal(md5: str) -> int:
    """Return the nanoseconds that an object's time ends with; never 0, which tools that cut times leave.

    >>> seal("d41d8cd98f00b204e9800998ecf8427e")
    558706397
    """
    return 1 + int(md5[:8], 16) % (_SECOND - 1)


def put_seal(path: str | int, md5: str) -> None:
    """Seal a file, given by path or descriptor, whose content is known to be that of its address; it counts as new."""
    now = int(time.time()) * _SECOND + seal(md5)
    os.utime(path, ns=(now, now))


def make_read_only(place: str | int) -> None:
    """Let nobody write a file, given by path or descriptor; whoever may read it may still do so."""
    os.chmod(place, (os.stat(place).st_mode & 0o444) | 0o400)


def sealed(modified_ns: int, md5: str) -> bool:
    """Say whether a file that was modified then is as it was when it was sealed."""
    return modified_ns % _SECOND == 1 + int(md5[:8], 16) % (
        _SECOND - 1
    )  # as seal(), which would be called ten thousand times
