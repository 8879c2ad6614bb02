"""The process that mirrors a run: reads it from the records and hands it to the clients, each in its own interpreter."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import iso, now
from mainspring.base.errors import MainspringError
from mainspring.store.workspace import Workspace
from mainspring.tracking.artifacts import list_artifacts
from mainspring.tracking.search import curves, get_run
from mainspring.versioning.scratch import scratch

if TYPE_CHECKING:
    from mainspring.base.settings.schema import MirrorSettings

_SECONDS = 3600


def mirror(workspace: Workspace, run_id: str) -> list[str]:
    """Write a run with every client that the settings name; return what went wrong, a line for each client.

    Raises:
        MainspringError: the run cannot be read.
    """
    wrong = []
    with scratch(workspace) as folder:
        document = folder / "run.json"
        document.write_bytes(msgspec.json.encode(_described(workspace, run_id, folder / "files")))
        for settings in workspace.settings.tracking.mirrors:
            problem = _hand_over(workspace, settings, document)
            if problem:
                wrong.append(f"run {run_id} is not mirrored to {settings.type}: {problem}")
    return wrong


def _described(workspace: Workspace, run_id: str, folder: Path) -> dict[str, Any]:
    run = get_run(workspace, run_id)
    files = []
    for number, info in enumerate(list_artifacts(workspace, run.id)):
        # under its own path, below a folder of its own: clients name a file by its path
        target = folder / str(number) / info.path
        workspace.objects.restore(info.md5, target)
        files.append([info.path, str(folder / str(number))])
    histories = curves(workspace, run.id, list(run.metrics))
    return {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "params": run.params,
        "tags": run.tags,
        "curves": {
            key: [curve.steps, curve.at, [value if math.isfinite(value) else str(value) for value in curve.values]]
            for key, curve in histories.items()
        },
        "files": files,
    }


def _hand_over(workspace: Workspace, settings: MirrorSettings, document: Path) -> str | None:
    folder = workspace.state / "mirrors" / settings.type
    folder.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).parent / f"{settings.type}_client.py"
    command = [settings.python or sys.executable, str(script), str(document), settings.project or ""]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        return (done.stderr.strip() or "the client failed").splitlines()[-1]
    return None


def main(arguments: list[str]) -> int:
    """Mirror the run that the arguments name; problems go to standard error, which is the log."""
    workspace = Workspace(Path(arguments[0]))
    try:
        wrong = mirror(workspace, arguments[1])
    except MainspringError as error:
        wrong = [f"run {arguments[1]} is not mirrored: {error.message}"]
    finally:
        workspace.close()
    for line in wrong:
        sys.stderr.write(f"{iso(now())} {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
