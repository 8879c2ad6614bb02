"""Memory, processor and disk of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from mainspring.monitoring.monitors.finding import Finding

if TYPE_CHECKING:
    from mainspring.base.settings.monitors import Resources
    from mainspring.monitoring.monitors.watched import Watched

_SAMPLES = 2
_SAMPLE_SECONDS = 0.25


def resources(monitor: Resources, watched: Watched) -> Finding:
    """Sample twice; fires when something is beyond its bound in both, so that a spike is not an alert."""
    samples = [_sample(str(watched.workspace.root)) for _ in range(_SAMPLES)]
    bounds = {"memory": monitor.max_memory, "processor": monitor.max_processor, "disk": monitor.max_disk}
    least = {name: min(sample[name] for sample in samples) for name in bounds}
    problems = [
        f"{name} is {least[name]:.0%} used, above {bound:.0%}" for name, bound in bounds.items() if least[name] > bound
    ]
    summary = "; ".join(problems) or ", ".join(f"{name} {share:.0%}" for name, share in least.items())
    evidence = {"samples": samples, "max": bounds}
    return Finding(status="firing" if problems else "ok", n=_SAMPLES, summary=summary, evidence=evidence)


def _sample(folder: str) -> dict[str, float]:
    processor = psutil.cpu_percent(interval=_SAMPLE_SECONDS) / 100
    memory = psutil.virtual_memory()
    return {
        "memory": 1 - memory.available / memory.total,
        "processor": processor,
        "disk": psutil.disk_usage(folder).percent / 100,
    }
