"""Acting on an event in a process of its own: what a training needs, or breaks, is not the scheduler's.

The two speak through the store alone. The process ends, as on Ctrl-C, when its standard input does: because it is told
to, or because whoever started it is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.automation import events, records
from mainspring.base import logs
from mainspring.base.clock import now
from mainspring.base.errors import ExternalToolError, MainspringError
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from mainspring.automation.events import Event

INTERRUPTED = 130
_STOPPED = "waits: the worker was stopped; finished steps are remembered"
_LOOK = 0.1
_LAST_CALL = 10.0
"""Seconds that the process has to record that it was interrupted."""


def delegate(
    workspace: Workspace, event: Event, *, progress: bool = True, stop: threading.Event | None = None
) -> Event:
    """Execute the pipeline for an event, judge and release, in another process; return the event as it is afterwards.

    When ``stop`` is set, the execution is interrupted and the event waits: what had finished is remembered. When the
    process dies, by whatever hand, its execution is interrupted and its event failed, with the reason.

    Raises:
        ExternalToolError: the process ended before it began; the event waits.
    """
    child = subprocess.Popen(
        _command(workspace, event, progress=progress), stdin=subprocess.PIPE, start_new_session=True
    )
    stopped = stop or threading.Event()
    try:
        while child.poll() is None and not stopped.wait(_LOOK):
            pass
    finally:
        _end(child)
    return _found(workspace, event, child.returncode, stopped=stopped.is_set())


def _command(workspace: Workspace, event: Event, *, progress: bool) -> list[str]:
    command = [sys.executable, "-m", "mainspring.automation.delegate", "--workspace", str(workspace.root)]
    if workspace.environment:
        command += ["--environment", workspace.environment]
    return [*command, "--event", event.id, *(["--progress"] if progress else [])]


def _end(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(_LAST_CALL + 5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _found(workspace: Workspace, event: Event, code: int, *, stopped: bool) -> Event:
    """Return the event; where the process left without a word, record what is known."""
    left = events.get(workspace, event.id)
    if left.status == "running":
        told = "it was stopped" if stopped else _death(code)
        with workspace.database.write() as connection:
            records.interrupt_executions(connection, event.id, now(), told)
            execution = records.execution_of(connection, event.id)
        status, reason = ("pending", _STOPPED) if stopped else ("failed", told)
        return events.conclude(workspace, left, status, reason, execution_id=execution)
    if left.status == "pending" and code not in (0, INTERRUPTED) and not stopped:
        raise ExternalToolError(
            f"event {event.kind} of '{event.trigger}' waits: {_death(code)}",
            hint="what the process said is on standard error",
        )
    return left


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}; standard error has what it said"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    why = ": most often memory ran out" if -code == signal.SIGKILL else ""
    return f"its process was ended by {name}{why}; finished steps are remembered"


def main() -> int:
    """Act on the event that the arguments name; return the exit code."""
    from mainspring.automation.continuous import deliver  # late: only the child needs all that executions need

    parser = argparse.ArgumentParser(prog="python -m mainspring.automation.delegate")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--environment")
    parser.add_argument("--event", required=True)
    parser.add_argument("--progress", action="store_true")
    arguments = parser.parse_args()
    logs.configure(os.environ.get("MAINSPRING_LOG_LEVEL", "WARNING"))
    _offer()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    workspace = Workspace(arguments.workspace, environment=arguments.environment)
    try:
        _follow()
        deliver(workspace, events.get(workspace, arguments.event), progress=arguments.progress)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _wait_again(workspace, arguments.event)
        return INTERRUPTED
    except MainspringError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


def _wait_again(workspace: Workspace, event_id: str) -> None:
    event = events.get(workspace, event_id)
    if event.status == "running":
        events.conclude(workspace, event, "pending", _STOPPED)


def _offer() -> None:
    """Where memory runs out, let the system end this process rather than the one that keeps the project going."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _follow() -> None:
    """Interrupt this process when its standard input ends; if that does not end it, end it."""
    watched = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        while os.read(watched, 1024):
            pass
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(_LAST_CALL)
        os._exit(1)

    threading.Thread(target=wait, name="follow", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
