"""Data: its versions, what changed, and how to get them back."""

from mainspring.versioning.checkout import Damage, checkout, find_version, verify
from mainspring.versioning.datasets import (
    Dataset,
    DatasetStatus,
    DatasetVersion,
    add,
    current,
    known_datasets,
    locate,
    log,
    open_dataset,
    status,
)

__all__ = [
    "Damage",
    "Dataset",
    "DatasetStatus",
    "DatasetVersion",
    "add",
    "checkout",
    "current",
    "find_version",
    "known_datasets",
    "locate",
    "log",
    "open_dataset",
    "status",
    "verify",
]
