"""Started by a test: register a model again and again, each time killed one write later, and say what is left.

Prints one line of JSON a moment: the moment, whether the process was killed, and the versions whose objects are missing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import skops.io  # before the forks, so that no child has to
from sqlalchemy import event
from versioning_samples import make_candidate

from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from mainspring.versioning.records import versions as version_rows


def arm(workspace: Workspace, moment: int) -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def counting(real: Any) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            count()
            result = real(*arguments, **named)
            count()
            return result

        return called

    for name in ("fsync", "replace", "rename"):
        setattr(os, name, counting(getattr(os, name)))
    event.listen(workspace.database.engine, "commit", lambda _connection: count())


def run(work: Any) -> int:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path) -> None:
    assert skops.io.dumps is not None
    Workspace(root).database.close()
    moment = 1
    while True:

        def register(moment: int = moment) -> None:
            workspace = Workspace(root)
            arm(workspace, moment)
            models.register(workspace, "m", make_candidate(seed=moment))

        code = run(register)
        workspace = Workspace(root)
        rows = version_rows.select_versions(workspace.database)
        missing = [
            row.version
            for row in rows
            if not (workspace.objects.has(row.artifact) and workspace.objects.has(row.evidence))
        ]
        transitions = len(version_rows.select_transitions(workspace.database, "m"))
        workspace.close()
        found = {"moment": moment, "code": code, "versions": len(rows), "transitions": transitions, "missing": missing}
        print(json.dumps(found), flush=True)
        if code == 0:
            return
        moment += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
