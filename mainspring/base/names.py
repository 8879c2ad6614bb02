"""Names that somebody may use as paths of files."""

from __future__ import annotations

import posixpath


def names_elsewhere(name: str) -> bool:
    """Return whether a name, read as a path, means another name than itself, or a place outside its folder.

    >>> [name for name in ("loss/train", "a//b", "a/../b", "../x", "/abs", "a/", ".") if not names_elsewhere(name)]
    ['loss/train']
    """
    return name == "." or name.startswith(("/", "..")) or posixpath.normpath(name) != name
