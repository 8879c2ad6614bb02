"""Passes of the project's own tests, layer by layer of the pyramid."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Literal

import msgspec

from mainspring.base.clock import now
from mainspring.base.ids import new_id
from mainspring.testing import records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mainspring.store.workspace import Workspace

Layer = Literal["unit", "integration", "model", "system", "regression", "stress"]
LAYERS: tuple[Layer, ...] = ("unit", "integration", "model", "system", "regression", "stress")


class SuitePass(msgspec.Struct, frozen=True, kw_only=True):
    """How the tests of one layer did in one session; ``commit`` is that of the code, None outside of git."""

    id: str
    layer: str
    at: int
    passed: int
    failed: int
    skipped: int
    commit: str | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Tests of a layer by how they ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


def record(workspace: Workspace, layers: Mapping[str, Counts]) -> list[SuitePass]:
    """Record a session of the project's tests, one row a layer, with the commit that is checked out."""
    if not layers:
        return []
    at, commit = now(), commit_of(workspace.root)
    passes = [
        SuitePass(
            id=new_id(), layer=layer, at=at, passed=counts.passed, failed=counts.failed, skipped=counts.skipped,
            commit=commit,
        )
        for layer, counts in layers.items()
    ]  # fmt: skip
    records.insert_suite_passes(workspace.database, [msgspec.to_builtins(each) for each in passes])
    return passes


def latest(workspace: Workspace) -> dict[str, SuitePass]:
    """Return the newest pass of every layer that was ever run."""
    rows = records.select_latest_suite_passes(workspace.database)
    return {row.layer: SuitePass(**{name: getattr(row, name) for name in SuitePass.__struct_fields__}) for row in rows}


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out in a folder; None without git, a repository or a commit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
