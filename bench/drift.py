"""What a drift comparison costs: 200,000 rows against 200,000, 20 columns of numbers and 10 of text.

Beside it the bare statistics of scipy, without floors, sufficiency, nulls, new categories or dependent rows.
Run: OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python bench/drift.py.
"""

from __future__ import annotations

import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency, ks_2samp

from mainspring.measures.distribution import ks
from mainspring.measures.drift import compare_columns, read_columns
from mainspring.monitoring.drift import compare

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 200_000
NUMBERS = [f"number_{i}" for i in range(20)]
TEXTS = {f"text_{i}": size for i, size in enumerate((2, 5, 10, 20, 50, 100, 200, 300, 400, 500))}
TIMES = 5
WITHIN = 1e-12


def table(seed: int, shift: float) -> pl.DataFrame:
    """Return rows of which every fifth column of numbers has moved."""
    rng = np.random.default_rng(seed)
    numbers = {name: rng.normal(shift * (i % 5 == 0), 1, ROWS) for i, name in enumerate(NUMBERS)}
    texts = {
        name: np.array([f"category {k:03d}" for k in range(size)], dtype=object)[
            (size * rng.random(ROWS) ** 1.5).astype(int)
        ]
        for name, size in TEXTS.items()
    }
    return pl.DataFrame(numbers | texts)


def bare(reference: dict[str, np.ndarray], current: dict[str, np.ndarray]) -> dict[str, float]:
    """Return scipy's Kolmogorov-Smirnov distances, and chi-square statistics of counted categories."""
    found = {name: float(ks_2samp(reference[name], current[name], method="asymp").statistic) for name in NUMBERS}
    for name in TEXTS:
        sides = [Counter(side[name].tolist()) for side in (reference, current)]
        words = sorted(sides[0] | sides[1])
        counts = [[side[word] for word in words] for side in sides]
        found[name] = float(chi2_contingency(counts).statistic)
    return found


def cpu(work: Callable[[], object]) -> float:
    """Return the median CPU seconds of some work."""
    taken = []
    for _ in range(TIMES):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return median(taken)


def main() -> None:
    """Check the distances, then print CPU seconds."""
    before, after = table(0, 0.0), table(1, 0.3)
    arrays = [{name: frame[name].to_numpy() for name in frame.columns} for frame in (before, after)]
    series = [{name: frame[name] if name in TEXTS else frame[name].to_numpy() for name in frame.columns}
              for frame in (before, after)]  # fmt: skip
    oracle = bare(*arrays)
    apart = max(abs(ks(before[name].to_numpy(), after[name].to_numpy()).d - oracle[name]) for name in NUMBERS)
    if apart > WITHIN:
        raise SystemExit(f"the distance is {apart:.3g} from scipy's, more than {WITHIN:g}")
    drifted = compare(before, after).named("drift")
    print(f"KS within {apart:.1g} of scipy's; drifted: {', '.join(drifted)}")
    kept = read_columns(series[0])
    lines = {
        "scipy, bare": lambda: bare(*arrays),
        "both tables read": lambda: compare(before, after),
        "reference kept": lambda: compare_columns(kept, series[1]),
    }
    taken = {name: cpu(work) for name, work in lines.items()}
    for name, seconds in taken.items():
        print(f"{name:24} {seconds:6.2f} s CPU  {taken['scipy, bare'] / seconds:5.1f} x")


if __name__ == "__main__":
    main()
