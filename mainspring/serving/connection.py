"""Connections with limits that the HTTP server below does not set: the size of a head, and the time it may take."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 20.0
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 27\r\n"
    b"connection: close\r\n\r\nThe head is over 64 KiB.  \r\n"
)


class Connection(HttpToolsProtocol):
    """A connection that is closed when a request's head is too large, or does not arrive in time."""

    _head_bytes = 0
    _unfinished = 0
    _in_head = True
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the class above
        """Begin, with a deadline for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._head_arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those that come after a body are nobody's, lest they pass for what was let in."""
        if not self._in_head:
            return
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """Note that a head is complete; one that is too large is refused by raising in the parser."""
        self._in_head = False
        self._head_arrived()
        if self._head_bytes + len(self.url) > HEAD_BYTES:
            raise ValueError("the head is too large")
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise ValueError("there is more than one Host")
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes; give up on a head that does not end."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._unfinished += len(data)
        if self._unfinished > HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._deadline is None:
            self._await_head()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_arrived(self) -> None:
        self._unfinished = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
