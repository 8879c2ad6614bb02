"""Looking again and again, until told to stop."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from mainspring.automation import leases
from mainspring.automation.delegate import delegate
from mainspring.automation.tick import tick
from mainspring.base.errors import MainspringError
from mainspring.base.owner import describe
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from mainspring.automation.leases import Lease
    from mainspring.automation.tick import TickReport

_log = logging.getLogger(__name__)


def loop(
    workspace: Workspace,
    interval: float,
    stop: threading.Event,
    *,
    on_tick: Callable[[TickReport], object] | None = None,
) -> None:
    """Tick every ``interval`` seconds until ``stop`` is set; then an execution under way is interrupted, and its event waits.

    Executions run in processes of their own, so they neither slow this one down nor take it with them.
    Settings that change are read again; while they are wrong, the last good ones count. Nothing that goes wrong ends the
    loop; it is logged, and so is that it went right again. While it lasts, the lease ``worker …`` has a heartbeat.
    """
    opened = Workspace(workspace.root, environment=workspace.environment)
    seen = _changed_at(opened)
    lease: Lease | None = None
    failed = 0
    while not stop.is_set():
        if _changed_at(opened) != seen:
            seen = _changed_at(opened)
            opened = _reopened(opened)
        try:
            lease = lease or leases.acquire(workspace, f"worker {describe()}")
            report = tick(opened, act=partial(delegate, progress=False, stop=stop))
            for line in report.lines:
                _log.info("%s", line)
            if failed:
                _log.warning("looking works again, after %d that failed", failed)
            failed = 0
            if on_tick is not None:
                on_tick(report)
        except MainspringError as error:
            failed += 1
            _log.error(
                "this look failed, the next is in %g s: %s (%s)", interval, error.message, error.hint or error.code
            )
        except Exception:  # noqa: BLE001 - the loop has to outlive one bad tick
            failed += 1
            _log.exception("a tick broke")
        stop.wait(interval)
    _give_back(lease)
    opened.close()


def _give_back(lease: Lease | None) -> None:
    try:
        if lease is not None:
            lease.release()
    except MainspringError as error:
        _log.error("the end of the worker was not recorded: %s", error.message)


def _changed_at(workspace: Workspace) -> int:
    try:
        return workspace.settings_file.stat().st_mtime_ns
    except OSError:
        return 0


def _reopened(workspace: Workspace) -> Workspace:
    fresh = Workspace(workspace.root, environment=workspace.environment)
    try:
        _ = fresh.settings
    except MainspringError as error:
        _log.error("the settings changed and are wrong, the last good ones count: %s", error.message)
        return workspace
    workspace.close()
    return fresh
