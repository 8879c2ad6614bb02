"""Versioning: code, data, models, environment and configuration, each with its versions.

Import from the module that has the word: ``versioning.candidate``, ``signature``, ``artifact``, ``evidence``, ``models``,
``data``, ``tables``, ``snapshot``, ``code``, ``environment``, ``config``.
"""

__all__ = [
    "artifact",
    "candidate",
    "code",
    "config",
    "data",
    "environment",
    "evidence",
    "models",
    "signature",
    "snapshot",
    "tables",
]
