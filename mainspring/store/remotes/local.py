"""Objects of a remote that is a folder, past the store's client, whose start and threads take most of the processor's time.

Only what goes well is done here: whatever else happens is left to the client, which knows what to say.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress


def read(path: str, most: int) -> bytes | None:
    """Return the content of a file of so many bytes at most; None if it is longer.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return os.read(descriptor, size + 1) if size <= most else None
    finally:
        os.close(descriptor)


def write(path: str, data: bytes) -> bool:
    """Put a file where it belongs, whole or not at all; say whether it is there. It is not durable yet.

    Until it has its name, it is called as the store's client calls such files.
    """
    unfinished = f"{path}#{os.getpid()}{threading.get_native_id()}"
    try:
        try:
            descriptor = _create(unfinished)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor = _create(unfinished)
    except OSError:
        return False
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        os.replace(unfinished, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(unfinished)
        if isinstance(error, OSError):
            return False
        raise
    return True


def size(path: str) -> int | None:
    """Return the size of a file; None if there is none.

    Raises:
        OSError: one cannot see.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
