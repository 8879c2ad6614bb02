"""Many small uploads to S3 past its client: to addresses that the client signs, by one thread, over connections that are kept.

Most of the processor's time of a small upload by the client goes into the client, and into threads that wait for one another.
Only what goes well is done here: whatever else happens is left to the client, which waits, tries again, and knows what to say.
"""

from __future__ import annotations

import asyncio
import threading
import time
from base64 import b64encode
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

import httptools
import obstore
import uvloop

from mainspring.store.remotes.authorities import believing
from mainspring.store.remotes.traffic import gathered

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Iterable, Iterator
    from urllib.parse import SplitResult

    from obstore.store import S3Store

STORED = 200
ALREADY_THERE = 412
_FINAL = 200
"""Statuses below it say that the answer is still to come."""
_MOST_FAILURES = 8
_SIGNED_TOGETHER = 64
_SIGNED_FOR = timedelta(minutes=15)
_CONNECT_SECONDS = 5
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 2


class Upload(NamedTuple):
    """An object: its path in the store, its content, and the content's md5."""

    path: str
    data: bytes
    md5: str


class Answer(NamedTuple):
    """What a server said: its status, and the object's entity tag."""

    status: int
    e_tag: str | None


def uploaded(
    store: S3Store,
    uploads: Iterable[Upload],
    *,
    create: bool,
    requests: int,
    timeout: float,
    ca_file: str | None = None,
) -> Generator[tuple[Upload, Answer]]:
    """Upload objects with so many requests at once and give each that is there now, with what the server said.

    With ``create``, only what is not there is stored. Uploads are taken as there is room for them, in a thread of its own.
    Those that are not given may be there or not; after some of them, no further ones are taken. Whoever stops early closes
    the generator, and what is on the way is given up. ``ca_file`` holds certificates of authorities to believe beside the
    machine's.
    """
    results: SimpleQueue[tuple[Upload, Answer] | BaseException | None] = SimpleQueue()
    work = _Uploading(_signed(store, iter(uploads)), results, create=create, timeout=timeout, ca_file=ca_file)
    thread = threading.Thread(target=work.run, args=(requests,), daemon=True)
    thread.start()
    try:
        while True:
            for said in gathered(results):
                if said is None:
                    return
                if isinstance(said, BaseException):
                    raise said
                yield said
    finally:
        work.stop()
        thread.join(_PATIENCE_SECONDS)


def _signed(store: S3Store, uploads: Iterator[Upload]) -> Iterator[tuple[Upload, str]]:
    """Give uploads with the addresses to put them to, of which many are signed at once; none where that fails."""
    while part := list(islice(uploads, _SIGNED_TOGETHER)):
        try:
            addresses = obstore.sign(store, "PUT", [upload.path for upload in part], _SIGNED_FOR)
        except Exception:  # noqa: BLE001 - credentials that cannot be had: the client meets them too, and says so
            return
        yield from zip(part, addresses, strict=True)


class _Uploading:
    """Connections side by side, each of which takes the next upload when it is free."""

    def __init__(
        self,
        uploads: Iterator[tuple[Upload, str]],
        results: SimpleQueue[tuple[Upload, Answer] | BaseException | None],
        *,
        create: bool,
        timeout: float,
        ca_file: str | None,
    ) -> None:
        self._uploads = uploads
        self._results = results
        self._condition = "If-None-Match: *\r\n" if create else ""
        self._wanted = (STORED, ALREADY_THERE) if create else (STORED,)
        self._timeout = timeout
        self._ca_file = ca_file
        self._failures = 0
        self._stopped = False
        self._connections: set[_Connection] = set()

    def run(self, requests: int) -> None:
        """Upload until nothing is left, or it is told to stop, or too much went wrong."""
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._all(requests))
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asked
            self._results.put(error)
        else:
            self._results.put(None)

    def stop(self) -> None:
        """Let everything end soon; called from another thread."""
        self._stopped = True

    async def _all(self, requests: int) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(requests):
                    group.create_task(self._one_after_another())
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """End the connections that wait for too long, or all when that is wanted."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            oldest = time.monotonic() - self._timeout
            for connection in self._connections.copy():
                if self._stopped or connection.asked_at < oldest:
                    connection.given_up = True
                    connection.close()

    async def _one_after_another(self) -> None:
        connection = None
        try:
            while self._failures < _MOST_FAILURES and not self._stopped:
                taken = next(self._uploads, None)
                if taken is None:
                    return
                upload, address = taken
                place = urlsplit(address)
                request = self._request(place, upload)
                answer = None
                if connection is not None and connection.is_kept:  # the server may have ended it meanwhile
                    answer = await connection.ask(request)
                if answer is None and (connection is None or not connection.given_up):
                    self._end(connection)
                    connection = await self._connected(place)
                    answer = await connection.ask(request) if connection is not None else None
                if answer is not None and answer.status in self._wanted:
                    self._results.put((upload, answer))
                else:
                    self._failures += 1
                    self._end(connection)
                    connection = None
        finally:
            self._end(connection)

    def _request(self, place: SplitResult, upload: Upload) -> bytes:
        head = (
            f"PUT {place.path}?{place.query} HTTP/1.1\r\nHost: {place.netloc}\r\n{self._condition}"
            f"Content-MD5: {b64encode(bytes.fromhex(upload.md5)).decode()}\r\nContent-Length: {len(upload.data)}\r\n\r\n"
        )
        return head.encode() + upload.data

    async def _connected(self, place: SplitResult) -> _Connection | None:
        host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(min(_CONNECT_SECONDS, self._timeout)):
                _, connection = await loop.create_connection(
                    _Connection, host, port, ssl=self._context if place.scheme == "https" else None
                )
            self._connections.add(connection)
            return connection
        return None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return believing(self._ca_file)

    def _end(self, connection: _Connection | None) -> None:
        if connection is not None:
            self._connections.discard(connection)
            connection.close()


class _Connection(asyncio.Protocol):
    """A connection to a server, for one request after the other."""

    def __init__(self) -> None:
        self.is_kept = True
        self.given_up = False
        self.asked_at = time.monotonic()
        self._answered: asyncio.Future[Answer | None] | None = None
        self._e_tag: str | None = None

    async def ask(self, request: bytes) -> Answer | None:
        """Send a request and return what is answered; None if no whole answer comes."""
        if self._transport.is_closing():
            return None
        self.asked_at = time.monotonic()
        self._answered = asyncio.get_running_loop().create_future()
        self._e_tag = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """End it; who waits for an answer gets none."""
        self._transport.abort()
        self._say(None)

    def _say(self, answer: Answer | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(answer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from it

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer: called by the loop."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, AttributeError):  # what nobody asked for is no answer either
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        """End: called by the loop."""
        self.is_kept = False
        self._say(None)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header: called by the parser."""
        if name.lower() == b"etag":
            self._e_tag = value.decode("latin-1")

    def on_message_complete(self) -> None:
        """End an answer: called by the parser, which knows only now whether the connection stays."""
        status = self._parser.get_status_code()
        if status >= _FINAL:
            self.is_kept = self._parser.should_keep_alive()
            self._say(Answer(status, self._e_tag))
