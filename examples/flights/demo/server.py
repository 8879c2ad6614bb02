"""The servers of the demo, started as a user would and ended by their process id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(workspace: Path, *arguments: str) -> Iterator[int]:
    """Run ``mainspring serve`` or ``mainspring up`` on a free port and give it; stop it with SIGTERM at the end."""
    command = [sys.executable, "-m", "mainspring", *arguments, "--port", "0"]
    path = workspace / ".mainspring" / f"{arguments[0]}.log"
    log = path.open("w")
    process = subprocess.Popen(command, cwd=workspace, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise SystemExit(f"`mainspring {arguments[0]}` did not start: {line}{path.read_text()}")
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        log.close()
