"""What files of settings said last: loading YAML's reader takes longer than a quick look at data."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base import caches

if TYPE_CHECKING:
    from pathlib import Path


class _Kept(msgspec.Struct, array_like=True):
    text: bytes
    tree: dict[str, Any]


class KeptFiles:
    """Files of settings as trees; what one said is kept in a folder beside its text, and holds while that is the same.

    Where there is no such folder yet, nothing is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: dict[Path, _Kept] = {}

    def tree(self, path: Path) -> dict[str, Any]:
        """Return what a file says.

        Raises:
            SettingsError: it cannot be read.
        """
        text = None
        with suppress(OSError):  # the reader says what is wrong
            text = path.read_bytes()
        file = self._folder / f"settings.{path.stem}"
        held = caches.kept(file, _Kept)
        if held is not None and held.text == text:
            return held.tree
        from mainspring.base.settings.read import read_tree

        tree = read_tree(path, text)
        if text is not None:
            self._new[file] = _Kept(text, tree)
        return tree

    def keep(self) -> None:
        """Keep what was read anew. To be called when that was found to be right: a secret that may not be there is not copied."""
        for file, said in self._new.items():
            if os.access(self._folder, os.W_OK) and _comes_back(said.tree):
                caches.keep(file, said)


def _comes_back(tree: dict[str, Any]) -> bool:
    """Say whether a tree comes back from a cache as it was: dates do not."""
    try:
        return bool(msgspec.msgpack.decode(msgspec.msgpack.encode(tree)) == tree)
    except (msgspec.MsgspecError, OverflowError, TypeError, ValueError):
        return False
