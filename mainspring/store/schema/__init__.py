"""The tables, one file a principle."""

from mainspring.store.schema import automation, monitoring, reproducibility, serving, testing, tracking, versioning
from mainspring.store.schema.metadata import metadata

__all__ = [
    "automation",
    "metadata",
    "monitoring",
    "reproducibility",
    "serving",
    "testing",
    "tracking",
    "versioning",
]
