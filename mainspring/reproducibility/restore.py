"""Putting a run's code, data and settings into a fresh folder, checked against what was recorded."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from mainspring.base.errors import Corrupted, NotFound, UsageError
from mainspring.base.files import write_atomic
from mainspring.base.git import run_git
from mainspring.base.settings.load import FILE_NAME, merge
from mainspring.base.settings.read import read_tree
from mainspring.reproducibility.code import restore_code
from mainspring.versioning.delta.pins import write_pointer
from mainspring.versioning.delta.sources import elsewhere
from mainspring.versioning.delta.versions import pins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.search import Input
    from mainspring.versioning.delta.pins import Pin
    from mainspring.versioning.snapshot import Snapshot

ENVIRONMENT = "reproduction"
"""Name of the overlay under which the run is made again."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A fresh workspace, the folder of its repository, and the files of the original that are not in it."""

    root: Path
    top: Path
    missing: tuple[str, ...]


def restore(
    workspace: Workspace,
    snapshot: Snapshot,
    inputs: Iterable[Input],
    folder: Path,
    *,
    parameters: Mapping[str, Any],
    say: Callable[[str], None],
) -> Restored:
    """Rebuild what a snapshot holds in ``folder``, which must be empty or not there; the original is only read.

    The fresh workspace keeps its own records and objects, sends alerts nowhere, and runs with the seed and the
    parameters of the original.

    Raises:
        UsageError: the folder is not empty.
        NotFound, Corrupted: a commit or an object is gone or damaged; the folder is removed again.
        ExternalToolError: git is missing, or failed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", hint="name a folder that is not there yet with --to")
    try:
        missing = restore_code(workspace, snapshot.code, folder, say)
        root = folder / snapshot.code.get("folder", ".")
        if not (root / FILE_NAME).is_file():
            hint = "it was ignored by git when the run was made: nothing tells what its settings were"
            raise NotFound(f"the run's code holds no {FILE_NAME}", hint=hint, snapshot=snapshot.id)
        read = _inputs(snapshot, inputs)
        tables = pins_of(workspace, read.values())
        files = {path: item for path, item in read.items() if item[0] not in tables}
        _restore_data(workspace, files, root, say)
        _hold(tables, root, say)
        _write_overlay(root, snapshot, parameters, {name: address for name, (address, _) in tables.items()})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Restored(root=root, top=folder, missing=tuple(missing))


# Data


def _inputs(snapshot: Snapshot, inputs: Iterable[Input]) -> dict[str, tuple[str, str]]:
    """Return path → dataset and address of everything that the run read."""
    found = {item["path"]: (item["dataset"], item["md5"]) for item in snapshot.data}
    return found | {item.path: (item.dataset, item.md5) for item in inputs}


def _restore_data(
    workspace: Workspace, inputs: Mapping[str, tuple[str, str]], root: Path, say: Callable[[str], None]
) -> None:
    for path, (dataset, md5) in sorted(inputs.items()):
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts:
            raise Corrupted(f"the records put dataset '{dataset}' at {path}, outside of the workspace", path=path)
        say(f"data: {dataset} ({md5[:8]})")
        target = root / relative
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        workspace.objects.restore(md5, target)


def _hold(tables: Mapping[str, tuple[str, Pin]], root: Path, say: Callable[[str], None]) -> None:
    """Let the run read tables where they are, at the versions that it read, and write to none of them."""
    for name, (address, pin) in sorted(tables.items()):
        say(f"data: {name} (version {pin.version} of {address})")
        pointer = elsewhere(root, name, address)
        write_pointer(pointer, pin, held=True)
        relative = pointer.pointer.relative_to(root).as_posix()
        _exclude(root, relative)
        run_git(["update-index", "--assume-unchanged", relative], root)


# Settings


def _write_overlay(root: Path, snapshot: Snapshot, parameters: Mapping[str, Any], tables: Mapping[str, str]) -> None:
    """Lay the environment of the run, its seed and parameters, and a state of its own over the settings."""
    overlay: dict[str, Any] = {}
    if (environment := snapshot.config.get("environment")) is not None:
        overlay = read_tree(root / "environments" / f"{environment}.yaml")
    ours: dict[str, Any] = {"state": {"database": None, "objects": None}, "channels": []}
    if tables:
        ours["datasets"] = {name: {"path": address, "table": "delta"} for name, address in tables.items()}
    if (seed := snapshot.randomness.get("seed")) is not None:
        ours["seed"] = seed
    if parameters and read_tree(root / FILE_NAME).get("pipeline") is not None:
        ours["pipeline"] = {"parameters": dict(parameters)}
    path = root / "environments" / f"{ENVIRONMENT}.yaml"
    write_atomic(path, yaml.safe_dump(merge(overlay, ours), sort_keys=False).encode())
    _exclude(root, f"environments/{ENVIRONMENT}.yaml")
    _exclude(root, ".mainspring/")


def _exclude(root: Path, path: str) -> None:
    """Keep what was laid beside the restored code out of it."""
    found = run_git(["rev-parse", "--show-toplevel", "--git-path", "info/exclude"], root)
    if found.returncode == 0:
        top, exclude = os.fsdecode(found.stdout).splitlines()
        pattern = (root.resolve() / path).relative_to(top).as_posix() + ("/" if path.endswith("/") else "")
        with (root / exclude).open("a", encoding="utf-8") as file:
            file.write(f"\n/{pattern}\n")
