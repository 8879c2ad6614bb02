"""Which objects are meant when data goes to a remote or comes from one.

What pointers name needs no records: their modules are loaded where they are needed, and a push of nothing starts quickly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import MainspringError, NotFound, UsageError, did_you_mean
from mainspring.base.settings.dvc import find_outs
from mainspring.versioning.named import named
from mainspring.versioning.pointers import pointed
from mainspring.versioning.states import command

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An object, of a folder all or those at or below ``part``; ``path`` is where its pointer says that it belongs.

    What only history names (``is_needed`` off) may be lost already. What its pointer keeps from remotes (``is_pushed`` off) is
    where it came from.
    """

    md5: str
    what: str
    path: Path | None = None
    part: str = ""
    is_needed: bool = True
    is_pushed: bool = True

    def takes(self, relpath: str) -> bool:
        """Say whether a file of the folder is meant."""
        return not self.part or relpath == self.part or relpath.startswith(f"{self.part}/")


def choose(
    workspace: Workspace, targets: Sequence[str] = (), *, all_versions: bool = False, models: bool = False
) -> list[Wanted]:
    """Return what the pointers of the working tree name: all of them, or those of some datasets, files or folders.

    ``all_versions`` adds every recorded version, and what pointers named in any commit that git knows; ``models`` adds what
    registered versions of models hold, with their evidence.

    Raises:
        NotFound: a target is no dataset and no file or folder of one.
        InvalidData: a pointer cannot be read.
    """
    pointers = list(find_outs(workspace.root))
    found: list[Wanted] = []
    for path, part in _meant(workspace, targets, pointers):
        shown = _relative(workspace, path)
        md5, is_pushed = pointed(path)
        if md5 is not None:
            found.append(Wanted(md5=md5, what=shown, path=path, part=part, is_pushed=is_pushed))
        elif targets and not all_versions and path not in pointers:
            raise _unpointed(workspace, path, shown)
        if all_versions:
            found += _recorded(workspace, path)
    if all_versions and not targets:
        from mainspring.versioning.datasets import known_datasets

        for path in known_datasets(workspace).values():
            if path not in pointers:
                found += _recorded(workspace, path)
        found += [Wanted(md5=md5, what="a pointer in git's history", is_needed=False) for md5 in named(workspace.root)]
    if models:
        found += _models(workspace)
    return found


def _meant(workspace: Workspace, targets: Sequence[str], pointers: list[Path]) -> Iterator[tuple[Path, str]]:
    """Give path and part of every target; without targets, of every pointer."""
    if not targets:
        yield from ((path, "") for path in pointers)
        return
    from mainspring.versioning.datasets import known_datasets

    known = known_datasets(workspace)
    for target in targets:
        yield from _found(workspace, target, pointers, known)


def _found(
    workspace: Workspace, target: str, pointers: list[Path], known: dict[str, Path]
) -> Iterator[tuple[Path, str]]:
    name, _, rest = target.partition("/")
    if name in known:
        yield known[name], rest.strip("/")
        return
    plain = target.removesuffix(".dvc")
    places = [Path(os.path.normpath(base / plain)) for base in (Path.cwd(), workspace.root)]
    paths = {*pointers, *known.values()}
    for place in places:
        for path in (place, *place.parents):
            if path in paths:
                yield path, place.relative_to(path).as_posix().removeprefix(".")
                return
        below = [path for path in pointers if path.is_relative_to(place)]
        if below:
            yield from ((path, "") for path in below)
            return
    names = [*known, *(_relative(workspace, path) for path in pointers)]
    hint = did_you_mean(target, names) or f"known: {', '.join(names[:10]) or 'no pointers'}"
    raise NotFound(f"'{target}' is no dataset, and no file or folder of one", hint=hint, target=target)


def _unpointed(workspace: Workspace, path: Path, shown: str) -> MainspringError:
    from mainspring.versioning.delta import sources

    if (table := sources.find(workspace, path)) is not None:
        return UsageError(
            f"{table.shown} is a Delta table: it stays where it lies, and no remote keeps its versions",
            hint="a table that others have to reach lies in a bucket: make its address the dataset's `path`",
        )
    return NotFound(f"{shown} has no pointer", hint=f"add it: {command('add', shown)}", path=shown)


def _recorded(workspace: Workspace, path: Path) -> list[Wanted]:
    from mainspring.versioning.datasets import known_datasets
    from mainspring.versioning.known import log

    names = [name for name, place in known_datasets(workspace).items() if place == path]
    return [
        Wanted(md5=version.md5, what=f"{name} version {version.number}", is_needed=False)
        for name in names
        for version in log(workspace, name)
    ]


def _models(workspace: Workspace) -> list[Wanted]:
    from mainspring.versioning.records import versions as version_rows

    return [
        Wanted(md5=md5, what=f"{kind} {row.model}@{row.version}")
        for row in version_rows.select_versions(workspace.database)
        for kind, md5 in (("model", row.artifact), ("evidence of", row.evidence))
        if md5
    ]


def _relative(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else str(path)
