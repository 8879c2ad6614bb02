"""The guard of a prediction server: moves releases on and rolls bad ones back, even if nothing else runs; and tidies up.

``python -m mainspring.serving.guard``, started by the supervisor; stops on SIGTERM or when its standard input ends.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import warnings
from pathlib import Path

from mainspring.base import logs
from mainspring.base.errors import MainspringError
from mainspring.serving.compaction import Compaction
from mainspring.serving.releases import advance
from mainspring.serving.segments import DamagedSegment
from mainspring.store.workspace import Workspace

INTERVAL_SECONDS = 2.0
TIDY_SECONDS = 60.0
log = logging.getLogger(__name__)


def watch(workspace: Workspace, stop: threading.Event) -> None:
    """Advance releases every two seconds until ``stop`` is set. What goes wrong is logged once, and tried again."""
    warnings.simplefilter("once", DamagedSegment)
    said: str | None = None
    while not stop.wait(INTERVAL_SECONDS):
        try:
            advance(workspace)
            said = None
        except MainspringError as error:
            if error.message != said:
                log.error("releases cannot be watched: %s", error.message)
            said = error.message
        except Exception:  # the guard stays, whatever the trouble; it is in the log
            if said != "":
                log.exception("releases cannot be watched")
            said = ""


def tidy(workspace: Workspace, stop: threading.Event) -> None:
    """Merge small segments every minute until ``stop`` is set."""
    compaction = Compaction(workspace)
    while not stop.wait(TIDY_SECONDS):
        try:
            compaction.run()
        except MainspringError as error:
            log.error("segments are not merged: %s", error.message)
        except Exception:  # what was recorded can be read as it is; the guard has better to do than to end
            log.exception("segments are not merged")


def main() -> None:
    """Run the guard as its arguments say."""
    parser = argparse.ArgumentParser(prog="python -m mainspring.serving.guard")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--environment")
    arguments = parser.parse_args()
    logs.configure(os.environ.get("MAINSPRING_LOG_LEVEL", "WARNING"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_follow_supervisor, args=(stop,), daemon=True).start()
    workspace = Workspace(arguments.workspace, environment=arguments.environment)
    tidying = threading.Thread(target=tidy, args=(workspace, stop), daemon=True)
    tidying.start()
    watch(workspace, stop)
    workspace.close()


def _follow_supervisor(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()


if __name__ == "__main__":
    main()
