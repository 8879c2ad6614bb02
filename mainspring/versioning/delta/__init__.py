"""Datasets that are Delta tables: their bytes stay where they are, a version of ours names one of theirs.

Import from the module that has the word: ``sources`` (where a table is), ``commits`` (what its log has), ``opening`` (one version
of it), ``pins`` (what names it), ``versions`` (dataset versions), ``reading``, ``writing``, ``schemas``, ``history``,
``inspection``, ``vacuuming``.
"""

__all__ = [
    "commits", "history", "inspection", "opening", "pins", "reading", "schemas", "sources", "vacuuming", "versions", "writing"
]  # fmt: skip
