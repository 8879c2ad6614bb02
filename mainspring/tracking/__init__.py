"""What a run was given and what it gave: params, metrics with their history, tags, inputs, artifacts, a snapshot.

``run`` records (``start_run`` and the ``log_…`` functions), ``recording`` is the run while it lasts, ``search`` and
``compare`` read, ``artifacts`` holds files, ``experiments`` groups runs, ``batch`` is the one verb that everything
logged goes through. Names, values and paths are checked in ``limits``; SQL is in ``records``.
"""

__all__ = [
    "artifacts",
    "batch",
    "compare",
    "experiments",
    "limits",
    "owner",
    "recording",
    "run",
    "search",
]
