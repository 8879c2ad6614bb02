"""A model card: what is recorded of a version, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.versioning.signature import Signature


def card(about: Mapping[str, Any], signature: Signature | None) -> str:
    """Return the card of a version as ``describe`` tells of it. Every metric carries its interval and its n."""
    lines = [f"# {about['model']} {about['version']}", ""]
    lines += [str(about["description"]), ""] if about["description"] else []
    lines += ["## Where it comes from", ""]
    facts = [
        ("registered", f"{about['created_at']} by {about['actor']}"),
        ("stage when exported", about["stage"]),
        ("run", about["run_id"]),
        ("commit", f"{about['commit']}{' with changes that were not committed' if about['dirty'] else ''}"),
        ("source", about["source"]),
        ("stored as", about["format"]),
        ("libraries", ", ".join(f"{name} {version}" for name, version in about["versions"].items())),
    ]
    lines += [f"- {name}: {value}" for name, value in facts if value and value != "None"]
    lines += [f"- data: {item['dataset']} version {item['number']}, md5 {item['md5']}" for item in about["data"]]
    lines += ["", "## Metrics on rows that it had not seen", "", *_metrics(about["metrics"])]
    lines += ["", "## Signature", "", *_signature(signature)]
    return "\n".join([*lines, ""])


def _metrics(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics:
        return ["None: it was registered without rows to judge it on."]
    lines = ["| metric | value | interval | n |", "|---|---|---|---|"]
    for name, found in metrics.items():
        held = found if isinstance(found, dict) else {"value": found}
        ends = [held.get("low"), held.get("high")]
        interval = "—" if None in ends else f"{ends[0]:.4g} to {ends[1]:.4g}"
        value = "not defined" if held["value"] is None else f"{held['value']:.6g}"
        lines.append(f"| {name} | {value} | {interval} | {held.get('n') or '—'} |")
    return lines


def _signature(signature: Signature | None) -> list[str]:
    if signature is None:
        return ["Not known: these are another tool's files."]
    target = signature.target
    classes = f", classes {target.classes}" if target.classes is not None else ""
    lines = [f"Predicts `{target.name}` ({target.task}{classes}) from:", "", "| input | type | null |", "|---|---|---|"]
    return lines + [
        f"| {one.name} | {one.dtype} | {'may be' if one.nullable else 'never'} |" for one in signature.inputs
    ]
