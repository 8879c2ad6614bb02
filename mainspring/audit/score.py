"""One audit: the checklist, the maturity level with what the next one needs, and the findings; recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.audit import antipatterns, checklist, maturity, records, requirements
from mainspring.audit.evidence import Evidence
from mainspring.audit.finding import Finding, Item
from mainspring.audit.maturity import Requirement
from mainspring.base.clock import iso

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found; ``at`` is ISO 8601, ``model`` and ``version`` say which version the checklist is about."""

    id: str
    at: str
    model: str | None
    version: str | None
    maturity: int
    level: str
    next: list[Requirement]
    checklist: list[Item]
    findings: list[Finding]


def audit(workspace: Workspace, *, record: bool = True) -> Audit:
    """Look at everything, and keep what was found (``record``). Nothing else is written.

    Evidence is taken from the records, the objects, git and the project's files, and never from a promise in the settings
    alone where the thing itself can be seen.
    """
    evidence = Evidence(workspace)
    items = checklist.examine(evidence)
    needs = requirements.collect(evidence, items)
    level = maturity.reached(needs)
    found = Audit(
        id="",
        at=iso(evidence.at),
        model=evidence.model,
        version=evidence.subject.version if evidence.subject else None,
        maturity=level,
        level=maturity.LEVELS[level],
        next=maturity.missing_for_next(needs),
        checklist=items,
        findings=antipatterns.find(evidence),
    )
    if not record:
        return found
    with workspace.database.write() as connection:
        identifier = records.add_audit(connection, at=evidence.at, maturity=level, report=msgspec.to_builtins(found))
    return msgspec.structs.replace(found, id=identifier)
