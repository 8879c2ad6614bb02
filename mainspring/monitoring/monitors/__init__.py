"""The monitors, one question each: given what is watched, a finding."""

__all__ = [
    "business",
    "drift",
    "finding",
    "freshness",
    "labels",
    "performance",
    "resources",
    "service",
    "validation",
    "watched",
]
