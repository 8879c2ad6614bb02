"""The XML API of Google Cloud Storage before a server that takes uploads by the JSON API only.

Google's servers speak both. Of fake-gcs-server's XML there are only downloads, questions and removals, which pass through here
as they are, and so does all of JSON. Uploads, of one part or many, and listings, which Google gives in pages, are asked for in
JSON; how they look in XML follows Google's reference of the XML API.

python -m tests.gcs_xml PORT UPSTREAM   # a process of its own: some clients keep Python waiting while they wait for an answer
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000
"""Most objects of one listing, as with Google."""
TOKENS = "/token"
"""Where a service account is given a token, which Google has on another host."""
CONTROL = "/-/control"
_JSON = ("/storage/", "/upload/", "/download/", "/batch/")
_BOUNDARY = "b8f5e1c4-boundary"
_PART = re.compile(r"<PartNumber>(\d+)</PartNumber>")
_HOPS = ("host", "connection", "transfer-encoding", "content-length", "date")
_REFUSALS = {
    HTTPStatus.UNAUTHORIZED: ("AuthenticationRequired", "Authentication required."),
    HTTPStatus.PRECONDITION_FAILED: (
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
    ),
    HTTPStatus.NOT_FOUND: ("NoSuchBucket", "The specified bucket does not exist."),
}


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes


class Door(ThreadingHTTPServer):
    """Listens at a port for the server at another; remembers the requests that came, and what they were signed with.

    Whoever comes without a token is let in, as to a public bucket; whoever brings one is not while it refuses them.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, upstream: int) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.seen: dict[str, list[str]] = {"lines": [], "tokens": []}
        self.refuses = False
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.numbers = itertools.count()
        self._upstream = upstream

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """Ask the server behind."""
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def store(self, bucket: str, name: str, data: bytes, generation: str | None = None) -> Answer:
        """Store an object, only over the generation that is named, of which 0 is none."""
        query = {"uploadType": "multipart"} | ({} if generation is None else {"ifGenerationMatch": generation})
        head = json.dumps({"name": name, "contentType": "application/octet-stream"})
        parts = [f"--{_BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{head}\r\n".encode()]
        parts += [f"--{_BOUNDARY}\r\nContent-Type: application/octet-stream\r\n\r\n".encode(), data]
        parts += [f"\r\n--{_BOUNDARY}--\r\n".encode()]
        kind = {"Content-Type": f"multipart/related; boundary={_BOUNDARY}"}
        return self.ask("POST", f"/upload/storage/v1/b/{bucket}/o?{urlencode(query)}", b"".join(parts), kind)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Door

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        door, place = self.server, urlsplit(self.path)
        if place.path == CONTROL:
            self._obey(parse_qs(place.query))
            return
        door.seen["lines"].append(self.requestline)
        token = self.headers.get("Authorization", "").removeprefix("Bearer").strip()
        door.seen["tokens"].append(token)
        if token and door.refuses:
            self._refuse(HTTPStatus.UNAUTHORIZED)
        elif place.path == TOKENS:
            said = {"access_token": "given", "expires_in": 3600, "token_type": "Bearer"}
            self._say(HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(said).encode())
        elif place.path.startswith(_JSON):
            self._pass(body)
        else:
            bucket, _, name = place.path.lstrip("/").partition("/")
            self._take_xml(bucket, unquote(name), parse_qs(place.query, keep_blank_values=True), body)

    def _obey(self, query: dict[str, list[str]]) -> None:
        """Say what was seen since the last time, and do as the tests want."""
        seen, self.server.seen = self.server.seen, {"lines": [], "tokens": []}
        self.server.refuses = "refuse" in query
        self._say(HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps(seen).encode())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _take

    def _take_xml(self, bucket: str, name: str, query: dict[str, list[str]], body: bytes) -> None:
        door = self.server
        if not name:
            self._list(bucket, {key: values[0] for key, values in query.items()})
        elif "uploads" in query:
            number = str(next(door.numbers))
            door.uploads[number] = {}
            self._say_xml(
                f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            )
        elif "partNumber" in query:
            door.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
            self._say(HTTPStatus.OK, {"ETag": f'"{query["partNumber"][0]}"'})
        elif "uploadId" in query:
            parts = door.uploads.pop(query["uploadId"][0])
            if self.command == "DELETE":
                self._say(HTTPStatus.NO_CONTENT)
            else:
                self._complete(bucket, name, [parts[int(number)] for number in _PART.findall(body.decode())])
        elif self.command == "PUT":
            self._put(bucket, name, body)
        else:
            self._pass(body, bucket)

    def _put(self, bucket: str, name: str, body: bytes) -> None:
        answer = self.server.store(bucket, name, body, self.headers.get("x-goog-if-generation-match"))
        if answer.status != HTTPStatus.OK:
            self._refuse(HTTPStatus(answer.status))
            return
        made = json.loads(answer.body)
        self._say(HTTPStatus.OK, {"ETag": f'"{_hex(made)}"', "x-goog-generation": made["generation"]})

    def _complete(self, bucket: str, name: str, parts: list[bytes]) -> None:
        answer = self.server.store(bucket, name, b"".join(parts))
        if answer.status != HTTPStatus.OK:
            self._refuse(HTTPStatus(answer.status))
            return
        tag = base64.b64encode(json.loads(answer.body)["generation"].encode()).decode()  # of such objects it is no md5
        self._say_xml(f'<CompleteMultipartUploadResult><ETag>"{tag}"</ETag></CompleteMultipartUploadResult>')

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        asked = {key: query[key] for key in ("prefix", "delimiter") if key in query}
        asked["maxResults"] = str(min(PAGE, int(query.get("max-keys", PAGE))))
        if "continuation-token" in query:
            asked["pageToken"] = query["continuation-token"]
        elif "start-after" in query:
            asked["startOffset"] = query["start-after"]
        answer = self.server.ask("GET", f"/storage/v1/b/{quote(bucket)}/o?{urlencode(asked)}")
        if answer.status != HTTPStatus.OK or not self._has_bucket(bucket):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        found = json.loads(answer.body)
        items = [item for item in found.get("items", []) if item["name"] != query.get("start-after")]
        lines = [_entry(item) for item in items]
        lines += [
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in found.get("prefixes", [])
        ]
        more = found.get("nextPageToken")
        lines.append(f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>")
        if more:
            lines.append(f"<NextContinuationToken>{escape(more)}</NextContinuationToken>")
        self._say_xml(f"<ListBucketResult><Name>{bucket}</Name>{''.join(lines)}</ListBucketResult>")

    def _has_bucket(self, bucket: str) -> bool:
        return self.server.ask("GET", f"/storage/v1/b/{quote(bucket)}").status == HTTPStatus.OK

    def _pass(self, body: bytes, bucket: str | None = None) -> None:
        """Let the server behind answer; where there is no bucket, say so as Google does."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        answer = self.server.ask(self.command, self.path, body, headers)
        if bucket is not None and answer.status == HTTPStatus.NOT_FOUND and not self._has_bucket(bucket):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOPS}
        self._say(HTTPStatus(answer.status), kept, answer.body, length=length)

    def _refuse(self, status: HTTPStatus) -> None:
        code, message = _REFUSALS.get(status, (status.phrase, status.description))
        self._say_xml(f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", status)

    def _say_xml(self, text: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        kind = {"Content-Type": "application/xml; charset=UTF-8"}
        self._say(status, kind, f"<?xml version='1.0' encoding='UTF-8'?>{text}".encode())

    def _say(
        self, status: HTTPStatus, headers: dict[str, str] | None = None, body: bytes = b"", *, length: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _hex(item: dict[str, Any]) -> str:
    return base64.b64decode(item["md5Hash"]).hex()


def _entry(item: dict[str, Any]) -> str:
    return (
        f"<Contents><Key>{escape(item['name'])}</Key><Generation>{item['generation']}</Generation>"
        f'<LastModified>{item["updated"]}</LastModified><ETag>"{_hex(item)}"</ETag><Size>{item["size"]}</Size></Contents>'
    )


if __name__ == "__main__":
    Door(int(sys.argv[1]), int(sys.argv[2])).serve_forever()
