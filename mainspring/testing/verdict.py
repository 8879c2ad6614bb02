"""The answer of a check: pass, fail or inconclusive, with an interval, what it rests on, and what would decide."""

from __future__ import annotations

import math
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import InvalidData, MainspringError
from mainspring.measures import clusters
from mainspring.measures.paired import n_needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mainspring.measures.estimate import Estimate

Status = Literal["pass", "fail", "inconclusive", "not_applicable"]
Outcome = Literal["pass", "fail", "inconclusive"]
Interval = tuple[float | None, float | None]
"""Low and high; None is a side that the data do not bound."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found.

    ``estimate`` and ``interval`` are in the units of the check; ``n`` counts what they rest on and ``n_needed`` how many
    of the same would decide an inconclusive one (None: decided, or no number can be told). ``evidence`` holds what a
    reader needs to believe it. Only ``required`` verdicts decide the gate.
    """

    check: str
    status: Status
    estimate: float | None = None
    interval: Interval | None = None
    n: int | None = None
    n_needed: int | None = None
    evidence: dict[str, Any] = {}
    required: bool = True

    @property
    def reason(self) -> str:
        """What decided, in words."""
        return str(self.evidence.get("reason", ""))


def against_bound(
    check: str,
    estimate: Estimate,
    *,
    low: float | None = None,
    high: float | None = None,
    required: bool = True,
    strict: bool = False,
    evidence: Mapping[str, Any] = MappingProxyType({}),
) -> Verdict:
    """Judge an estimate by bounds: its whole interval within them passes, wholly beyond one fails, else inconclusive.

    ``strict`` asks for more than the lower bound and less than the upper one.

    >>> from mainspring.measures.estimate import Estimate
    >>> found = Estimate(0.91, 0.88, 0.93, 500, "wilson")
    >>> [against_bound("accuracy", found, low=bound).status for bound in (0.85, 0.90, 0.95)]
    ['pass', 'inconclusive', 'fail']
    >>> against_bound("accuracy", found, low=0.90).n_needed
    8548
    """
    answers: list[Status] = []
    if low is not None:
        cleared = estimate.low > low if strict else estimate.low >= low
        beyond = estimate.high <= low if strict else estimate.high < low
        answers.append("pass" if cleared else "fail" if beyond else "inconclusive")
    if high is not None:
        cleared = estimate.high < high if strict else estimate.high <= high
        beyond = estimate.low >= high if strict else estimate.low > high
        answers.append("pass" if cleared else "fail" if beyond else "inconclusive")
    status = worst(answers)
    few = clusters.too_few(estimate)
    if few:
        return of_estimate(check, "inconclusive", estimate, required=required, evidence={**evidence, "reason": few})
    needed = None
    if status == "inconclusive":
        needed = n_needed(estimate, min(abs(estimate.value - bound) for bound in (low, high) if bound is not None))
    bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
    told = {"reason": _compared(bounds, status), **bounds, "method": estimate.method}
    return of_estimate(check, status, estimate, n_needed=needed, required=required, evidence={**told, **evidence})


def of_estimate(
    check: str,
    status: Status,
    estimate: Estimate,
    *,
    n_needed: int | None = None,
    required: bool = True,
    evidence: Mapping[str, Any] = MappingProxyType({}),
) -> Verdict:
    """Return the verdict that carries an estimate and its interval."""
    return Verdict(
        check=check,
        status=status,
        estimate=finite(estimate.value),
        interval=(finite(estimate.low), finite(estimate.high)),
        n=estimate.n,
        n_needed=n_needed,
        evidence={"confidence": estimate.confidence, **clusters.counts(estimate), **evidence},
        required=required,
    )


def undecided(
    check: str,
    reason: str,
    *,
    required: bool = True,
    evidence: Mapping[str, Any] = MappingProxyType({}),
) -> Verdict:
    """Return the verdict of a check that could not be answered."""
    return Verdict(check=check, status="inconclusive", evidence={**evidence, "reason": reason}, required=required)


def not_applicable(
    check: str,
    reason: str,
    *,
    required: bool = True,
    evidence: Mapping[str, Any] = MappingProxyType({}),
) -> Verdict:
    """Return the verdict of a question that does not arise."""
    return Verdict(check=check, status="not_applicable", evidence={**evidence, "reason": reason}, required=required)


def of_error(check: str, error: MainspringError, *, required: bool = True) -> Verdict:
    """Return the verdict of a check that the data stopped: inconclusive, with what was said."""
    details = {key: str(value) for key, value in error.details.items()}
    told = {"error": error.code, **({"hint": error.hint} if error.hint else {}), **details}
    return undecided(check, error.message, required=required, evidence=told)


def worst(statuses: Iterable[Status]) -> Outcome:
    """Return fail if any failed, else inconclusive if any is, else pass; not_applicable ones do not count.

    >>> worst(["pass", "inconclusive", "fail"]), worst(["pass", "not_applicable"])
    ('fail', 'pass')
    """
    held = set(statuses)
    return "fail" if "fail" in held else "inconclusive" if "inconclusive" in held else "pass"


def finite(value: float) -> float | None:
    """Return a number as JSON can hold it: None for NaN and the infinities.

    >>> finite(1.5), finite(float("inf"))
    (1.5, None)
    """
    return float(value) if math.isfinite(value) else None


def numbers(verdict: Verdict) -> str:
    """Return estimate and interval as text; an open side is ∞.

    >>> numbers(Verdict(check="latency", status="inconclusive", estimate=12.3456, interval=(11.0, None), n=300))
    '12.35 [11, ∞]'
    """
    if verdict.estimate is None:
        return "—"
    if verdict.interval is None:
        return f"{verdict.estimate:.4g}"
    low, high = verdict.interval
    left = "-∞" if low is None else f"{low:.4g}"
    right = "∞" if high is None else f"{high:.4g}"
    return f"{verdict.estimate:.4g} [{left}, {right}]"


@contextmanager
def measuring(what: str) -> Iterator[None]:
    """Turn the ``ValueError`` with which a measure refuses its arrays into ``InvalidData`` that names the question."""
    try:
        yield
    except ValueError as error:
        raise InvalidData(f"{what} cannot be measured: {error}", hint="look at the holdout's rows") from error


def _compared(bounds: dict[str, float], status: Status) -> str:
    wanted = " and ".join(f"{'at least' if name == 'min' else 'at most'} {bound:g}" for name, bound in bounds.items())
    where = {"pass": "all of the interval is", "fail": "none of the interval is"}
    return f"{where.get(status, 'a part of the interval is not')} {wanted}"
