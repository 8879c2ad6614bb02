"""May this version be released? The gate's word, read from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.base.clock import iso
from mainspring.base.errors import Refused
from mainspring.serving import records
from mainspring.versioning import registry

if TYPE_CHECKING:
    from mainspring.serving.records import GateRow, Transaction
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion


def check_gate(
    connection: Transaction, endpoint: str, version: str, champion: str | None, override: str | None
) -> dict[str, Any]:
    """Return the evidence that a version may be released, or that somebody took it upon themselves.

    Raises:
        Refused: no gate, not passed, judged against another champion, or rolled back since; and no ``override``.
    """
    gate = records.latest_gate(connection, endpoint, version)
    problem = _problem(connection, endpoint, version, champion, gate)
    if problem is not None and override is None:
        message, hint = problem
        raise Refused(
            message,
            hint=f'{hint}; or take it upon yourself: --override "reason"',
            model=endpoint,
            version=version,
            outcome=gate.outcome if gate else None,
        )
    evidence: dict[str, Any] = {"gate": gate.id if gate else None, "outcome": gate.outcome if gate else None}
    if problem is not None:
        evidence["overridden"] = problem[0]
    return evidence


def check_move(workspace: Workspace, version: ModelVersion, to_stage: str) -> None:
    """Check that somebody may move a version to a stage by hand, as any client of the registry can.

    What an endpoint serves stays in the stage that its release gave it, and only a release brings another version into
    production there. Without an endpoint a version of the model that the settings have checks for needs a passing gate
    for production; versions of other models need none.

    Raises:
        Refused: it may not.
    """
    name, reference = version.model, version.reference
    champion = registry.champion(workspace, name)
    with workspace.database.read() as connection:
        row = records.latest_routes(connection, name)
        if row is not None and row.routes["routes"]:
            roles = {route["version"]: route["role"] for route in row.routes["routes"]}
            role = roles.get(version.version)
            if role is not None and (role != "champion" or to_stage != "production"):
                raise Refused(
                    f"{reference} is the {role} of the endpoint '{name}'",
                    hint=f"`mainspring rollback {name}`, or release another version: `mainspring deploy {name}@VERSION`",
                    model=name,
                    version=version.version,
                    route=role,
                )
            if role is None and to_stage == "production":
                hint = f"`mainspring deploy {reference}`"
                raise Refused(f"'{name}' has an endpoint: {reference} reaches production by its release", hint=hint)
            return
        settings = workspace.settings
        judged = bool(settings.checks) and (settings.model is None or settings.model.name == name)
        if to_stage != "production" or not judged:
            return
        gate = records.latest_gate(connection, name, version.version)
        problem = _problem(connection, name, version.version, None if champion is None else champion.version, gate)
    if problem is not None:
        raise Refused(problem[0], hint=f"{problem[1]}; or release it: `mainspring deploy {reference}`", model=name)


def _problem(
    connection: Transaction, endpoint: str, version: str, champion: str | None, gate: GateRow | None
) -> tuple[str, str] | None:
    """Return what stands in the way, and what to do about it."""
    reference = f"{endpoint}@{version}"
    again = f"judge it with `mainspring test {reference}`"
    if gate is None:
        return f"{reference} was never judged: there is no gate for it", again
    if gate.outcome != "pass":
        odd = [
            str(verdict.get("check"))
            for verdict in gate.verdicts
            if verdict.get("required", True) and verdict.get("status") not in ("pass", "not_applicable")
        ]
        named = f" ({', '.join(odd[:5])})" if odd else ""
        said = "failed its gate" if gate.outcome == "fail" else f"has an {gate.outcome} gate"
        return f"{reference} {said}{named}", f"see why with `mainspring test {reference}`"
    if gate.champion != champion:
        against = f"version {gate.champion}" if gate.champion else "no champion"
        now = f"{champion} is champion now" if champion else "there is no champion now"
        return f"{reference} was judged against {against}, and {now}", again
    ended = records.select_releases(connection, endpoint, version=version, states=("rolled_back",))
    if ended and ended[0].updated_at > gate.at:
        why = ended[0].evidence.get("ended", {}).get("reason", "")
        return f"{reference} was rolled back at {iso(ended[0].updated_at)}, after its gate: {why}", again
    return None
