"""What people write for a thing of the lineage, and which node they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import Conflict, NotFound, UsageError, did_you_mean
from mainspring.base.settings.dvc import find_outs
from mainspring.versioning import datasets, registry
from mainspring.versioning.known import known, log
from mainspring.versioning.lineage.graph import Key
from mainspring.versioning.pointers import read_pointer
from mainspring.versioning.records import lineage as rows
from mainspring.versioning.records import versions as version_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

_PREFIXES = ("dataset", "run", "model", "endpoint")
_HEX = re.compile(r"[0-9a-f]{4,32}(\.dir)?")


def find(workspace: Workspace, asset: str) -> list[Key]:
    """Return the nodes that a reference means; several where a content has several names.

    ``NAME@1.2.0`` (or a number, stage, alias) is a model's version, ``NAME@3``, ``NAME@MD5`` or ``NAME`` a dataset's, which
    may also be given by its path, or its content's md5 alone. ``NAME`` is an endpoint, or the newest version of a model that
    has none. A run is given by its id or its beginning. ``dataset:``, ``run:``, ``model:`` and ``endpoint:`` before it say
    which is meant.

    Raises:
        NotFound: there is nothing like that.
        Conflict: it can mean several things; the hint says how to choose.
    """
    prefix, colon, rest = asset.partition(":")
    if colon and prefix in _PREFIXES:
        if found := _FINDERS[prefix](workspace, rest):
            return found
        raise NotFound(f"there is no {prefix} '{rest}'", hint=_near(workspace, rest), asset=asset)
    held = {name: found for name, finder in _FINDERS.items() if (found := finder(workspace, asset))}
    if "endpoint" in held:
        held.pop("model", None)
    if len(held) > 1:
        ways = " or ".join(f"{name}:{asset}" for name in held)
        raise Conflict(f"'{asset}' can mean {' or '.join(f'a {name}' for name in held)}", hint=f"write {ways}")
    if not held:
        raise NotFound(f"there is nothing called '{asset}' in the records", hint=_near(workspace, asset), asset=asset)
    return next(iter(held.values()))


def _dataset(workspace: Workspace, text: str) -> list[Key]:
    """Return what is meant, under every name that the data at its place ever had: it may have been renamed."""
    found = _named(workspace, text)
    held = [version for versions in known(workspace).values() for version in versions] if found else []
    places = {(version.path, version.md5) for version in held if Key("dataset", version.dataset, version.md5) in found}
    same = [version for version in held if (version.path, version.md5) in places]
    return list(dict.fromkeys([*found, *(Key("dataset", version.dataset, version.md5) for version in same)]))


def _named(workspace: Workspace, text: str) -> list[Key]:
    name, at, wanted = text.partition("@")
    places = datasets.known_datasets(workspace)
    if name not in places:
        held = _HEX.fullmatch(text) and len(text) >= 32
        by_content = _contents(workspace, text) if held else []
        return by_content or _on_disk(workspace, text, places) or _of_stages(workspace, text)
    versions = log(workspace, name)
    if not at:
        newest = (
            versions[-1].md5 if versions else read_pointer(places[name])
        )  # DVC added it, or a stage of DVC's made it
        return [Key("dataset", name, newest)] if newest else []
    if wanted.isdigit() and len(wanted) < 10:
        found = {version.md5 for version in versions if version.number == int(wanted)}
    else:
        found = {version.md5 for version in versions if len(wanted) >= 4 and version.md5.startswith(wanted)}
    if len(found) > 1:
        raise UsageError(f"several contents of '{name}' begin with {wanted}", hint="give more of the md5")
    return [Key("dataset", name, md5) for md5 in found]


def _contents(workspace: Workspace, md5: str) -> list[Key]:
    with workspace.database.read() as connection:
        return [Key("dataset", name, md5) for name in rows.datasets_of_content(connection, md5)]


def _on_disk(workspace: Workspace, text: str, places: dict[str, Path]) -> list[Key]:
    """Return the version that a file or folder is now; of a file inside of a dataset, the dataset's."""
    for place in (Path.cwd() / text, workspace.root / text):
        for name, path in places.items():
            if place.exists() and (place == path or path in place.parents):
                return [Key("dataset", name, datasets.current(workspace, name, add=False).md5)]
    return []


def _of_stages(workspace: Workspace, text: str) -> list[Key]:
    """Return what a stage of DVC's made, which is a dataset by its path where it is none by the settings."""
    for place in dict.fromkeys((Path.cwd() / text, workspace.root / text)):
        if place.is_relative_to(workspace.root) and place in find_outs(workspace.root):
            md5 = read_pointer(place)
            return [Key("dataset", place.relative_to(workspace.root).as_posix(), md5)] if md5 else []
    return []


def _run(workspace: Workspace, text: str) -> list[Key]:
    if not _HEX.fullmatch(text) or text.endswith(".dir"):
        return []
    with workspace.database.read() as connection:
        found = rows.runs_beginning(connection, text)
    if len(found) > 1:
        raise UsageError(f"several runs begin with {text}", hint="give more of the id", candidates=found)
    return [Key("run", run) for run in found]


def _model(workspace: Workspace, text: str) -> list[Key]:
    if text.partition("@")[0] not in registry.names(workspace):
        return []
    try:
        version = registry.resolve(workspace, text)
    except NotFound:
        return []
    return [Key("model", version.model, version.version)]


def _endpoint(workspace: Workspace, text: str) -> list[Key]:
    with workspace.database.read() as connection:
        return [Key("endpoint", name) for name in rows.routes_of(connection, [text])]


def _near(workspace: Workspace, text: str) -> str:
    name = text.partition("@")[0]
    models, sets = registry.names(workspace), list(datasets.known_datasets(workspace))
    if name in models:
        _, deleted = version_rows.highest(workspace.database, name)
        if text.partition("@")[2].removeprefix("v") in deleted:
            return f"{text} was deleted; who did it and why says: mainspring models history {name}"
        held = [version.version for version in registry.versions(workspace, name)]
        return f"the model {name} has the versions {', '.join(held[-10:]) or 'none'}"
    if name in sets:
        numbers = [str(version.number) for version in log(workspace, name)]
        return f"the dataset {name} has the versions {', '.join(numbers[-10:]) or 'none: add it first'}"
    hint = did_you_mean(name, [*models, *sets])
    return hint or "give a dataset, NAME@VERSION of a dataset or model, a run's id, a path of data, or an endpoint"


_FINDERS: dict[str, Callable[[Workspace, str], list[Key]]] = {
    "dataset": _dataset,
    "run": _run,
    "model": _model,
    "endpoint": _endpoint,
}
