"""An audit for people: the checklist by phase, what the next level needs, the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mainspring.audit.maturity import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from mainspring.audit.finding import Finding, Item
    from mainspring.audit.score import Audit

_MARKS = {"present": "[green]✓[/]", "missing": "[red]✗[/]", "stale": "[yellow]~[/]"}
_COLOURS = {"error": "red", "warning": "yellow", "note": "blue"}


def show(audit: Audit) -> RenderableType:
    """Return everything an audit says."""
    present = sum(item.status == "present" for item in audit.checklist)
    subject = f" of {audit.model}@{audit.version}" if audit.model and audit.version else ""
    parts: list[RenderableType] = [
        Text(f"audit{subject}, {audit.at}"),
        _checklist(audit.checklist),
        Text(f"checklist: {present} of {len(audit.checklist)} present"),
        Text(f"maturity: level {audit.maturity} of {max(LEVELS)}, {LEVELS[audit.maturity]}"),
    ]
    if audit.next:
        parts.append(Text(f"level {audit.maturity + 1} ({LEVELS[audit.maturity + 1]}) needs:"))
        parts += [Text(f"  ✗ {need.title}: {need.evidence}{_fix(need.fix)}") for need in audit.next]
    parts.append(
        _findings(audit.findings) if audit.findings else Text("findings: none of the five anti-patterns was seen")
    )
    return Group(*parts)


def _checklist(items: Iterable[Item]) -> Table:
    table = Table("", "item", "evidence", box=SIMPLE_HEAD, pad_edge=False)
    phase = None
    for item in items:
        if item.phase != phase:
            phase = item.phase
            table.add_row("", f"[bold]{phase}[/]", "")
        table.add_row(_MARKS[item.status], item.title, escape(item.evidence + _fix(item.fix)))
    return table


def _findings(findings: Iterable[Finding]) -> Table:
    table = Table("finding", "severity", "evidence", box=SIMPLE_HEAD, pad_edge=False)
    for finding in findings:
        place = finding.location
        where = f" ({place.path}{f':{place.line}' if place.line else ''})" if place else ""
        severity = f"[{_COLOURS[finding.severity]}]{finding.severity}[/]"
        evidence = f"{finding.title}: {finding.evidence}{where}{_fix(finding.fix)}"
        table.add_row(finding.rule, severity, escape(evidence))
    return table


def _fix(fix: str | None) -> str:
    return f" → {fix}" if fix else ""
