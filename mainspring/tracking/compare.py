"""Runs side by side: the params that differ, every metric with its interval, and what differs in their snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import UsageError
from mainspring.tracking.search import Metric, RunInfo, get_run
from mainspring.versioning import snapshot as snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.snapshot import Difference


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Runs side by side; every list follows the order of ``runs``, None where a run has no such value.

    ``snapshots`` holds, for each run after the first, what differs in code, data, environment, randomness and config
    from the first; it is None where one of the two has no snapshot.
    """

    runs: list[RunInfo]
    params: dict[str, list[str | None]]
    metrics: dict[str, list[Metric | None]]
    snapshots: list[list[Difference] | None]


def compare(workspace: Workspace, references: Sequence[str]) -> Comparison:
    """Compare two or more runs. Read-only.

    Raises:
        UsageError: fewer than two runs were named, or one of them twice.
        NotFound, Conflict: as ``get_run``.
    """
    runs = [get_run(workspace, reference) for reference in references]
    if len(runs) < 2:
        raise UsageError("a comparison needs two runs or more", hint="`mainspring runs compare RUN RUN`")
    if len({run.id for run in runs}) < len(runs):
        raise UsageError("a run cannot be compared with itself", hint="name each run once")
    params = {key: [run.params.get(key) for run in runs] for key in _keys([run.params for run in runs])}
    return Comparison(
        runs=runs,
        params={key: values for key, values in params.items() if len(set(values)) > 1},
        metrics={key: [run.metrics.get(key) for run in runs] for key in _keys([run.metrics for run in runs])},
        snapshots=_differences(workspace, runs),
    )


def _differences(workspace: Workspace, runs: Sequence[RunInfo]) -> list[list[Difference] | None]:
    held = [None if run.snapshot_id is None else snapshots.load(workspace, run.snapshot_id) for run in runs]
    first = held[0]
    return [None if first is None or other is None else snapshots.diff(first, other) for other in held[1:]]


def _keys(mappings: Sequence[Mapping[str, object]]) -> list[str]:
    return sorted({key for mapping in mappings for key in mapping})
