"""A proxy before a real server that cuts, delays, corrupts, or answers in its stead."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

_PATIENCE = 10


@dataclass
class Fault:
    """What goes wrong with requests whose first line begins with ``of``; ``times`` of them or all, ``after`` so many.

    ``kind`` is ``cut`` (the connection ends when the request has come), ``half`` (so does it in the middle of the answer),
    ``corrupt`` (a byte of the answer is another), ``corrupt request`` (a byte of the request's body is), ``silence`` (nothing
    is answered) or ``status`` (``answer`` is the status line and the body).
    """

    kind: str
    of: str = ""
    times: int | None = None
    after: int = 0
    answer: tuple[str, str] = ("500 Internal Server Error", "")
    seen: int = field(default=0, init=False)

    def strikes(self, line: str) -> bool:
        """Say whether it is this request's turn."""
        if not line.startswith(self.of):
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.seen <= self.after + self.times)


class Proxy:
    """Listens on ``endpoint``; ``fault`` may be changed while it runs, ``lines`` are the requests that came."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._upstream = port
        self._context = context
        self.endpoint = ""
        self.fault: Fault | None = None
        self.stopped = asyncio.Event()
        self.lines: list[str] = []
        self._transports: list[asyncio.WriteTransport] = []

    async def serve(self, ready: threading.Event) -> None:
        """Serve until stopped."""
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        scheme = "http" if self._context is None else "https"
        self.endpoint = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self.stopped.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for transport in self._transports:
            transport.abort()
        for _ in range(3):  # in which the loop lets go of their sockets
            await asyncio.sleep(0)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.append(writer.transport)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                if self._context is not None:
                    await writer.start_tls(self._context)
                await self._exchange(reader, writer)
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"\r\nexpect: 100-continue\r\n" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"(?i)expect: 100-continue\r\n", b"", head)
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
        if b"\r\ntransfer-encoding: chunked\r\n" in head.lower():
            body = await _chunks(reader)
        line = head.split(b"\r\n", 1)[0].decode()
        self.lines.append(line)
        fault = self.fault if self.fault is not None and self.fault.strikes(line) else None
        kind = fault.kind if fault else ""
        if kind == "cut":
            return
        if kind == "silence":
            await self.stopped.wait()
            return
        if fault and kind == "status":
            status, text = fault.answer
            said = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(text)}\r\n"
            writer.write(f"{said}Connection: close\r\n\r\n{text}".encode())
            await writer.drain()
            return
        if kind == "corrupt request" and body:
            body = _flipped(body)
        answer = await self._ask(head, body)
        start = answer.index(b"\r\n\r\n") + 4
        if kind == "corrupt" and len(answer) > start:
            answer = answer[:start] + _flipped(answer[start:])
        if kind == "half":
            answer = answer[: start + (len(answer) - start) // 2]
        writer.write(answer)
        await writer.drain()

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a body in chunks, as it stands."""
    read = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        read += line
        size = int(line.split(b";")[0], 16)
        if size:
            read += await reader.readexactly(size + 2)
            continue
        while line != b"\r\n":
            line = await reader.readuntil(b"\r\n")
            read += line
        return read


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


@contextmanager
def proxied(port: int, context: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Give a proxy before the server on a port of this machine; with a context it speaks https."""
    proxy = Proxy(port, context)
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    def serve() -> None:
        loop.run_until_complete(proxy.serve(ready))
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(_PATIENCE)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(proxy.stopped.set)
        thread.join(_PATIENCE)
