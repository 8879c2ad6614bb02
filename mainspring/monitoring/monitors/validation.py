"""A dataset as it is on disk, against its suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.monitoring.data_gate import evidence_of, judge_dataset
from mainspring.monitoring.monitors.finding import Finding, Insufficient

if TYPE_CHECKING:
    from mainspring.base.settings.monitors import Validation
    from mainspring.monitoring.monitors.watched import Watched


def validation(monitor: Validation, watched: Watched) -> Finding:
    """Validate the dataset; fires when a critical expectation fails."""
    result = judge_dataset(watched.workspace, monitor.dataset)
    if result is None:
        raise Insufficient(f"the dataset '{monitor.dataset}' has no suite", hint="name one with `suite:`")
    return Finding(
        status="ok" if result.success else "firing",
        n=result.n,
        summary=f"{monitor.dataset}: {result.summary()}",
        evidence=evidence_of(monitor.dataset, result),
    )
