"""Starting to mirror a run: a process of its own, which nobody waits for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from mainspring.base.errors import MainspringError

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_logger = logging.getLogger(__name__)
_warned = threading.Event()


def begin(workspace: Workspace, run_id: str) -> None:
    """Have an ended run mirrored as ``tracking.mirrors`` says. It returns at once and never raises; a failure is logged once.

    What goes wrong later is in ``.mainspring/mirrors/log``.
    """
    try:
        if not workspace.settings.tracking.mirrors:
            return
        folder = workspace.state / "mirrors"
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "mainspring.tracking.mirrors.child", str(workspace.root), run_id]
        environ = dict(os.environ)
        environ.pop("MAINSPRING_RUN_ID", None)  # the copy is no part of the run
        if workspace.environment:
            environ["MAINSPRING_ENVIRONMENT"] = workspace.environment
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, start_new_session=True
            )
        threading.Thread(target=process.wait, name="mainspring-mirror", daemon=True).start()
    except (MainspringError, OSError, RuntimeError) as error:  # RuntimeError: no thread, the interpreter is leaving
        if not _warned.is_set():
            _warned.set()
            _logger.warning("run %s is not mirrored: %s", run_id, error)
