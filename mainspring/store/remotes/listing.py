"""Listing many objects of S3 past its client, whose start and answers take three times as much of the processor.

Only what goes well is done here: whatever else happens is left to the client, which waits, tries again, and knows what to say.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

import httptools

from mainspring.store.remotes.authorities import believing

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_OK = 200
_MOST_BYTES = 1 << 16
_CONNECT_SECONDS = 5
_PAGE = 1000
_SIZE = re.compile(r"<Size>(\d+)</Size>", re.ASCII)
_MORE = "<IsTruncated>true</IsTruncated>"
_NEXT = ("<NextContinuationToken>", "</NextContinuationToken>")
_UNSENT = hashlib.sha256(b"").hexdigest()


class Place(NamedTuple):
    """A bucket, the address that answers for it, and who asks; ``token`` is that of credentials that expire.

    ``ca_file`` holds certificates of authorities to believe beside the machine's.
    """

    address: str
    region: str
    key_id: str
    secret: str
    token: str | None = None
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Say where it is, and no secret."""
        return f"Place({self.address})"


def sizes_below(place: Place, prefix: str, *, timeout: float) -> dict[str, int] | None:
    """Return the sizes of the objects whose keys begin so, by the rest of the key; None if anything goes wrong.

    Keys are as the server writes them, in XML.     ``timeout`` is in seconds, for each part of an answer. Read-only.
    """
    address = urlsplit(place.address)
    key = re.compile(f"<Key>{re.escape(prefix)}([^<]*)</Key>")
    found: dict[str, int] = {}
    try:
        with closing(_Line(address, timeout, place.ca_file)) as line:
            query = {"list-type": "2", "max-keys": str(_PAGE), "prefix": prefix}
            while True:
                page = line.ask(_request(place, address, query)).decode()
                rests, sizes = key.findall(page), _SIZE.findall(page)
                if not len(rests) == len(sizes) == page.count("<Contents>") or "</ListBucketResult>" not in page:
                    return None
                found.update(zip(rests, map(int, sizes), strict=True))
                if _MORE not in page:
                    return found
                after = page.partition(_NEXT[0])[2].partition(_NEXT[1])[0]
                if not after or "&" in after or after == query.get("continuation-token"):
                    return None
                query["continuation-token"] = after
    except (OSError, httptools.HttpParserError, LookupError, ValueError):
        return None


def signed(place: Place, query: dict[str, str], moment: str) -> tuple[str, dict[str, str]]:
    """Return the query of a GET of the bucket as it is to be written, and the headers that sign it.

    ``moment`` is UTC as ``20260131T235959Z``. AWS Signature Version 4, as Amazon S3's API reference describes it.

    >>> place = Place("https://bucket.s3.amazonaws.com/", "us-east-1", "AKID", "secret")
    >>> written, headers = signed(place, {"prefix": "a b", "max-keys": "2"}, "20260131T235959Z")
    >>> written, headers["authorization"][:56]
    ('max-keys=2&prefix=a%20b', 'AWS4-HMAC-SHA256 Credential=AKID/20260131/us-east-1/s3/a')
    """
    address = urlsplit(place.address)
    written = "&".join(f"{quote(key, safe='')}={quote(query[key], safe='')}" for key in sorted(query))
    headers = {"host": address.netloc, "x-amz-content-sha256": _UNSENT, "x-amz-date": moment}
    if place.token:
        headers["x-amz-security-token"] = place.token
    lines = "".join(f"{name}:{headers[name]}\n" for name in headers)
    names = ";".join(headers)
    asked = f"GET\n{address.path}\n{written}\n{lines}\n{names}\n{_UNSENT}"
    scope = f"{moment[:8]}/{place.region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{place.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    said = f"Credential={place.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return written, {**headers, "authorization": f"AWS4-HMAC-SHA256 {said}"}


def _request(place: Place, address: SplitResult, query: dict[str, str]) -> bytes:
    written, headers = signed(place, query, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {address.path}?{written} HTTP/1.1\r\n{lines}\r\n".encode()


class _Line:
    """A connection to a server for one question after the other, made anew when the server ended it meanwhile."""

    def __init__(self, address: SplitResult, timeout: float, ca_file: str | None) -> None:
        self._address = address
        self._timeout = timeout
        self._ca_file = ca_file
        self._connection: socket.socket | None = None

    def ask(self, request: bytes) -> bytes:
        """Return the body of the answer, whole; raises ``OSError`` and what the parser does if there is none, or a refusal."""
        if self._connection is not None:
            try:
                return self._asked(self._connection, request)
            except OSError:
                self.close()
        self._connection = self._connected()
        return self._asked(self._connection, request)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, connection: socket.socket, request: bytes) -> bytes:
        answer = _Answer()
        connection.sendall(request)
        while not answer.is_whole:
            received = connection.recv(_MOST_BYTES)
            if not received:
                raise ConnectionError("the answer ended early")
            answer.parser.feed_data(received)
        if not answer.parser.should_keep_alive():
            self.close()
        if answer.parser.get_status_code() != _OK:
            raise ConnectionError("refused")
        return b"".join(answer.parts)

    def _connected(self) -> socket.socket:
        secure = self._address.scheme == "https"
        host, port = self._address.hostname or "", self._address.port or (443 if secure else 80)
        name = host.encode(
            "ascii"
        )  # of text the tables of all the world's names are loaded; such hosts are the client's
        seconds = min(_CONNECT_SECONDS, self._timeout)
        connection = socket.create_connection((name, port), seconds)  # type: ignore[arg-type]  # it takes bytes, too
        connection.settimeout(self._timeout)
        if not secure:
            return connection
        try:
            return believing(self._ca_file).wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise


class _Answer:
    """What a server answers: ``parts`` of a body, and whether they are all."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_whole = False
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, part: bytes) -> None:
        """Take a part of the body: called by the parser."""
        self.parts.append(part)

    def on_message_complete(self) -> None:
        """End the answer: called by the parser; one that says that the answer is still to come is none."""
        self.is_whole = self.parser.get_status_code() >= _OK
