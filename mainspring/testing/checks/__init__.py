"""The questions a gate asks about a candidate, one module each; ``dispatch`` knows which settings ask which."""

__all__ = [
    "baseline",
    "calibration",
    "context",
    "dispatch",
    "fairness",
    "latency",
    "leakage",
    "memory",
    "metric",
    "no_regression",
    "skew",
]
