"""What a step asks for, against what this machine has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROCESSES_VARIABLE = "MAINSPRING_PROCESSES"


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def held() -> dict[str, int]:
    """Return what there is here: ``cpu``, and ``gpu`` (NVIDIA's, as far as ``CUDA_VISIBLE_DEVICES`` lets one see them)."""
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        gpus = min(
            gpus, len([name for name in visible.split(",") if name.strip() and not name.strip().startswith("-")])
        )
    return {"cpu": processors(), "gpu": gpus}


def require(step: str, asked: Mapping[str, float]) -> None:
    """Make sure that this machine has what a step asks for.

    Raises:
        UsageError: it has not; says what it has.
    """
    here = held() if asked else {}
    for name, amount in asked.items():
        if amount > here.get(name, 0):
            has = f"{here[name] or 'none'}" if name in here else f"no such thing (it knows {', '.join(here)})"
            raise UsageError(
                f"step '{step}' asks for {amount:g} {name}, and this machine has {has}",
                hint=f"run it where there is enough, or lower `resources` of step '{step}'",
                step=step,
                resource=name,
            )


def at_once(asked: Mapping[str, float]) -> int:
    """Return how many calls of a step may run at once: one for each processor, or as many as share what it asks for.

    Never more than ``MAINSPRING_PROCESSES``, where that is set.

    >>> at_once({"cpu": processors()})
    1
    """
    given = os.environ.get(PROCESSES_VARIABLE)
    if given is not None and not given.isdigit():
        raise UsageError(f"{PROCESSES_VARIABLE}={given} is no number of processes", hint="set it to 1 or more")
    limit = int(given) if given else processors()
    here = held() if asked else {}
    shares = [int(here.get(name, 0) // amount) for name, amount in asked.items() if amount > 0]
    return max(1, min([limit, *shares]))
