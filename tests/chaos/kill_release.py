"""Started by a test: release a version and take it back, each time killed one write later, and say what is left.

Prints one line of JSON a moment: what was being done, how the process ended, and what stands before and after healing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from mainspring.serving import publication, releases, routes
from mainspring.store.workspace import Workspace
from mainspring.versioning import registry
from mainspring.versioning.materials import load

if TYPE_CHECKING:
    from collections.abc import Callable


def arm(workspace: Workspace, moment: int) -> None:
    calls = 0

    def count(*_: object) -> None:
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
    event.listen(workspace.database.engine, "commit", count)
    event.listen(workspace.database.engine, "after_cursor_execute", count)


def forked(root: Path, work: Callable[[Workspace], object], moment: int) -> int:
    child = os.fork()
    if child == 0:
        workspace = Workspace(root)
        arm(workspace, moment)
        work(workspace)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def told(root: Path, doing: str, code: int) -> dict[str, Any]:
    workspace = Workspace(root)
    published = routes.read(routes.path(workspace, "m")).route("champion")
    publication.reconcile(workspace)
    table, file = releases.current(workspace, "m"), routes.read(routes.path(workspace, "m"))
    assert published is not None
    assert table is not None
    champion = table.route("champion")
    assert champion is not None
    open_releases = [held.version for held in releases.list_releases(workspace, "m") if held.open]
    stages = {version.version: version.stage for version in registry.versions(workspace, "m")}
    workspace.close()
    return {
        "doing": doing, "code": code, "served": published.version, "champion": champion.version, "agree": table == file,
        "production": [version for version, stage in stages.items() if stage == "production"], "open": open_releases,
    }  # fmt: skip


def main(root: Path, first: str, second: str) -> None:
    workspace = Workspace(root)
    load(workspace, registry.resolve(workspace, f"m@{first}"))  # before the forks, so that no child has to import it
    workspace.close()

    def up(workspace: Workspace) -> None:
        releases.release(workspace, "m", second, reason="up", override="a test", immediate=True)

    def down(workspace: Workspace) -> None:
        releases.rollback(workspace, "m", reason="down", to=first)

    for doing, work, back in (("up", up, down), ("down", down, up)):
        moment = 0
        while True:
            moment += 1
            code = forked(root, work, moment)
            line = told(root, doing, code)
            sys.stdout.write(json.dumps(line) + "\n")
            if code == 0:
                break
            if line["champion"] == (second if doing == "up" else first):
                healed = Workspace(root)
                back(healed)
                healed.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
