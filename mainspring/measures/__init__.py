"""Arrays in, numbers out: metrics with intervals, paired comparisons, drift, fairness, sequential tests.

Pure: nothing here reads a file, a clock or the store, and the same arguments give the same numbers. Every estimate
carries its interval (:class:`mainspring.measures.estimate.Estimate`). Bad arrays raise ``ValueError`` saying which
array and what is wrong with it; an unknown metric's name raises ``NotFound``, a table without the column that it is to
be clustered by ``InvalidData``.

Import from the module that has the word: ``measures.metric`` (the registry), ``classification``, ``regression``,
``paired``, ``intervals``, ``distribution``, ``drift``, ``fairness``, ``sequential``, ``leakage``, ``latency``.
"""

__all__ = [
    "classification",
    "distribution",
    "drift",
    "estimate",
    "fairness",
    "intervals",
    "latency",
    "leakage",
    "metric",
    "paired",
    "regression",
    "sequential",
]
