"""Addresses of content: md5 as DVC uses it, and canonical JSON to hash records by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


def md5_bytes(data: bytes | memoryview) -> str:
    """Return the md5 of bytes, an address and not a proof against tampering.

    >>> md5_bytes(b"")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    import hashlib  # a quick look does without: loading it takes as long as the look

    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def md5_file(path: Path) -> str:
    """Return the md5 of a file's content."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's content."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical(value: object) -> bytes:
    """Return JSON that is the same for equal values, whatever the order of keys.

    >>> canonical({"b": 1, "a": 2})
    b'{"a":2,"b":1}'
    """
    return msgspec.json.encode(value, order="deterministic")


def digest(value: object) -> str:
    """Return the sha256 of a JSON-able value's canonical form, in hexadecimal.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    import hashlib

    return hashlib.sha256(canonical(value)).hexdigest()
