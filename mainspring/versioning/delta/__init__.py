"""Datasets that are Delta tables: their bytes stay where they are, a version of ours names one of theirs.

Import from the module that has the word: ``sources`` (where a table is), ``commits`` (what its log has), ``opening`` (one version
of it), ``pins`` and ``identity`` (what names it), ``versions`` (dataset versions), ``reading``, ``writing``, ``schemas``,
``committing``, ``deleting`` with ``conditions`` and ``values``, ``remains`` (who still has what went), ``history``, ``changes``,
``inspection``, ``compacting``, ``vacuuming``, ``losses`` (what is gone).
"""

__all__ = [
    "changes", "commits", "committing", "compacting", "conditions", "deleting", "history", "identity", "inspection", "losses",
    "opening", "pins", "reading", "remains", "schemas", "sources", "vacuuming", "values", "versions", "writing",
]  # fmt: skip
