"""Memory, processor and disk of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from mainspring.monitoring.monitors.finding import Finding

if TYPE_CHECKING:
    from mainspring.base.settings.monitors import Resources
    from mainspring.monitoring.monitors.watched import Watched


def resources(monitor: Resources, watched: Watched) -> Finding:
    """Look at memory, disk and the load of the last five minutes; fires for what is beyond its bound.

    The load is that of Unix: how many processes wanted a processor, a processor; beyond 1 some had to wait, and it is cut
    there. A spike of seconds does not move it.
    """
    used = _used(str(watched.workspace.root))
    bounds = {"memory": monitor.max_memory, "processor": monitor.max_processor, "disk": monitor.max_disk}
    problems = [
        f"{name} is {used[name]:.0%} used, above {bound:.0%}" for name, bound in bounds.items() if used[name] > bound
    ]
    summary = "; ".join(problems) or ", ".join(f"{name} {share:.0%}" for name, share in used.items())
    evidence = {"used": used, "max": bounds}
    return Finding(status="firing" if problems else "ok", n=1, summary=summary, evidence=evidence)


def _used(folder: str) -> dict[str, float]:
    memory = psutil.virtual_memory()
    return {
        "memory": 1 - memory.available / memory.total,
        "processor": min(psutil.getloadavg()[1] / (psutil.cpu_count() or 1), 1.0),
        "disk": psutil.disk_usage(folder).percent / 100,
    }
