"""Was something of the holdout known in training?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.measures.leakage import single_feature_score
from mainspring.testing.checks.context import truth_for
from mainspring.testing.rows import overlap
from mainspring.testing.verdict import Verdict, measuring, of_error, of_estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mainspring.base.settings.checks import Leakage
    from mainspring.measures.estimate import Estimate
    from mainspring.testing.checks.context import Context

_EXAMPLES = 5
_MOST_ROWS = 20_000


def check(settings: Leakage, context: Context) -> list[Verdict]:
    """Answer one sub-question a verdict: rows, and single features; time and groups where their columns are named."""
    questions: list[tuple[str, Callable[[str, Leakage, Context], Verdict]]] = [("rows", _rows)]
    if settings.time is not None:
        questions.append(("time", _time))
    if settings.group is not None:
        questions.append(("groups", _groups))
    questions.append(("single feature", _single_feature))
    _ = context.frozen
    return [_answered(f"{settings.name or 'leakage'}: {word}", ask, settings, context) for word, ask in questions]


def _answered(
    name: str, ask: Callable[[str, Leakage, Context], Verdict], settings: Leakage, context: Context
) -> Verdict:
    try:
        return ask(name, settings, context)
    except InvalidData as error:
        return of_error(name, error, required=settings.required)


def _rows(name: str, settings: Leakage, context: Context) -> Verdict:
    """Compare by all columns that both tables have, and by features and target alone; the worse one is told."""
    train, holdout = context.train, context.holdout
    shared = [column for column in holdout.columns if column in train.columns]
    modelled = [*context.signature.features, context.signature.target.name]
    views = {"all columns": shared, "features and target": modelled}
    found = {view: overlap(holdout, train, columns) for view, columns in views.items() if set(columns) <= set(shared)}
    told = {
        view: {"rows": int(each.seen.sum()), "share": each.share, "by_chance": each.chance, "p_value": each.p_value}
        for view, each in found.items()
    }
    leaks = {view: each for view, each in found.items() if each.is_beyond(settings.max_row_overlap)}
    view, worst = max((leaks or found).items(), key=lambda item: (item[1].excess, item[1].share))
    reason = (
        f"{int(worst.seen.sum())} of {worst.n} holdout rows stand in the training rows too ({view}); "
        f"chance gives about {worst.chance:.1%}"
    )
    return _fact(
        name, settings, leaked=bool(leaks), estimate=worst.share, n=worst.n, reason=reason,
        max_row_overlap=settings.max_row_overlap, compared=told, examples=_numbers(worst.seen) if leaks else [],
    )  # fmt: skip


def _time(name: str, settings: Leakage, context: Context) -> Verdict:
    assert settings.time is not None
    column = settings.time
    train, holdout = (_column(table, column, which) for table, which in _tables(context))
    last, first = train.max(), holdout.min()
    if last is None or first is None:
        raise InvalidData(f"the time column '{column}' holds no moments", column=column)
    early = (holdout <= last).fill_null(False)
    share = float(early.sum()) / len(holdout)
    order = "before" if share == 0 else "not before"
    reason = f"training ends {order} the holdout begins: last training row {last!s}, first holdout row {first!s}"
    return _fact(
        name, settings, leaked=bool(early.any()), estimate=share, n=len(holdout), reason=reason,
        column=column, train_until=str(last), holdout_from=str(first), early_rows=int(early.sum()),
        without_time=int(holdout.null_count()), examples=_numbers(early.to_numpy()),
    )  # fmt: skip


def _groups(name: str, settings: Leakage, context: Context) -> Verdict:
    assert settings.group is not None
    column = settings.group
    train, holdout = (_column(table, column, which) for table, which in _tables(context))
    known = train.drop_nulls().unique()
    inside = holdout.is_in(known.implode()).fill_null(False)
    common = holdout.filter(inside).unique().sort()
    reason = f"{len(common)} of {holdout.drop_nulls().n_unique()} groups of the holdout ('{column}') were trained on"
    return _fact(
        name, settings, leaked=len(common) > 0, estimate=float(inside.sum()) / len(holdout), n=len(holdout),
        reason=reason, column=column, groups=[str(value) for value in common.head(_EXAMPLES).to_list()],
        rows=int(inside.sum()),
    )  # fmt: skip


def _fact(
    name: str, settings: Leakage, *, leaked: bool, estimate: float, n: int, reason: str, **evidence: Any
) -> Verdict:
    return Verdict(
        check=name,
        status="fail" if leaked else "pass",
        estimate=estimate,
        n=n,
        evidence={"reason": reason, **evidence},
        required=settings.required,
    )


def _tables(context: Context) -> list[tuple[pl.DataFrame, str]]:
    return [(context.train, "training"), (context.holdout, "holdout")]


def _column(table: pl.DataFrame, column: str, which: str) -> pl.Series:
    if column not in table.columns:
        raise InvalidData(
            f"the {which} rows have no column '{column}'",
            hint=did_you_mean(column, table.columns) or "give the candidate tables that keep it; it need be no feature",
            column=column,
        )
    return table.get_column(column)


def _numbers(mask: Any) -> list[int]:
    return [int(row) for row in mask.nonzero()[0][:_EXAMPLES]]


def _single_feature(name: str, settings: Leakage, context: Context) -> Verdict:
    """Score the holdout's target by each feature alone: area under the ROC curve, or squared rank correlation."""
    task = context.signature.target.task
    rows, truth = context.holdout, context.truth
    if rows.height > _MOST_ROWS:
        picked = np.sort(np.random.default_rng(context.workspace.settings.seed).permutation(rows.height)[:_MOST_ROWS])
        rows, truth = rows[picked], truth[picked]
    found: dict[str, Estimate] = {}
    for feature in context.signature.features:
        with measuring(f"what the feature '{feature}' tells alone"):
            score = single_feature_score(plain(rows.get_column(feature)), truth_for(truth, task), task)
        found[feature] = _squared(score) if task == "regression" else score
    ranked = sorted(found, key=lambda feature: found[feature].value, reverse=True)
    best = found[ranked[0]]
    measure = "R² of ranks" if task == "regression" else "AUC"
    beyond = [feature for feature in ranked if found[feature].value > settings.max_single_feature]
    told = ", ".join(f"'{feature}'" for feature in beyond) or f"no feature; the most is '{ranked[0]}'"
    reason = f"{told} alone reaches {measure} {best.value:.3f}; allowed is {settings.max_single_feature:g}"
    return of_estimate(
        name,
        "fail" if beyond else "pass",
        best,
        required=settings.required,
        evidence={
            "reason": reason,
            "measure": measure,
            "features": {feature: round(found[feature].value, 6) for feature in ranked[:_EXAMPLES]},
            "beyond": beyond,
            "max_single_feature": settings.max_single_feature,
        },
    )


def _squared(score: Estimate) -> Estimate:
    return replace(score, value=score.value**2, low=score.low**2, high=score.high**2)


def plain(column: pl.Series) -> NDArray[Any]:
    """Return a column as measures read it: numbers with NaN for null, or objects with None.

    >>> plain(pl.Series([True, None])).tolist()
    [1.0, nan]
    """
    if column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    values = np.empty(len(column), dtype=object)
    values[:] = column.cast(pl.String).to_list()
    return values
