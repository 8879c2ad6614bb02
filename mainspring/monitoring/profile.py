"""The profile of a table: what validation, drift and serving need to know about it, counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.monitoring.counts import ColumnCounts, TableCounts, count_numbers, count_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT_VERSION = 1
MAX_BINS = 256
MAX_CATEGORIES = 200
FEW_VALUES = 50
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

Kind = Literal["number", "category", "moment", "opaque"]


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column. ``nulls`` includes NaN; moments, quantiles and edges are of the finite values.

    A number is binned on ``edges``: its own quantiles, ``[edges[i], edges[i+1])``, the last bin closed. A category, and an
    integer with few distinct values, is counted by ``categories`` (the most frequent first, as text). ``complete`` says
    that these are all the values there were. A moment has its ends as ISO 8601. Lists and structs are opaque: only their
    nulls are counted.
    """

    name: str
    dtype: str
    kind: Kind
    count: int
    nulls: int
    distinct: int | None = None
    infinite: int = 0
    integer: bool = False
    few_valued: bool = False
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] = {}
    edges: list[float] = []
    categories: list[str] = []
    complete: bool = False
    counts: ColumnCounts

    def count_of(self, values: pl.Series) -> ColumnCounts:
        """Count other values of this column on the same bins; what fits none is in ``unlisted``, ``below``, ``above``."""
        if self.edges:
            return count_numbers(values, np.asarray(self.edges))
        return count_values(values, self.categories, listed=self.kind == "category" or self.few_valued)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a table, as JSON of a version that every later release can read."""

    format_version: int = FORMAT_VERSION
    rows: int
    target: str | None = None
    columns: list[ColumnProfile]

    def column(self, name: str) -> ColumnProfile:
        """Return one column's profile; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def count(self, frame: pl.DataFrame) -> TableCounts:
        """Bin another table on this one's edges; counts of several tables add up exactly. Columns it lacks are left out.

        >>> profile = build_profile(pl.DataFrame({"colour": ["red", "red", "blue"]}))
        >>> counts = profile.count(pl.DataFrame({"colour": ["red", "green", None]}))
        >>> counts.columns["colour"].bins, counts.columns["colour"].unlisted, counts.columns["colour"].nulls
        ([1, 0], 1, 1)
        """
        found = {c.name: c.count_of(frame[c.name]) for c in self.columns if c.name in frame.columns}
        return TableCounts(rows=frame.height, columns=found)

    def to_json(self) -> bytes:
        """Return the profile as JSON, the same bytes for equal profiles."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, data: bytes) -> Profile:
        """Read a profile that :meth:`to_json` wrote.

        Raises:
            InvalidData: not a profile, or of a version that this release does not know.
        """
        try:
            version = msgspec.json.decode(data, type=_Versioned).format_version
            if version > FORMAT_VERSION:
                raise InvalidData(
                    f"this profile is of format {version}, and this release reads up to {FORMAT_VERSION}",
                    hint="upgrade mainspring, or make the profile again",
                    format_version=version,
                )
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise InvalidData(
                f"this is not a profile: {error}", hint="make one with `mainspring profile FILE`"
            ) from None


class _Versioned(msgspec.Struct):
    format_version: int


def build_profile(frame: pl.DataFrame, *, target: str | None = None) -> Profile:
    """Count a table: each column once, and each number sorted once.

    An empty table has a profile too: no edges, no categories.

    >>> profile = build_profile(pl.DataFrame({"x": [1.0, 2.0, None]}))
    >>> profile.column("x").mean, profile.column("x").nulls
    (1.5, 1)
    """
    if target is not None and target not in frame.columns:
        raise InvalidData(f"there is no target column '{target}' in the table", column=target, columns=frame.columns)
    return Profile(rows=frame.height, target=target, columns=[_column(frame[name]) for name in frame.columns])


def _column(values: pl.Series) -> ColumnProfile:
    dtype = values.dtype
    if dtype.is_numeric():
        return _number(values)
    if dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        return _category(values)
    if dtype in (pl.Date, pl.Datetime):
        ends: list[Any] = [values.min(), values.max()]
        low, high = (end.isoformat() if end is not None else None for end in ends)
        return ColumnProfile(
            **_common(values, "moment"),
            distinct=values.drop_nulls().n_unique(),
            min=low,
            max=high,
            counts=count_values(values, [], listed=False),
        )
    return ColumnProfile(**_common(values, "opaque"), counts=count_values(values, [], listed=False))


def _common(values: pl.Series, kind: Kind) -> dict[str, Any]:
    return {
        "name": values.name,
        "dtype": str(values.dtype),
        "kind": kind,
        "count": len(values),
        "nulls": values.null_count(),
    }


def _number(values: pl.Series) -> ColumnProfile:
    present = values.cast(pl.Float64).fill_nan(None).drop_nulls()
    ordered = present.sort().to_numpy()
    finite = ordered[np.isfinite(ordered)]
    distinct = int(np.count_nonzero(np.diff(finite))) + 1 if len(finite) else 0
    integer = values.dtype.is_integer()
    few = integer and 0 < distinct <= FEW_VALUES
    categories = values.drop_nulls().unique().sort().cast(pl.String).to_list() if few else []
    edges = [] if few else _edges(finite)
    common = _common(values, "number") | {"nulls": len(values) - len(ordered)}
    return ColumnProfile(
        **common,
        distinct=distinct,
        infinite=len(ordered) - len(finite),
        integer=integer,
        few_valued=few,
        categories=categories,
        complete=few,
        edges=edges,
        **_moments(finite),
        counts=count_numbers(values, np.asarray(edges)) if edges else count_values(values, categories, listed=few),
    )


def _moments(finite: NDArray[np.float64]) -> dict[str, Any]:
    if not len(finite):
        return {}
    return {
        "min": float(finite[0]),
        "max": float(finite[-1]),
        "mean": float(finite.mean()),
        "std": float(finite.std(ddof=1)) if len(finite) > 1 else None,
        "quantiles": {str(q): float(v) for q, v in zip(QUANTILES, np.quantile(finite, QUANTILES), strict=True)},
    }


def _edges(ordered: NDArray[np.float64]) -> list[float]:
    """Return at most 257 distinct quantiles of sorted values, the extremes included; a constant gives its value twice."""
    if not len(ordered):
        return []
    picked = np.unique(ordered[np.linspace(0, len(ordered) - 1, MAX_BINS + 1).round().astype(np.int64)])
    return [float(edge) for edge in (picked if len(picked) > 1 else np.repeat(picked, 2))]


def _category(values: pl.Series) -> ColumnProfile:
    text = values.cast(pl.String).drop_nulls().alias("value")
    counted = text.value_counts().sort("count", "value", descending=[True, False])
    categories = counted["value"].head(MAX_CATEGORIES).to_list()
    return ColumnProfile(
        **_common(values, "category"),
        distinct=counted.height,
        categories=categories,
        complete=counted.height <= MAX_CATEGORIES,
        counts=count_values(values, categories, listed=True),
    )
