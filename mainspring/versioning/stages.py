"""The stages of ``dvc.yaml``, and whether ``dvc.lock`` says that they ran on what is there now. Read, never written."""

from __future__ import annotations

import os
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import InvalidData
from mainspring.base.settings import locked
from mainspring.base.settings.dvc import SKIPPED
from mainspring.base.settings.parameters import MISSING, read_parameters, value_at
from mainspring.versioning.contents import address_of
from mainspring.versioning.legacy import compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mainspring.store.workspace import Workspace

StageState = Literal["up to date", "changed", "never run"]
_PARAMS = "params.yaml"
UNRESOLVED = "it is a template that DVC has not resolved yet"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage; paths are relative to the workspace. ``why`` names what changed since it ran, or what cannot be read here.

    ``needs`` are the stages whose outs it reads. One that is ``always_changed`` (it says so, or reads and writes nothing)
    runs every time; one that is ``frozen`` never runs, and what it reads does not count.
    """

    name: str
    commands: list[str]
    folder: str
    deps: list[str]
    params: list[str]
    outs: list[str]
    state: StageState
    why: list[str]
    always_changed: bool = False
    frozen: bool = False
    needs: list[str] = []


def read_stages(workspace: Workspace) -> list[Stage]:
    """Return the stages of every ``dvc.yaml`` of the workspace, each after those whose outs it needs.

    A stage that is a template (``foreach``, ``matrix``, ``${…}``) is told as ``dvc.lock`` last resolved it.

    Raises:
        InvalidData: a file cannot be read, or stages need one another.
    """
    stages: dict[str, Stage] = {}
    for parent, folders, names in os.walk(workspace.root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        if "dvc.yaml" in names:
            stages |= {stage.name: stage for stage in _of_file(workspace, Path(parent))}
    needs = {name: _needs(stage, stages.values()) for name, stage in stages.items()}
    try:
        order = TopologicalSorter(needs).static_order()
        return [msgspec.structs.replace(stages[name], needs=needs[name]) for name in order]
    except CycleError as error:
        raise InvalidData(
            f"stages of dvc.yaml need one another: {' → '.join(error.args[1])}", hint="correct their deps"
        ) from None


def _needs(stage: Stage, stages: Iterable[Stage]) -> list[str]:
    read = [Path(path) for path in (*stage.deps, *stage.params)]
    return [
        other.name
        for other in stages
        if other.name != stage.name
        and any(path.is_relative_to(out) or Path(out).is_relative_to(path) for out in other.outs for path in read)
    ]


def _of_file(workspace: Workspace, folder: Path) -> Iterator[Stage]:
    said, ran = locked.read_stages(folder / "dvc.yaml"), locked.read_stages(folder / locked.FILE)
    below = folder.relative_to(workspace.root).as_posix()
    for name, body in said.items():
        resolved = {found: lock for found, lock in ran.items() if found == name or found.startswith(f"{name}@")}
        is_template = "foreach" in body or "matrix" in body or "${" in str(body)
        inner = body.get("do") or body
        for found in resolved if is_template and resolved else [name]:
            lock = resolved.get(found)
            shown = found if below == "." else f"{below}/dvc.yaml:{found}"
            yield _stage(workspace, folder, shown, lock if is_template and lock else inner, lock, inner)


def _stage(
    workspace: Workspace,
    folder: Path,
    name: str,
    told: dict[str, Any],
    lock: dict[str, Any] | None,
    body: dict[str, Any],
) -> Stage:
    base = Path(os.path.normpath(folder / str(body.get("wdir") or ".")))
    commands = told.get("cmd") or body.get("cmd") or []
    commands = [commands] if isinstance(commands, str) else list(commands)
    outs = [path for kind in ("outs", "metrics", "plots") for path in _paths(told.get(kind))]
    params = _params(told.get("params") or [])
    why = [UNRESOLVED] if "${" in " ".join(commands) else []
    deps = _paths(told.get("deps"))
    always_changed = bool(body.get("always_changed")) or not (deps or params or outs)
    frozen = bool(body.get("frozen"))
    if lock is not None:
        why += ["always changed"] if always_changed else []
        read = ([], {}) if frozen else (deps, params)
        why += _changes(workspace, base, commands, *read, outs, lock)
    state: StageState = "never run" if lock is None else "changed" if why else "up to date"
    return Stage(
        name=name,
        commands=commands,
        folder=_relative(workspace, base),
        deps=[_relative(workspace, base / path) for path in deps],
        params=[_relative(workspace, base / path) for path in params],
        outs=[_relative(workspace, base / path) for path in outs],
        state=state,
        why=why,
        always_changed=always_changed,
        frozen=frozen,
    )


def _changes(
    workspace: Workspace,
    base: Path,
    commands: list[str],
    read: list[str],
    params: dict[str, list[str]],
    outs: list[str],
    lock: dict[str, Any],
) -> Iterator[str]:
    """Give what differs from when a stage ran, as DVC sees it: of what it reads and writes by now."""
    ran = lock.get("cmd")
    if commands != ([ran] if isinstance(ran, str) else ran):
        yield "the command"
    items = {os.path.normpath(item["path"]): item for item in [*lock.get("deps", []), *lock.get("outs", [])]}
    for path in (*read, *outs):
        item = items.get(os.path.normpath(path))
        if item is None or not _is_same(workspace, Path(os.path.normpath(base / path)), item):
            yield path
    for file, keys in params.items():
        yield from _changed_params(base / file, file, keys, (lock.get("params") or {}).get(file))


def _changed_params(path: Path, file: str, keys: list[str], ran: dict[str, Any] | None) -> Iterator[str]:
    """Give the keys whose values are others; without keys, every one at the top of the file is meant."""
    if ran is None or not path.is_file():
        yield file
        return
    now = read_parameters(path)
    for key in keys or list(dict.fromkeys([*now, *ran])):
        value = value_at(now, key) if keys else now.get(key, MISSING)
        plain = list(value) if isinstance(value, tuple) else value
        if value is MISSING or key not in ran or plain != ran[key]:
            yield f"{file}:{key}"


def _is_same(workspace: Workspace, path: Path, item: dict[str, Any]) -> bool:
    if not path.exists() or "md5" not in item:
        return False
    if "hash" not in item:
        return compare(workspace, path, item["md5"]) is None
    return address_of(workspace, path) == str(item["md5"])


def _paths(items: Any) -> list[str]:
    """Return the paths of a list whose entries are paths, or mappings from a path to what is said of it."""
    found = [str(item if not isinstance(item, dict) else item.get("path") or next(iter(item))) for item in items or []]
    return [path for path in found if "://" not in path]


def _params(items: Any) -> dict[str, list[str]]:
    """Return the keys that are read of each file; none where all of it is."""
    if isinstance(items, dict):  # as dvc.lock has them
        return {file: list(values) for file, values in items.items()}
    found: dict[str, list[str]] = {}
    whole = {file for item in items if isinstance(item, dict) for file, keys in item.items() if not keys}
    for item in items:
        for file, keys in (item if isinstance(item, dict) else {_PARAMS: [item]}).items():
            found.setdefault(file, []).extend([] if file in whole else keys)
    return found


def _relative(workspace: Workspace, path: Path) -> str:
    return Path(os.path.relpath(path, workspace.root)).as_posix()
