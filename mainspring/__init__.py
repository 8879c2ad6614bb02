"""Mainspring takes an ordinary ML project to continuous training.

The names below are all that a project's own code needs; each is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.automation.pipeline import pipeline
    from mainspring.automation.script import script
    from mainspring.automation.step import step
    from mainspring.base.randomness import set_seed
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.run import (
        active_run,
        log_artifact,
        log_figure,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_text,
        set_tag,
        start_run,
    )
    from mainspring.tracking.tables import Table
    from mainspring.versioning.candidate import Candidate
    from mainspring.versioning.data import Dataset

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "Dataset",
    "Table",
    "Workspace",
    "active_run",
    "log_artifact",
    "log_figure",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_text",
    "pipeline",
    "script",
    "set_seed",
    "set_tag",
    "start_run",
    "step",
]

_HOMES = {
    "Candidate": "versioning.candidate",
    "Dataset": "versioning.data",
    "Table": "tracking.tables",
    "Workspace": "store.workspace",
    "pipeline": "automation.pipeline",
    "script": "automation.script",
    "set_seed": "base.randomness",
    "step": "automation.step",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'mainspring' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mainspring.{_HOMES.get(name, 'tracking.run')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
