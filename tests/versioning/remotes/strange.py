"""A server whose answers are written by the test."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Strange:
    """A server that answers as it is told."""

    def __init__(self, answer: bytes, *, ends: bool) -> None:
        self.answer = answer
        self.ends = ends
        self.delay = 0.0
        self.seen: list[bytes] = []
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.stopped = asyncio.Event()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
                self.seen.append(head + body)
                await asyncio.sleep(self.delay)
                writer.write(self.answer)
                if self.ends:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def serve(self, ready: threading.Event, context: ssl.SSLContext | None) -> None:
        server = await asyncio.start_server(self.client, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self.stopped.wait()
        server.close()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


@contextmanager
def strange(answer: bytes, *, ends: bool = False, context: ssl.SSLContext | None = None) -> Iterator[Strange]:
    server = Strange(answer, ends=ends)
    ready = threading.Event()
    thread = threading.Thread(target=lambda: server.loop.run_until_complete(server.serve(ready, context)))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        server.loop.call_soon_threadsafe(server.stopped.set)
        thread.join(10)
        server.loop.close()
