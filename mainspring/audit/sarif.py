"""Findings as SARIF 2.1.0, which code hosts and editors show beside the lines they are about."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from mainspring.audit.finding import RULES, Finding
from mainspring.base.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
DEFAULT_PATH = "mainspring.yaml"


def write_sarif(findings: Sequence[Finding], path: Path) -> None:
    """Write findings to a file, whole or not at all."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(to_sarif(findings)), indent=2))


def to_sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return one run with the rules and a result a finding.

    A finding without a location points at ``mainspring.yaml``: code hosts drop results that point nowhere. The
    fingerprint is made of rule, title and path, so a result keeps its identity while its evidence changes.
    """
    identifiers = list(RULES)
    driver = {
        "name": "mainspring audit",
        "version": version("mainspring"),
        "rules": [_rule(name) for name in identifiers],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, identifiers.index(finding.rule)) for finding in findings],
            }
        ],
    }


def _rule(identifier: str) -> dict[str, Any]:
    rule = RULES[identifier]
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.problem},
        "help": {"text": rule.solution},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    path = finding.location.path if finding.location else DEFAULT_PATH
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(path), "uriBaseId": "%SRCROOT%"}}
    if finding.location and finding.location.line:
        physical["region"] = {"startLine": finding.location.line}
    identity = "\0".join((finding.rule, finding.title, path))
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": f"{finding.title}: {finding.evidence} Fix: {finding.fix}"},
        "locations": [{"physicalLocation": physical}],
        "partialFingerprints": {"mainspring/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }
