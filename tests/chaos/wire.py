"""What strangers send to a port, byte by byte."""

from __future__ import annotations

import socket


def send(port: int, data: bytes, *, seconds: float = 20.0) -> bytes:
    """Return all that comes back until the server closes, which it must."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as caller:
        try:
            caller.sendall(data)
            answer = b""
            while part := caller.recv(65536):
                answer += part
        except ConnectionError:
            return b""
    return answer


def status(answer: bytes) -> int:
    """Return the status of the first answer; 0 if the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


def head(path: str, *lines: str, method: str = "GET", host: str = "localhost") -> bytes:
    """Return the head of a request after which the server shall close."""
    told = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines, "", ""]
    return "\r\n".join(told).encode("latin-1")


def shapes(path: str) -> dict[str, bytes]:
    """Return requests that smuggle, flood or are no HTTP, by what they do; none may be answered with 200."""
    post = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    inner = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return {
        "length and chunks": post + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
        "two lengths": post + b"Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}",
        "a negative length": post + b"Content-Length: -1\r\n\r\n{}",
        "a signed length": post + b"Content-Length: +2\r\n\r\n{}",
        "a length beyond all numbers": post + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        "unknown coding": post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "a blank before the colon": post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "a bad chunk": post + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        "a folded line": head("/health", "X: a", " b"),
        "two hosts": head("/health", "Host: localhost"),
        "a null in a line": head("/health", "X: a\0b"),
        "another host": head("/health", host="evil.example"),
        "another origin": head("/health", "Origin: https://evil.example"),
        "a head without end": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000,
        "a large head": head("/health", "X: " + "a" * 200_000),
        "another protocol": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"x" * 200,
        "nulls": b"\0" * 1000,
    }
