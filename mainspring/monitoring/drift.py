"""Drift of tables: every column of a reference against a current table, with what cannot be compared said aloud."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import polars as pl

from mainspring.base.errors import InvalidData, NotFound, UsageError, did_you_mean
from mainspring.measures.drift import ColumnDrift, DriftFloors, compare_columns
from mainspring.versioning.tables import read_table, scan_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Verdict = Literal["drift", "no_drift", "insufficient_data"]


class ColumnFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one column, told by its deciding test.

    ``method`` is one of measures.floors.Method, or ``schema`` when the column is gone or of another type. ``effect`` is in
    the units of its ``floor``; ``n`` are the current rows, ``n_needed`` those that the floor needs.
    """

    column: str
    verdict: Verdict
    method: str
    effect: float | None
    floor: float | None
    p_value: float | None
    p_adjusted: float | None
    n: int
    n_reference: int
    n_needed: int | None
    details: dict[str, Any] = {}


class Skipped(msgspec.Struct, frozen=True):
    """A column that was not compared, and why."""

    column: str
    reason: str


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every column's finding, in the order of the reference."""

    columns: list[ColumnFinding]
    skipped: list[Skipped]
    only_in_reference: list[str]
    only_in_current: list[str]
    n_reference: int
    n_current: int

    def named(self, verdict: Verdict) -> list[str]:
        """Return the columns with that verdict."""
        return [finding.column for finding in self.columns if finding.verdict == verdict]

    @property
    def drifted(self) -> bool:
        """Whether any column drifted."""
        return any(finding.verdict == "drift" for finding in self.columns)

    def summary(self) -> str:
        """Say in one line what was found."""
        drifted, unsure = self.named("drift"), self.named("insufficient_data")
        rows = f"{self.n_current} rows against {self.n_reference}"
        if not drifted and len(unsure) == len(self.columns):
            return f"too few rows to tell drift in any of {len(self.columns)} columns ({rows})"
        if not drifted:
            doubt = f", {len(unsure)} cannot be told" if unsure else ""
            return f"none of {len(self.columns)} columns drifted{doubt} ({rows})"
        told = [f for f in self.columns if f.verdict == "drift"]
        told.sort(key=lambda f: -(f.effect or 0) / (f.floor or 1))
        shown = ", ".join(f"{f.column} ({describe(f)})" for f in told[:3])
        more = f" and {len(told) - 3} more" if len(told) > 3 else ""
        return f"{len(drifted)} of {len(self.columns)} columns drifted: {shown}{more} ({rows})"


def describe(finding: ColumnFinding) -> str:
    """Say a finding's effect with its floor."""
    if finding.method == "schema" or finding.effect is None:
        return str(finding.details.get("reason", finding.method))
    return f"{finding.method} {finding.effect:.3g}, floor {finding.floor:.3g}"


def compare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    floors: DriftFloors | None = None,
    *,
    columns: Sequence[str] | None = None,
    ordered: bool = True,
) -> DriftReport:
    """Compare two tables column by column.

    A column that only the reference has, or whose type changed its kind (text for numbers), has drifted by ``schema``; one
    that only the current table has is named and judges nothing. Moments, lists and structs are skipped with the reason. An
    empty current table is ``insufficient_data`` in every column. ``ordered`` says that rows stand in order of time, so rows
    that resemble their neighbours count for fewer.

    Raises:
        InvalidData: the reference is empty.
        NotFound: a named column is in neither table.

    >>> before = pl.DataFrame({"x": list(range(1000))})
    >>> compare(before, before.with_columns(pl.col("x") + 500), ordered=False).named("drift")
    ['x']
    """
    if reference.is_empty():
        raise InvalidData("the reference has no rows", hint="compare with a table of rows that are known to be right")
    names = _chosen(reference, current, columns)
    skipped: list[Skipped] = []
    changed: list[ColumnFinding] = []
    shared: list[str] = []
    for name in names:
        if name not in current.columns:
            changed.append(_schema_finding(name, reference, current, "the column is gone"))
        elif name in reference.columns:
            _sort_column(name, reference, current, skipped, changed, shared)
    compared = compare_columns(_arrays(reference, shared), _arrays(current, shared), floors, is_ordered=ordered)
    findings = {f.column: f for f in [*changed, *map(_finding, compared)]}
    return DriftReport(
        columns=[findings[name] for name in names if name in findings],
        skipped=skipped,
        only_in_reference=[name for name in names if name not in current.columns],
        only_in_current=[name for name in names if name not in reference.columns],
        n_reference=reference.height,
        n_current=current.height,
    )


def read_pair(reference: Path, current: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the two tables; the current one may have no rows, as long as it has columns.

    Raises:
        NotFound, InvalidData: one is not there, or cannot be read; names the file.
    """
    before = read_table(reference)
    lazy = scan_table(current)
    return before, lazy.collect() if _is_empty(lazy) else read_table(current)


def _is_empty(lazy: pl.LazyFrame) -> bool:
    try:
        return bool(lazy.select(pl.len()).collect().item() == 0)
    except (pl.exceptions.PolarsError, OSError):
        return False


def floors_of(*, ks: float, psi: float, alpha: float) -> DriftFloors:
    """Return floors; a normal column's Wasserstein floor is set to the shift at which it reaches ``ks``.

    Raises:
        UsageError: a floor that is not positive.
    """
    try:
        return DriftFloors(ks=ks, psi=psi, alpha=alpha, wasserstein=ks * math.sqrt(2 * math.pi))
    except ValueError as error:
        raise UsageError(str(error), hint="floors are positive, and alpha lies between 0 and 1") from None


def _chosen(reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str] | None) -> list[str]:
    every = [*reference.columns, *(name for name in current.columns if name not in reference.columns)]
    for name in columns or ():
        if name not in every:
            hint = did_you_mean(name, every) or f"its columns: {', '.join(every)}"
            raise NotFound(f"there is no column '{name}' in either table", hint=hint, column=name)
    return [name for name in every if name in columns] if columns else every


def _sort_column(
    name: str,
    reference: pl.DataFrame,
    current: pl.DataFrame,
    skipped: list[Skipped],
    changed: list[ColumnFinding],
    shared: list[str],
) -> None:
    kinds = [_kind(frame[name]) for frame in (reference, current)]
    if "moment" in kinds:
        skipped.append(Skipped(name, "moments always move on: compare a part of them, such as the hour"))
    elif "opaque" in kinds:
        skipped.append(Skipped(name, f"{reference[name].dtype} has no distribution that can be compared"))
    elif len(set(kinds) - {"nothing"}) > 1 and set(kinds) != {"number", "truth"}:
        words = f"the type changed from {reference[name].dtype} to {current[name].dtype}"
        changed.append(_schema_finding(name, reference, current, words))
    else:
        shared.append(name)


def _kind(values: pl.Series) -> str:
    dtype = values.dtype
    if dtype.is_temporal():
        return "moment"
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return "opaque"
    if dtype == pl.Null or values.null_count() == len(values):
        return "nothing"
    if dtype == pl.Boolean:
        return "truth"
    return "number" if dtype.is_numeric() else "text"


def _arrays(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, NDArray[Any] | pl.Series]:
    return {name: _array(frame[name]) for name in names}


def _array(values: pl.Series) -> NDArray[Any] | pl.Series:
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return values
    if values.dtype == pl.Decimal:
        values = values.cast(pl.Float64)
    if values.dtype.is_numeric() and values.null_count() == len(values):
        values = values.cast(pl.Float64)
    return values.to_numpy()


def _schema_finding(name: str, reference: pl.DataFrame, current: pl.DataFrame, reason: str) -> ColumnFinding:
    return ColumnFinding(
        column=name,
        verdict="drift" if current.height else "insufficient_data",
        method="schema",
        effect=1.0,
        floor=1.0,
        p_value=None,
        p_adjusted=None,
        n=current.height,
        n_reference=reference.height,
        n_needed=1,
        details={"reason": reason},
    )


def _finding(found: ColumnDrift) -> ColumnFinding:
    return ColumnFinding(
        column=found.column,
        verdict=found.verdict,
        method=found.method,
        effect=_finite(found.effect),
        floor=_finite(found.floor),
        p_value=_finite(found.p_value),
        p_adjusted=_finite(found.p_adjusted),
        n=found.n_current,
        n_reference=found.n_reference,
        n_needed=found.n_needed,
        details=_finite(found.details),
    )


def _finite(value: Any) -> Any:
    """Return numbers as JSON can say them, whatever they are nested in: None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
