"""How much memory does it take?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.measures.latency import trend
from mainspring.testing.stopwatch import measure
from mainspring.testing.verdict import Status, Verdict, measuring

if TYPE_CHECKING:
    from mainspring.base.settings.checks import Memory
    from mainspring.testing.checks.context import Context

_MB = 1_000_000
_FEWEST, _MOST, _SECONDS = 200, 1000, 3.0


def check(settings: Memory, context: Context) -> list[Verdict]:
    """Judge the peak resident memory of a fresh process that loads the model and answers a batch and single rows.

    What memory grew by over the calls is told beside it, with its interval; a peak is a fact and has none.
    """
    name = settings.name or "memory"
    reading = measure(context.workspace, context.artifact, "memory", fewest=_FEWEST, most=_MOST, seconds=_SECONDS)
    with measuring("the growth of memory"):
        growth = trend([held / _MB for held in reading.resident_bytes])
    peak = reading.peak_bytes / _MB
    calls = len(reading.resident_bytes)
    evidence = {
        "reason": f"{peak:.0f} MB at the peak, allowed are {settings.max_mb:g} MB",
        "unit": "MB",
        "max": settings.max_mb,
        "before_loading_mb": reading.base_bytes / _MB,
        "batch_rows": reading.batch_rows,
        "growth_mb_per_1000_calls": growth.value * 1000,
        "growth_interval": [growth.low * 1000, growth.high * 1000],
        "grows": growth.low > 0,
    }
    status: Status = "pass" if peak <= settings.max_mb else "fail"
    return [Verdict(check=name, status=status, estimate=peak, n=calls, evidence=evidence, required=settings.required)]
