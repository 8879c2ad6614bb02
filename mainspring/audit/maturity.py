"""The four levels of maturity: manual, ML pipeline, CI/CD, continuous training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVELS = {
    0: "manual",
    1: "ML pipeline: automated training, manual deployment",
    2: "CI/CD: automated training and deployment",
    3: "CT: automated retraining on triggers",
}


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """Something a level asks for: whether it was seen, in what, and how to get there."""

    level: int
    title: str
    met: bool
    evidence: str
    fix: str | None = None


def reached(requirements: Iterable[Requirement]) -> int:
    """Return the highest level whose requirements, and those of every level below it, are all met.

    >>> met = [Requirement(level=level, title="", met=level != 2, evidence="") for level in (1, 2, 3)]
    >>> reached(met)
    1
    """
    unmet = {requirement.level for requirement in requirements if not requirement.met}
    return min(unmet, default=max(LEVELS) + 1) - 1


def missing_for_next(requirements: Iterable[Requirement]) -> list[Requirement]:
    """Return what stands between the present level and the next one."""
    held = list(requirements)
    level = reached(held)
    return [requirement for requirement in held if requirement.level == level + 1 and not requirement.met]
