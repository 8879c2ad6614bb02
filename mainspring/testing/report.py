"""A gate as JSON for scripts, as JUnit for build servers, and as markdown for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import msgspec

from mainspring.base.clock import iso
from mainspring.base.files import write_atomic
from mainspring.testing.verdict import numbers

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.testing.gate import Gate
    from mainspring.testing.verdict import Verdict

SIGNS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "not_applicable": "–"}


def to_json(gate: Gate) -> dict[str, Any]:
    """Return a gate as a document: ``gate`` is the outcome, ``verdicts`` has one entry a verdict."""
    return {
        "gate": gate.outcome,
        "model": gate.model,
        "version": gate.version,
        "champion": gate.champion,
        "id": gate.id,
        "at": iso(gate.at),
        "reason": gate.reason,
        "holdout_md5": gate.holdout_md5,
        "commit": gate.commit,
        "checks": gate.checks,
        "verdicts": [msgspec.to_builtins(verdict) for verdict in gate.verdicts],
    }


def to_junit(gate: Gate) -> str:
    """Return a gate as JUnit XML: one test case a verdict.

    A required fail is a failure, a required inconclusive verdict an error (it was not answered); what does not apply,
    and what is not required and did not pass, is skipped.
    """
    suite = ElementTree.Element("testsuite", name=f"{gate.model}@{gate.version}", timestamp=iso(gate.at).rstrip("Z"))
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for verdict in gate.verdicts:
        case = ElementTree.SubElement(suite, "testcase", name=verdict.check, classname=f"{gate.model}.gate")
        element = _element(verdict)
        if element is not None:
            counts[element] += 1
            told = ElementTree.SubElement(case, element, message=f"{verdict.status}: {_clean(verdict.reason)}")
            if element != "skipped":
                told.set("type", verdict.status)
                told.text = _clean(msgspec.json.format(msgspec.json.encode(verdict.evidence)).decode())
        ElementTree.SubElement(case, "system-out").text = _clean(numbers(verdict))
    names = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    for element, count in counts.items():
        suite.set(names[element], str(count))
    suite.set("tests", str(len(gate.verdicts)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _element(verdict: Verdict) -> str | None:
    if verdict.status == "pass":
        return None
    if verdict.status == "not_applicable" or not verdict.required:
        return "skipped"
    return "failure" if verdict.status == "fail" else "error"


def _clean(text: str) -> str:
    """Leave out the control characters, which XML cannot hold."""
    return "".join(character for character in text if character in "\t\n\r" or character >= " ")


def to_markdown(gate: Gate) -> str:
    """Return a gate as a markdown page with one table."""
    against = f"against {gate.model}@{gate.champion}" if gate.champion else "without a champion to compare with"
    lines = [
        f"# {gate.model}@{gate.version}: {gate.outcome}",
        "",
        f"Judged {iso(gate.at)} {against}. {_cell(gate.reason)}.",
        "",
        "| check | verdict | estimate [interval] | n | what decides |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cell(cell) for cell in row(verdict))} |" for verdict in gate.verdicts]
    facts = {"holdout": gate.holdout_md5, "commit": gate.commit, "checks": gate.checks, "gate": gate.id}
    lines += ["", *(f"- {name}: `{value}`" for name, value in facts.items() if value), ""]
    return "\n".join(lines)


def row(verdict: Verdict) -> tuple[str, str, str, str, str]:
    """Return a verdict as cells: check, status, estimate with interval, n, what decides."""
    status = f"{SIGNS[verdict.status]} {verdict.status.replace('_', ' ')}{'' if verdict.required else ' (optional)'}"
    n = "—" if verdict.n is None else str(verdict.n)
    if "clusters" in verdict.evidence:
        n += f" in {verdict.evidence['clusters']} clusters"
    if verdict.n_needed is not None:
        n += f", {verdict.n_needed} would decide"
    return verdict.check, status, numbers(verdict), n, verdict.reason


def _cell(text: str) -> str:
    return _clean(text).replace("|", "\\|").replace("\n", " ")


def write(workspace: Workspace, gate: Gate, *, junit: Path | None = None, markdown: Path | None = None) -> Path:
    """Write ``gate.json``, ``gate.xml`` and ``gate.md`` into ``.mainspring/reports/MODEL-VERSION/``; return that folder.

    ``junit`` and ``markdown`` name further places for those two. Each file is there whole or not at all.
    """
    folder = workspace.state / "reports" / f"{gate.model}-{gate.version}"
    as_json = msgspec.json.format(msgspec.json.encode(to_json(gate)), indent=2) + b"\n"
    as_junit, as_markdown = to_junit(gate).encode(), to_markdown(gate).encode()
    files = {folder / "gate.json": as_json, folder / "gate.xml": as_junit, folder / "gate.md": as_markdown}
    files |= {path: data for path, data in ((junit, as_junit), (markdown, as_markdown)) if path is not None}
    for path, data in files.items():
        write_atomic(path, data)
    return folder
