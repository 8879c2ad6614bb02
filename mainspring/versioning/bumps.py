"""Which number of a version grows: proposed from what changed since the version before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import NotFound
from mainspring.base.git import run_git
from mainspring.versioning import code, snapshot
from mainspring.versioning.materials import is_packed, stored_signature
from mainspring.versioning.patches import changed_files
from mainspring.versioning.semver import Bump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.signature import Signature
    from mainspring.versioning.snapshot import Snapshot

_NO_CODE = (".dvc", ".md", ".gitignore")
"""Ends of files whose change changes no recipe; of the pointers, the data they name is looked at."""
_RECIPE = ("pipeline", "model", "datasets")
_SHOWN = 4


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Which number grows, and why."""

    bump: Bump
    because: str


def propose(workspace: Workspace, newest: Row[Any], signature: Signature, run_id: str | None) -> Proposal:
    """Return what a version with this signature, made by this run, is after the newest version there is.

    Major when its inputs or its target changed, minor when data, code or parameters did or nothing tells, patch when the
    recipe is the same: environment and randomness may differ.
    """
    if not is_packed(workspace, newest.artifact):
        return Proposal(bump="minor", because=f"{newest.version} holds no model of ours to compare with")
    if changed := _interface_changes(stored_signature(workspace, newest.artifact), signature):
        return Proposal(bump="major", because=f"the signature changed: {_listed(changed)}")
    before, after = _snapshot(workspace, newest.run_id), _snapshot(workspace, run_id)
    if before is None or after is None:
        which = newest.version if before is None else "this version"
        return Proposal(bump="minor", because=f"nothing is recorded of how {which} was made")
    if changed := [*_data_changes(before, after), *_code_changes(workspace, before, after), *_settings(before, after)]:
        return Proposal(bump="minor", because=f"{_listed(changed)} changed since {newest.version}")
    parts = {item.part for item in snapshot.diff(before, after)} & {"environment", "randomness"}
    beside = f"; only {' and '.join(sorted(parts))} differ" if parts else ""
    return Proposal(bump="patch", because=f"the recipe is that of {newest.version}{beside}")


def interface(signature: Signature) -> Any:
    """Return what callers of a model depend on: names and types of the inputs in order, and the target."""
    return [(column.name, column.dtype) for column in signature.inputs], signature.target


def _interface_changes(before: Signature, after: Signature) -> list[str]:
    if interface(before) == interface(after):
        return []
    old, new = ({column.name: column.dtype for column in one.inputs} for one in (before, after))
    said = [f"{name} is gone" for name in old if name not in new]
    said += [f"{name} is new" for name in new if name not in old]
    said += [f"{name} is {new[name]}, was {old[name]}" for name in old if name in new and old[name] != new[name]]
    if before.target != after.target:
        said.append("the target")
    return said or ["the inputs have another order"]


def _snapshot(workspace: Workspace, run_id: str | None) -> Snapshot | None:
    try:
        return None if run_id is None else snapshot.load(workspace, run_id)
    except NotFound:
        return None


def _data_changes(before: Snapshot, after: Snapshot) -> list[str]:
    old, new = ({item["dataset"]: item["md5"] for item in one.data} for one in (before, after))
    return [f"the data {name}" for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]


def _code_changes(workspace: Workspace, before: Snapshot, after: Snapshot) -> list[str]:
    old, new = before.code, after.code
    if _beside(workspace, old, "untracked") != _beside(workspace, new, "untracked"):
        return ["code that was not committed"]
    inside = [{path: one["commit"] for path, one in (code.get("repositories") or {}).items()} for code in (old, new)]
    if changed := [path for path in sorted({*inside[0], *inside[1]}) if inside[0].get(path) != inside[1].get(path)]:
        return [f"the code of {path}" for path in changed]
    if old.get("commit") != new.get("commit") and not _alike(workspace, old.get("commit"), new.get("commit")):
        return [f"the code ({str(old.get('commit'))[:8]} → {str(new.get('commit'))[:8]})"]
    hidden = _beside(workspace, old, "exact") != _beside(workspace, new, "exact")
    return ["code that git was told not to look at"] if hidden else []


def _beside(workspace: Workspace, recorded: Mapping[str, Any], kind: Literal["untracked", "exact"]) -> dict[str, Any]:
    """Return what is code of the changes of files, the links and the files of a kind, in the repositories inside too."""
    difference = workspace.objects.read_bytes(recorded["diff"]) if recorded.get("diff") else b""
    found: dict[str, Any] = dict(changed_files(difference)) | dict(recorded.get("links") or {})
    listed = workspace.objects.listing(recorded[kind]) if recorded.get(kind) else []
    found |= {entry.relpath: entry.md5 for entry in listed}
    found = {name: said for name, said in found.items() if not name.endswith(_NO_CODE)}
    inside = recorded.get("repositories") or {}
    return found | {f"{path}/": held for path, one in inside.items() if (held := _beside(workspace, one, kind))}


def _alike(workspace: Workspace, old: str | None, new: str | None) -> bool:
    """Say whether two commits hold the same code; what git does not know any more is not."""
    top = code.repository(workspace.root)
    if top is None or old is None or new is None:
        return False
    excluded = [f":(exclude,glob)**/*{end}" for end in _NO_CODE]
    return run_git(["diff", "--quiet", "--no-ext-diff", old, new, "--", ".", *excluded], top).returncode == 0


def _settings(before: Snapshot, after: Snapshot) -> list[str]:
    old, new = before.config["parameters"], after.config["parameters"]
    names = sorted(old.keys() | new.keys())
    changed = [f"the parameter {name}" for name in names if old.get(name) != new.get(name)]
    old, new = before.config["settings"], after.config["settings"]
    return changed or [f"the settings of {name}" for name in _RECIPE if old.get(name) != new.get(name)]


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
