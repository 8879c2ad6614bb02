"""What can be said of a dataset on disk beside its versions."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["up to date", "modified", "not added", "missing", "damaged"]
Remedy = Literal["add", "checkout", "pull"]


class DatasetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a dataset on disk compares with the version that its pointer names (or else the newest).

    ``remedy`` is the command of ``mainspring data`` that makes them equal and loses nothing; None where none is needed, or
    where somebody has to look first: ``problem`` says at what.
    """

    dataset: str
    path: str
    state: State
    number: int | None = None
    md5: str | None = None
    added: int = 0
    modified: int = 0
    deleted: int = 0
    problem: str | None = None
    remedy: Remedy | None = None

    @property
    def command(self) -> str | None:
        """The remedy as it is typed."""
        return None if self.remedy is None else command(self.remedy, self.dataset)


def command(remedy: Remedy, dataset: str) -> str:
    """Return what is typed.

    >>> command("pull", "flights"), command("add", "in two words"), command("checkout", "--json")
    ('mainspring data pull flights', "mainspring data add 'in two words'", 'mainspring data checkout -- --json')
    """
    import shlex  # what is up to date needs no remedy

    return f"mainspring data {remedy} {'-- ' * dataset.startswith('-')}{shlex.quote(dataset)}"


def compare(before: dict[str, str], after: dict[str, str]) -> tuple[int, int, int]:
    """Return how many files were added, modified and deleted.

    >>> compare({"a": "1", "b": "2"}, {"b": "3", "c": "4"})
    (1, 1, 1)
    """
    added = len(after.keys() - before.keys())
    modified = sum(after[name] != before[name] for name in after.keys() & before.keys())
    return added, modified, len(before.keys() - after.keys())
