"""How long does one row take?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mainspring.measures.latency import n_for_quantile, quantile_interval
from mainspring.testing.stopwatch import measure
from mainspring.testing.verdict import Verdict, against_bound, measuring

if TYPE_CHECKING:
    from mainspring.base.settings.checks import Latency
    from mainspring.testing.checks.context import Context
    from mainspring.testing.stopwatch import Reading

_SECONDS = 5.0
_LONGER = 20.0
_MORE = 8
_CONFIDENCE = 1 - 0.05 / 2
"""Of each of two looks at most, so that both together err in 5% of the cases."""
_BUSY_RATIO = 3.0
_BUSY_SHARE = 0.8


def check(settings: Latency, context: Context) -> list[Verdict]:
    """Judge the quantile's order-statistic interval against the bound, in a process of its own with pinned threads.

    Measured is one row through check of the input and prediction, without HTTP. There are at least as many requests as
    can bound the quantile from above, and up to three times as many while there is time. Where that does not decide, a
    second look at eight times as many fresh requests does, or not; each look has half of the error. A calibration loop
    runs between the requests: too slow by the clock, but not by CPU time, on a machine that was busy, is inconclusive.
    """
    name = settings.name or f"latency p{settings.quantile * 100:g}"
    fewest = max(settings.requests, n_for_quantile(settings.quantile, _CONFIDENCE))
    verdict = _look(settings, context, name, fewest, _SECONDS)
    if verdict.status == "inconclusive":
        first = verdict.interval
        verdict = _look(settings, context, name, _MORE * fewest, _LONGER)
        verdict = msgspec.structs.replace(verdict, evidence={**verdict.evidence, "first_look": first})
    return [verdict]


def _look(settings: Latency, context: Context, name: str, fewest: int, seconds: float) -> Verdict:
    with measuring(name):
        reading = measure(
            context.workspace, context.artifact, "latency", fewest=fewest, most=3 * fewest, seconds=seconds
        )
        found = quantile_interval(reading.wall_ms, settings.quantile, _CONFIDENCE)
        cpu = quantile_interval(reading.cpu_ms, settings.quantile, _CONFIDENCE)
    load = machine_load(reading)
    evidence = {
        "unit": "ms",
        "median_ms": float(np.median(reading.wall_ms)),
        "cpu_ms": cpu.value,
        "cpu_interval": [cpu.low, cpu.high],
        "machine": load,
        "measured": "one row, in process, one thread, without HTTP",
    }
    verdict = against_bound(name, found, high=settings.max_ms, required=settings.required, evidence=evidence)
    if verdict.status == "fail" and load["busy"] and cpu.low <= settings.max_ms:
        reason = f"the machine was busy; by CPU time it is {cpu.value:.3g} ms, at most {settings.max_ms:g} are allowed"
        return msgspec.structs.replace(verdict, status="inconclusive", evidence={**verdict.evidence, "reason": reason})
    return verdict


def machine_load(reading: Reading) -> dict[str, Any]:
    """Tell how even a fixed loop ran between the requests, and what share of the time the process had a CPU."""
    calibration = np.asarray(reading.calibration_ms)
    median, tail = (float(np.quantile(calibration, q)) for q in (0.5, 0.99))
    share = min(1.0, sum(reading.cpu_ms) / max(sum(reading.wall_ms), 1e-9))
    return {
        "calibration_median_ms": median,
        "calibration_p99_ms": tail,
        "cpu_share": share,
        "busy": tail > _BUSY_RATIO * median or share < _BUSY_SHARE,
    }
