"""A web server on this machine whose files misbehave when they are told to."""

from __future__ import annotations

import base64
import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Page:
    """A file. ``ill`` answers to GET are not whole; ``on_get`` is called when one has been sent."""

    body: bytes
    has_tag: bool = True
    written: str | None = None
    has_length: bool = True
    is_chunked: bool = False
    answers_head: bool = True
    encoding: str | None = None
    login: str | None = None
    moved_to: str | None = None
    ill: int = 0
    busy: int = 0
    wrong_md5: bool = False
    on_get: Callable[[], None] | None = None

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return f'"{hashlib.sha1(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class Site:
    """What a server has, by path, and the requests that came."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Return the address of a file."""
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def serving() -> Iterator[Site]:
    """Start a server without files, and stop it afterwards."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    site = Site(server.server_address[1])
    server.site = site  # type: ignore[attr-defined] # for the handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined] # see above
        site.lines.append(self.requestline)
        page = site.pages.get(self.path)
        if page is None:
            self._refuse(404)
        elif page.login and self.headers["Authorization"] != "Basic " + base64.b64encode(page.login.encode()).decode():
            self._refuse(401)
        elif page.moved_to:
            self.send_response(302)
            self.send_header("Location", page.moved_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif page.busy:
            page.busy -= 1
            self._refuse(503)
        elif not with_body and not page.answers_head:
            self._refuse(405)
        else:
            self._send(page, with_body=with_body)

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, page: Page, *, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        if page.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif page.has_length:
            self.send_header("Content-Length", str(len(page.body)))
        for name, value in (("ETag", page.tag if page.has_tag else None), ("Last-Modified", page.written)):
            if value:
                self.send_header(name, value)
        if page.encoding:
            self.send_header("Content-Encoding", page.encoding)
        if page.wrong_md5:
            self.send_header("Content-MD5", base64.b64encode(b"0" * 16).decode())
        if not page.has_length:
            self.send_header("Connection", "close")
        self.end_headers()
        if with_body:
            self._write(page)

    def _write(self, page: Page) -> None:
        body = page.body
        if page.ill:
            page.ill -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        if page.is_chunked:
            body = f"{len(page.body):x}\r\n".encode() + body + (b"\r\n0\r\n\r\n" if body == page.body else b"")
        self.wfile.write(body)
        self.wfile.flush()
        if page.on_get is not None:
            page.on_get()
        self.close_connection = self.close_connection or not page.has_length
