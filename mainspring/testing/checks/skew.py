"""Does the packaged model answer through the real endpoint what it answered in training?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import ExternalToolError, InvalidData
from mainspring.testing.endpoint import served
from mainspring.testing.verdict import Verdict, of_error
from mainspring.versioning.scoring import Scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mainspring.base.settings.checks import Skew
    from mainspring.testing.checks.context import Context
    from mainspring.testing.endpoint import Endpoint
    from mainspring.versioning.artifact import Artifact
    from mainspring.versioning.signature import ColumnType, Signature

_BATCH = 32
_SINGLE_ROWS = 128
_ODD = "mainspring_no_such_column"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of asking: which rows of the probe, how many a request, their columns in which order."""

    label: str
    ask: Callable[[pl.DataFrame], Scores]
    rows: NDArray[np.int64]
    size: int
    columns: list[str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far answers are from the wanted ones: the largest change, and the first row beyond the tolerance."""

    way: str
    largest: float
    compared: int
    row: int | None = None
    said: dict[str, Any] | None = None


def check(settings: Skew, context: Context) -> list[Verdict]:
    """Replay the probe rows over HTTP, and send what has to be refused; one verdict a sub-question.

    ``answers``: by V2 and ``/invocations``, one row and 32 rows a request, and with shuffled columns, every score within
    the tolerance (relative to values above 1) and no label another. ``batches``: a row answers the same alone and among
    others. ``refusals``: a missing, an extra and a mistyped column are refused with a 4xx.
    """
    name = settings.name or "skew"
    try:
        rows, expected = context.artifact.probe()
        with served(context.workspace, context.version, context.signature) as endpoint:
            ways = _ways(endpoint, rows, context.workspace.settings.seed)
            answers = {way.label: _asked(way, rows) for way in ways}
            told = [_judged(way, answers[way.label], expected, settings.tolerance) for way in ways]
            culprit = next((_culprit(way, found, context.artifact, rows, settings.tolerance)
                            for way, found in zip(ways, told, strict=True) if found.row is not None), None)  # fmt: skip
            refusals = _refusals(f"{name}: refusals", settings, endpoint, rows)
    except (ExternalToolError, InvalidData) as error:
        words = ("answers", "batches", "refusals")
        return [of_error(f"{name}: {word}", error, required=settings.required) for word in words]
    alone = ways[1]
    others = _taken(answers[ways[0].label], alone.rows)
    batches = _judged(alone, answers[alone.label], others, settings.tolerance, rows_of_expected=True)
    return [
        _verdict(f"{name}: answers", settings, told, culprit),
        _verdict(f"{name}: batches", settings, [batches], None),
        refusals,
    ]


def _ways(endpoint: Endpoint, rows: pl.DataFrame, seed: int) -> list[Way]:
    everything = np.arange(rows.height)
    some = np.unique(np.linspace(0, rows.height - 1, min(rows.height, _SINGLE_ROWS)).astype(np.int64))
    plain = rows.columns
    shuffled = [plain[index] for index in np.random.default_rng(seed).permutation(rows.width)]
    both = (("V2", endpoint.infer), ("/invocations", endpoint.invoke))
    ways = []
    for protocol, ask in both:
        ways += [
            Way(label=f"{protocol}, {_BATCH} rows", ask=ask, rows=everything, size=_BATCH, columns=plain),
            Way(label=f"{protocol}, 1 row", ask=ask, rows=some, size=1, columns=plain),
            Way(label=f"{protocol}, shuffled columns", ask=ask, rows=everything, size=_BATCH, columns=shuffled),
        ]
    return ways


def _asked(way: Way, rows: pl.DataFrame) -> Scores:
    table = rows[way.rows.tolist()].select(way.columns)
    parts = [way.ask(table.slice(start, way.size)) for start in range(0, table.height, way.size)]
    return Scores(np.concatenate([part.score for part in parts]), np.concatenate([part.label for part in parts]))


def _taken(scores: Scores, rows: NDArray[np.int64]) -> Scores:
    return Scores(np.asarray(scores.score)[rows], np.asarray(scores.label)[rows])


def _judged(
    way: Way, answers: Scores, expected: Scores, tolerance: float, *, rows_of_expected: bool = False
) -> Comparison:
    wanted = expected if rows_of_expected else _taken(expected, way.rows)
    change, beyond = changes(answers, wanted, tolerance)
    largest, compared = float(change.max()), len(way.rows)
    if not beyond.any():
        return Comparison(way=way.label, largest=largest, compared=compared)
    place = int(np.flatnonzero(beyond)[0])
    said = {
        "way": way.label,
        "row": int(way.rows[place]),
        "expected": _shown(wanted, place),
        "answered": _shown(answers, place),
        "rows_that_differ": int(beyond.sum()),
    }
    return Comparison(way=way.label, largest=largest, compared=compared, row=place, said=said)


def changes(answers: Scores, wanted: Scores, tolerance: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each row's largest change of a score (relative to values above 1), and whether it is beyond the tolerance.

    A label that is another is beyond any tolerance; NaN equals NaN.

    >>> wanted = Scores(np.array([0.5, 2.0]), np.array([0.0, 1.0]))
    >>> change, beyond = changes(Scores(np.array([0.5, 2.2]), np.array([0.0, 1.0])), wanted, 0.01)
    >>> change.round(6).tolist(), beyond.tolist()
    ([0.0, 0.1], [False, True])
    """
    given, target = (np.asarray(scores.score, dtype=np.float64) for scores in (answers, wanted))
    if given.shape != target.shape:
        raise InvalidData(f"the endpoint answered scores of shape {given.shape}, expected {target.shape}")
    gap = np.abs(given - target) / np.maximum(1.0, np.abs(target))
    gap = np.where(np.isnan(given) & np.isnan(target), 0.0, np.where(np.isnan(gap), np.inf, gap))
    change = gap if gap.ndim == 1 else gap.max(axis=1)
    flips = np.zeros(len(change), dtype=np.bool_)
    if given.ndim == 2 or not np.array_equal(wanted.label, wanted.score, equal_nan=True):
        flips = np.asarray(answers.label) != np.asarray(wanted.label)
    return change, (change > tolerance) | flips


def _shown(scores: Scores, place: int) -> dict[str, Any]:
    return {"score": np.asarray(scores.score)[place].tolist(), "label": float(np.asarray(scores.label)[place])}


def _culprit(way: Way, found: Comparison, artifact: Artifact, rows: pl.DataFrame, tolerance: float) -> str | None:
    """Return the first column that, set to the value of a row that agrees, makes the differing row agree too."""
    assert found.row is not None
    row = rows.slice(int(way.rows[found.row]), 1).select(way.columns)

    def agrees(variant: pl.DataFrame) -> bool:
        return not changes(way.ask(variant), artifact.predict(variant.select(rows.columns)), tolerance)[1].any()

    candidates = (rows.slice(index, 1).select(way.columns) for index in range(min(rows.height, _BATCH)))
    good = next((other for other in candidates if agrees(other)), None)
    if good is None:
        return None
    return next((name for name in way.columns if agrees(row.with_columns(good.get_column(name)))), None)


def _verdict(name: str, settings: Skew, told: list[Comparison], culprit: str | None) -> Verdict:
    largest = max(each.largest for each in told)
    wrong = next((each for each in told if each.said is not None), None)
    if wrong is None:
        reason = f"no answer changed by more than {largest:.3g}; allowed is {settings.tolerance:g}"
    else:
        assert wrong.said is not None
        where = f", because of column '{culprit}'" if culprit else ""
        reason = (
            f"by {wrong.way}, row {wrong.said['row']} of the probe answers {wrong.said['answered']} "
            f"instead of {wrong.said['expected']}{where}"
        )
    return Verdict(
        check=name,
        status="pass" if wrong is None else "fail",
        estimate=largest if np.isfinite(largest) else None,
        n=sum(each.compared for each in told),
        evidence={
            "reason": reason,
            "tolerance": settings.tolerance,
            "largest_change": {each.way: each.largest if np.isfinite(each.largest) else None for each in told},
            **({"first_difference": {**(wrong.said or {}), "column": culprit}} if wrong else {}),
        },
        required=settings.required,
    )


def _refusals(name: str, settings: Skew, endpoint: Endpoint, rows: pl.DataFrame) -> Verdict:
    replies: dict[str, int] = {}
    for label, table in wrong_tables(endpoint.signature, rows.head(1)).items():
        for protocol, post in (("V2", endpoint.post_infer), ("/invocations", endpoint.post_invocations)):
            replies[f"{label}, {protocol}"] = post(table).status
    accepted = {label: status for label, status in replies.items() if not 400 <= status < 500}
    reason = "every wrong table is refused"
    if accepted:
        label, status = next(iter(accepted.items()))
        reason = f"a table with {label} is answered with {status} instead of a 4xx"
    return Verdict(
        check=name,
        status="fail" if accepted else "pass",
        estimate=len(accepted) / len(replies),
        n=len(replies),
        evidence={"reason": reason, "statuses": replies},
        required=settings.required,
    )


def wrong_tables(signature: Signature, row: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return tables that have to be refused: a column missing, one too many, and one of another type, of each type.

    >>> from mainspring.versioning.signature import infer_signature
    >>> row = pl.DataFrame({"x": [1.5], "y": [0]})
    >>> {label: table.schema["x"] for label, table in wrong_tables(infer_signature(row, ["x"], "y"), row[["x"]]).items()
    ...  if "x" in table.columns}
    {'an unknown column': Float64, "column 'x' as text": String}
    """
    tables = {"an unknown column": row.with_columns(pl.lit(1.0).alias(_ODD))}
    first = signature.inputs[0].name
    if row.width > 1:
        tables[f"column '{first}' missing"] = row.drop(first)
    kinds: dict[str, ColumnType] = {}
    for column in signature.inputs:
        kinds.setdefault(column.dtype, column)
    for dtype, column in kinds.items():
        wrong = pl.lit(1.5) if dtype == "string" else pl.lit("no such value")
        label = f"column '{column.name}' as {'a number' if dtype == 'string' else 'text'}"
        tables[label] = row.with_columns(wrong.alias(column.name))
    return tables
