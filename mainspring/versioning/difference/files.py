"""Which files differ, and which of them have to be read to know which rows do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class FileChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Names of files that were added, removed, or hold something else."""

    added: list[str]
    removed: list[str]
    changed: list[str]


def compare_files(before: Mapping[str, str], after: Mapping[str, str]) -> FileChanges:
    """Compare name → content.

    >>> compare_files({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    FileChanges(added=['c'], removed=['a'], changed=['b'])
    """
    return FileChanges(
        added=sorted(after.keys() - before.keys()),
        removed=sorted(before.keys() - after.keys()),
        changed=sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
    )


def apart(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the names whose content the other side does not have, whatever it is called there.

    >>> apart({"a": "1", "b": "2"}, {"moved": "1", "c": "3"})
    (['b'], ['c'])
    """
    return _beyond(before, after), _beyond(after, before)


def _beyond(names: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    left = Counter(others.values())
    found = []
    for name, content in names.items():
        if left[content]:
            left[content] -= 1
        else:
            found.append(name)
    return found
