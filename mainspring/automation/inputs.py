"""Datasets that scripts read: recorded with their run, as those that a pipeline takes are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.base.errors import MainspringError
from mainspring.versioning.datasets import current, known_datasets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mainspring.tracking.recording import Run


def log(run: Run | None, reads: Sequence[Path], writes: Sequence[Path]) -> None:
    """Record with a run the datasets that a script's files and folders are, hold or lie in, at the version that is there.

    What is no version of theirs, what the script writes or the run wrote, and Delta tables are nothing to record.
    """
    if run is None:
        return
    for name, place in known_datasets(run.workspace).items():
        if place not in writes and any(_meet(place, path) for path in reads) and not (place / "_delta_log").exists():
            with suppress(MainspringError):  # not there, or never added
                version = current(run.workspace, name, add=False)
                if not run.wrote(version):
                    run.log_input(version)


def _meet(place: Path, path: Path) -> bool:
    return path.is_relative_to(place) or place.is_relative_to(path)
