"""Differences as git writes them, file by file."""

from __future__ import annotations

import re

_ESCAPED = re.compile(rb"\\([0-7]{3}|.)")
_MEANT = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_NAMES = (
    re.compile(rb"^rename to (.+)$", re.MULTILINE),
    re.compile(rb"^\+\+\+ (\"?b/.+?)\t?$", re.MULTILINE),
    re.compile(rb"^--- (\"?a/.+?)\t?$", re.MULTILINE),
)


def changed_files(difference: bytes) -> dict[str, bytes]:
    """Return a difference by the file that is changed, under its new name.

    >>> list(changed_files(b"diff --git a/x.py b/x.py\\n--- a/x.py\\n+++ b/x.py\\n@@ -1 +1 @@\\n-1\\n+2\\n"))
    ['x.py']
    """
    parts = re.split(rb"^(?=diff --git )", difference, flags=re.MULTILINE)
    return {_named(part): part for part in parts if part.startswith(b"diff --git ")}


def _named(part: bytes) -> str:
    head = re.split(rb"^(?:@@|GIT binary patch)", part, maxsplit=1, flags=re.MULTILINE)[0]
    for place, pattern in enumerate(_NAMES):
        if (found := pattern.search(head)) is not None:
            name = _plain(found[1])
            return _text(name[2:] if place else name)
    both = head.split(b"\n", 1)[0].removeprefix(b"diff --git ")  # one name, twice: no byte of the file is another one
    if both.startswith(b'"'):
        return _text(_plain(both[: len(both) // 2])[2:])
    return _text(both[2 : 2 + (len(both) - 5) // 2])


def _plain(name: bytes) -> bytes:
    """Return a name that git may have put in quotes."""
    if not name.startswith(b'"'):
        return name
    return _ESCAPED.sub(lambda found: _unescaped(found[1]), name[1:-1])


def _unescaped(said: bytes) -> bytes:
    return bytes([int(said, 8)]) if len(said) == 3 else _MEANT.get(said, said)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
