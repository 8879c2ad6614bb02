"""Started by a test, many at once: promote versions of a model to production, in turn, as fast as can be."""

from __future__ import annotations

import sys
from pathlib import Path

from mainspring.base.errors import Conflict
from mainspring.store.workspace import Workspace
from mainspring.versioning import registry

workspace = Workspace(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for round_number in range(10):
    for version in sys.argv[2:]:
        try:
            registry.transition(
                workspace, "m", version, "production", reason=f"round {round_number}", actor=sys.argv[2]
            )
        except Conflict:
            continue
        found = [item for item in registry.versions(workspace, "m") if item.stage == "production"]
        assert len(found) <= 1, found
