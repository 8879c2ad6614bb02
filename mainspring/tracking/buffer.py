"""Metric points on their way to the records, so that logging one costs about a microsecond."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from mainspring.base.errors import Conflict, MainspringError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.tracking.batch import Point

SECONDS = 1.0
"""The longest that a point waits, while the records can be written."""
POINTS = 10_000
"""So many waiting points are written at once."""
MOST = 1_000_000
"""With so many points waiting (the records cannot be written), logging waits too, and fails if they still cannot."""

_logger = logging.getLogger(__name__)


class Buffer:
    """Points that wait for ``write``, which a background thread calls every second or every 10,000 points.

    ``of`` says in warnings whose points they are. Thread-safe. What ``write`` refused keeps waiting and is tried again. A
    killed process loses what was waiting: at most the points of the last second.
    """

    def __init__(self, write: Callable[[Sequence[Point]], None], of: str) -> None:
        self._write = write
        self._of = of
        self.reset()

    def reset(self) -> None:
        """Forget everything that waits and the thread: the state of a process that was just forked."""
        self._points: list[Point] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._warned = False
        self.closed = False

    def add(self, points: Sequence[Point]) -> bool:
        """Take points; say whether these started the background thread, which happens once in a process.

        Raises:
            Conflict: the buffer was closed.
            StorageError: a million points are waiting, because the records cannot be written.
        """
        with self._lock:
            if self.closed:
                raise Conflict("the run has ended, nothing more can be logged", hint="log inside the `with` of the run")
            self._points += points
            waiting = len(self._points)
            started = self._thread is None
            if started:
                self._thread = threading.Thread(target=self._keep_writing, name="mainspring-metrics", daemon=True)
                self._thread.start()
        if waiting >= MOST:
            self.flush()
        elif waiting >= POINTS:
            self._wake.set()
        return started

    def flush(self) -> bool:
        """Write what waits; durable when it returns. Say whether anything waited.

        Raises:
            StorageError: the records cannot be written; the points keep waiting.
        """
        return self.hand_over(self._write)

    def hand_over(self, write: Callable[[Sequence[Point]], None]) -> bool:
        """Give everything that waits to ``write``, and take it back if that fails; say whether anything waited."""
        with self._writing:
            with self._lock:
                points, self._points = self._points, []
            try:
                write(points)
            except BaseException:
                with self._lock:
                    self._points[:0] = points
                raise
        return bool(points)

    def close(self) -> None:
        """Take no more points, and end the thread."""
        with self._lock:
            self.closed = True
            thread = self._thread
        self._wake.set()
        if thread is not None:
            thread.join()

    def _keep_writing(self) -> None:
        while True:
            self._wake.wait(SECONDS)
            self._wake.clear()
            if self.closed:
                return
            try:
                written = self.flush()
            except MainspringError as error:
                if not self._warned:
                    _logger.warning("metrics of %s wait, because they cannot be written: %s", self._of, error.message)
                self._warned = True
            else:
                self._warned = self._warned and not written  # writing nothing says nothing of the records
