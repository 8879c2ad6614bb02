"""Reading what is stored again, all of it or a sample, and telling what is bad."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Corrupted, NotFound, StorageError
from mainspring.base.settings.dvc import find_outs
from mainspring.versioning.checkout import find_version
from mainspring.versioning.datasets import known_datasets, locate
from mainspring.versioning.known import log
from mainspring.versioning.named import named_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.contents import Tick


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is missing or was damaged, and what needs it."""

    md5: str
    problem: str
    used_by: list[str]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What is bad, how many of how many objects were read, and how many of those were bad.

    Listings of folders and versions of tables that are bad are always among the ``damages``, and count where they were drawn.
    """

    damages: list[Damage]
    read: int
    bad: int
    objects: int


def verify(workspace: Workspace, name: str | None = None, *, tick: Tick | None = None) -> list[Damage]:
    """Re-hash stored objects (of one dataset, or all of them) and return the bad ones; damaged ones go to quarantine.

    What recorded versions and pointers of the working tree need is bad where it is not there, and versions of Delta tables where
    files of the table are not there.

    Raises:
        NotFound: no such dataset.
    """
    return verify_some(workspace, name, lambda total: total, tick=tick).damages


def verify_some(
    workspace: Workspace, name: str | None, count: Callable[[int], int], *, tick: Tick | None = None
) -> Verification:
    """Do as ``verify`` for ``count`` of all objects, drawn at random, another time others; listings of folders are read always.

    Raises:
        NotFound: no such dataset.
    """
    users: dict[str, list[str]] = {}
    damages: list[Damage] = []
    for what, md5 in _referenced(workspace, name):
        users.setdefault(md5, []).append(what)
        if md5.endswith(".dir"):
            try:
                for entry in workspace.objects.listing(md5):
                    users.setdefault(entry.md5, []).append(f"{what}: {entry.relpath}")
            except (Corrupted, NotFound, StorageError) as error:
                damages.append(Damage(md5=md5, problem=error.message, used_by=[what]))
                del users[md5]  # it is in quarantine by now, or cannot be read
    every = sorted(users if name is not None else {*users, *workspace.objects.addresses()})
    drawn = _drawn(every, count(len(every)))
    bad = 0
    for number, md5 in enumerate(drawn, 1):
        try:
            workspace.objects.check(md5)
        except (Corrupted, NotFound, StorageError) as error:
            bad += 1
            damages.append(Damage(md5=md5, problem=error.message, used_by=users.get(md5, [])))
        if tick is not None:
            tick(number, len(drawn))
    from mainspring.versioning.delta.inspection import damaged  # most workspaces have no tables

    for version, problem in damaged(workspace, name):
        said = f"{version.dataset} version {version.number}"
        damages.append(Damage(md5=version.md5, problem=problem, used_by=[said]))
    return Verification(damages=damages, read=len(drawn), bad=bad, objects=len(every))


def _drawn(every: list[str], count: int) -> list[str]:
    if count >= len(every):
        return every
    import random  # all of them need none

    return sorted(random.SystemRandom().sample(every, count))


def _referenced(workspace: Workspace, name: str | None) -> Iterable[tuple[str, str]]:
    path = None
    if name is not None:
        name, path = locate(workspace, name)
    pointed = named_now(find_outs(workspace.root) if path is None else [path])
    pointers = {md5: f"the pointer of {os.path.relpath(out, workspace.root)}" for out, md5 in pointed}
    if name is not None and not pointers:
        find_version(workspace, name, None)
    for dataset in [name] if name is not None else known_datasets(workspace):
        for version in log(workspace, dataset):
            pointers.pop(version.md5, None)
            yield f"{dataset} version {version.number}", version.md5
    for md5, what in pointers.items():
        yield what, md5
    if name is None:
        from mainspring.versioning.records import versions as version_rows  # a checkout does without records

        for row in version_rows.select_versions(workspace.database):
            if row.artifact:
                yield f"model {row.model}@{row.version}", row.artifact
            if row.evidence is not None:
                yield f"evidence of {row.model}@{row.version}", row.evidence
