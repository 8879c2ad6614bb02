"""A column of two tables as a small picture: inline SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH, _HEIGHT = 240, 64
_BINS = 24
_CATEGORIES = 8
_FOOT = 12


def sketch(reference: pl.DataFrame, current: pl.DataFrame, column: str) -> str:
    """Return both distributions in one picture, or nothing where there is none to draw (a column gone, only nulls).

    Numbers: shares of 24 equal bins from the 0.5% to the 99.5% quantile of both, the ends taking what is beyond. Everything
    else: shares of the 8 most frequent values.
    """
    if column not in reference.columns or column not in current.columns:
        return ""
    before, after = reference[column], current[column]
    if before.dtype.is_numeric() and after.dtype.is_numeric():
        return _numbers(_finite(before), _finite(after))
    if before.dtype.is_nested() or after.dtype.is_nested():
        return ""
    return _categories(before.cast(pl.String).drop_nulls(), after.cast(pl.String).drop_nulls())


def _finite(values: pl.Series) -> NDArray[np.float64]:
    present = values.cast(pl.Float64).drop_nulls()
    return present.filter(present.is_finite()).to_numpy()


def _numbers(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    if not len(before) or not len(after):
        return ""
    ends = [np.quantile(side, [0.005, 0.995]) for side in (before, after)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    shares = [np.histogram(np.clip(side, low, high), edges)[0] / len(side) for side in (before, after)]
    top = max(float(share.max()) for share in shares) or 1.0
    step = _WIDTH / _BINS
    ground = _HEIGHT - _FOOT
    first, second = ([ground * (1 - share / top * 0.94) for share in side] for side in shares)
    area = f"M0 {ground}" + "".join(f"V{y:.1f}H{(i + 1) * step:.0f}" for i, y in enumerate(first)) + f"V{ground}Z"
    line = f"M0 {second[0]:.1f}" + "".join(f"V{y:.1f}H{(i + 1) * step:.0f}" for i, y in enumerate(second))
    drawn = f'<path d="{area}" fill="var(--ref)" opacity=".55"/>'
    drawn += f'<path d="{line}" fill="none" stroke="var(--cur)" stroke-width="1.6"/>'
    feet = _foot(0, "start", f"{low:.3g}") + _foot(_WIDTH, "end", f"{high:.3g}")
    return _svg(drawn + feet)


def _categories(before: pl.Series, after: pl.Series) -> str:
    if not len(before) or not len(after):
        return ""
    counts = [dict(side.alias("value").value_counts().iter_rows()) for side in (before, after)]
    names = sorted(set(counts[0]) | set(counts[1]), key=lambda name: -_share(name, counts, before, after))[:_CATEGORIES]
    pairs = [(counts[0].get(name, 0) / len(before), counts[1].get(name, 0) / len(after)) for name in names]
    top = max(max(pair) for pair in pairs)
    slot, ground = _WIDTH / len(names), _HEIGHT - _FOOT
    wide = min(slot * 0.36, 30)
    drawn = ""
    for place, (name, pair) in enumerate(zip(names, pairs, strict=True)):
        middle = (place + 0.5) * slot
        for share, left, colour in ((pair[0], middle - wide, "ref"), (pair[1], middle, "cur")):
            tall = ground * share / top * 0.94
            place_and_size = f'x="{left:.1f}" y="{ground - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
            drawn += f'<rect {place_and_size} fill="var(--{colour})"/>'
        letters = max(1, int(slot / 6))
        drawn += _foot(middle, "middle", shown(name, letters))
    return _svg(drawn)


def _share(name: str, counts: list[dict[str, int]], before: pl.Series, after: pl.Series) -> float:
    return max(counts[0].get(name, 0) / len(before), counts[1].get(name, 0) / len(after))


def shown(words: str, longest: int) -> str:
    """Return text of the data as HTML: escaped, cut to ``longest`` letters, without what cannot be printed.

    >>> shown("<b> and more", 5)
    '&lt;b&gt; …'
    """
    clean = "".join(letter for letter in words if letter.isprintable())
    return escape(clean if len(clean) <= longest else clean[: max(1, longest - 1)] + "…")


def _foot(x: float, anchor: str, words: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{_HEIGHT - 1}" text-anchor="{anchor}" font-size="10" fill="var(--soft)">{words}</text>'
    )


def _svg(inside: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">{inside}</svg>'
