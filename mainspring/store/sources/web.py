"""Files at addresses of http and https as sources: read whole, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import random
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from contextlib import closing, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mainspring.base.errors import InvalidData, MainspringError, NotFound, StorageError
from mainspring.store.sources.arriving import write_hashed
from mainspring.store.sources.seen import Seen, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message
    from pathlib import Path
    from urllib.response import addinfourl

    from mainspring.store.sources.seen import Moved

Result = TypeVar("Result")

_BLOCK = 1 << 20
_SECONDS = 60
_ROUNDS = 3
_MOST_REDIRECTS = 5
_GONE = (404, 410)
_NO_HEAD = (400, 403, 405, 501)
_PASSING = (408, 429, 500, 502, 503, 504)
_TELLING = ("ETag", "Content-MD5", "Digest", "Last-Modified")
_PLAIN = (None, "", "identity")
_COMPRESSED = frozenset({".gz", ".tgz", ".bz2", ".xz", ".zst", ".br", ".zip", ".svgz"})
_AGAIN = "then run the same command again"


class Web:
    """A file of a web server. A user and a password in the address are used, and not kept; ``~/.netrc`` is read as well."""

    key = "checksum"

    def __init__(self, address: str) -> None:
        place = urlsplit(address)
        host = place.netloc.rpartition("@")[2]
        self.address = urlunsplit(place._replace(netloc=host))
        self._url = quote(self.address, safe="%/:=&?~#+!$,;'@()*[]")
        self._login = _login(place.hostname or "", place.username, place.password)
        context = ssl.create_default_context()
        self._opener = urllib.request.build_opener(_Redirects(), urllib.request.HTTPSHandler(context=context))

    def look(self, *, versions: bool = False) -> dict[str, Seen]:
        """Return the one file, as every source does."""
        del versions  # no server tells them
        return {"": self._patiently(self._look)}

    def read(self, name: str, seen: Seen, target: Path, moved: Moved) -> tuple[str, int]:
        """Write the file, as every source does. An answer that ends too early, or damaged, is asked for again."""
        del name
        return self._patiently(lambda: self._read(seen, target, moved))

    def _look(self) -> Seen:
        said: dict[str, Any] = {}
        for method in ("HEAD", "GET"):
            try:
                with closing(self._open(method)) as answer:
                    said |= _told(answer)
            except urllib.error.HTTPError as error:
                if method == "GET" or error.code not in (*_NO_HEAD, *_GONE):
                    raise
                continue
            if said.get("size") is not None:
                break
        etag = said.get("ETag") or said.get("Content-MD5") or _fingerprint(self.address, said)
        return Seen(
            etag=etag,
            size=said.get("size"),
            tag=said.get("ETag"),
            is_told=any(said.get(name) for name in _TELLING),
        )

    def _read(self, seen: Seen, target: Path, moved: Moved) -> tuple[str, int]:
        target.unlink(missing_ok=True)
        with closing(self._open("GET")) as answer:
            self._refuse_encoded(answer.headers)
            length = _number(answer.headers.get("Content-Length"))
            if length is None and answer.headers.get("Transfer-Encoding", "").lower() != "chunked":
                raise InvalidData(
                    f"{self.address} does not say how long it is, so nobody could tell whether all of it came",
                    hint="download it by other means, and add it: mainspring data add PATH",
                    address=self.address,
                )
            is_other = None not in (length, seen.size) and length != seen.size
            if is_other or _differ(answer.headers.get("ETag"), seen.tag):
                raise changed(self.address)
            hasher = hashlib.md5(usedforsecurity=False)
            md5, size = write_hashed(target, _blocks(answer, hasher), moved)
            if length is not None and size != length:
                raise http.client.IncompleteRead(b"", length - size)
            told = answer.headers.get("Content-MD5")
            if told and _is_other(told, hasher.digest()):
                raise http.client.IncompleteRead(b"")
        return md5, size

    def _open(self, method: str) -> addinfourl:
        request = urllib.request.Request(self._url, method=method)  # noqa: S310 - the scheme was looked at
        request.add_header("Accept-Encoding", "identity")
        request.add_header("User-Agent", "mainspring")
        if self._login is not None:
            request.add_unredirected_header("Authorization", self._login)
        answer: addinfourl = self._opener.open(request, timeout=_SECONDS)
        return answer

    def _patiently(self, request: Callable[[], Result]) -> Result:
        """Make a request, once or twice more where that may help.

        Raises:
            MainspringError: as ``look`` and ``read``.
        """
        for attempt in range(1, _ROUNDS + 1):
            try:
                return request()
            except MainspringError:
                raise
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _PASSING or attempt == _ROUNDS:
                    raise self._refused(error) from None
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                told = self._unreachable(error)
                if attempt == _ROUNDS or not told[1]:
                    raise told[0] from None
            time.sleep(random.uniform(0.5, 1) * attempt)  # noqa: S311 - clients should not come back all at once
        raise AssertionError("the last round returns or raises")

    def _refuse_encoded(self, headers: Message) -> None:
        encoding = headers.get("Content-Encoding")
        name = PurePosixPath(unquote(urlsplit(self.address).path))
        if encoding not in _PLAIN and name.suffix.lower() not in _COMPRESSED:
            raise InvalidData(
                f"{self.address} comes compressed ({encoding}), although that was not asked for",
                hint="download it by other means, and add it: mainspring data add PATH",
                address=self.address,
            )

    def _refused(self, error: urllib.error.HTTPError) -> MainspringError:
        if error.code in _GONE:
            return NotFound(
                f"there is no {self.address} ({error.code})", hint="check the address", address=self.address
            )
        hint = "check the address in a browser"
        if error.code in (401, 403, 407):
            hint = "write the user and the password into ~/.netrc, or into the address (they are not kept)"
        elif error.code in _PASSING:
            hint = f"wait until the server is well, {_AGAIN}"
        return StorageError(
            f"cannot read {self.address}: it answers {error.code} {error.reason}", hint=hint, address=self.address
        )

    def _unreachable(self, error: Exception) -> tuple[StorageError, bool]:
        """Return the error for a request without a whole answer, and whether it may be made again."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        is_passing = True
        if isinstance(reason, ssl.SSLCertVerificationError):
            said, is_passing = f"its certificate is not trusted ({reason.verify_message})", False
        elif isinstance(reason, http.client.IncompleteRead):
            said = "only a part of it came, or it came damaged, again and again"
        elif isinstance(reason, TimeoutError):
            said = "it did not answer in time"
        else:
            said = str(getattr(reason, "strerror", None) or reason).lower() or type(reason).__name__
        hint = f"check the address and the network, {_AGAIN}"
        return StorageError(f"cannot read {self.address}: {said}", hint=hint, address=self.address), is_passing


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows few redirects, from https never to http, and asks there what was asked here."""

    max_redirections = _MOST_REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that a redirect asks for."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if (before, after) == ("https", "http"):
            raise urllib.error.HTTPError(
                req.full_url, code, f"a redirect to {after}, which is not followed", headers, fp
            )
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None:
            made.method = req.get_method()
        return made


def _told(answer: addinfourl) -> dict[str, Any]:
    """Return what the head of an answer tells of a file, in the order in which DVC asks for it."""
    headers, told = answer.headers, dict[str, Any]()
    length = _number(headers.get("Content-Length"))
    if length is not None and headers.get("Content-Encoding") in _PLAIN:
        told["size"] = length
    if kind := headers.get("Content-Type"):
        told["mimetype"] = kind.partition(";")[0]
    if headers.get("Accept-Ranges") == "none":
        told["partial"] = False
    told["url"] = answer.url
    return told | {name: headers[name] for name in _TELLING if headers.get(name)}


def _fingerprint(address: str, told: dict[str, Any]) -> str:
    """Return what DVC (by way of fsspec) writes of a file whose server has no entity tag: a number made of all that it tells."""
    said = {"name": address, "size": None, **told, "type": "file"}
    return str(int(hashlib.md5(str((said,)).encode(), usedforsecurity=False).hexdigest(), 16))


def _blocks(answer: addinfourl, hasher: Any) -> Iterator[bytes]:
    while block := answer.read(_BLOCK):
        hasher.update(block)
        yield block


def _is_other(told: str, found: bytes) -> bool:
    with suppress(ValueError):
        return len(told) == 24 and b64decode(told, validate=True) != found
    return False


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _differ(tag: str | None, other: str | None) -> bool:
    """Say whether two entity tags are of two contents; compressed on the way or not, it is the same one."""
    return bool(tag and other) and str(tag).removeprefix("W/") != str(other).removeprefix("W/")


def _login(host: str, user: str | None, password: str | None) -> str | None:
    said = None if user is None else (unquote(user), unquote(password or ""))
    if said is None:
        import netrc

        with suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc().authenticators(host)
            said = None if found is None else (found[0], found[2] or "")
    return None if said is None else "Basic " + b64encode(":".join(said).encode()).decode()
