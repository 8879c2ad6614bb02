"""The gate: the set of verdicts that a release needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from threadpoolctl import threadpool_limits

from mainspring.base.clock import now
from mainspring.base.errors import NotFound
from mainspring.base.hashing import digest
from mainspring.base.ids import new_id
from mainspring.testing import records
from mainspring.testing.checks.context import Context
from mainspring.testing.checks.dispatch import answer, label
from mainspring.testing.suite import commit_of
from mainspring.testing.verdict import Outcome, Verdict, numbers, worst
from mainspring.versioning import models
from mainspring.versioning.evidence import read_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.base.settings.checks import Check
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.evidence import Evidence
    from mainspring.versioning.models import ModelVersion

    Progress = Callable[[int, int, str], object]
    """Told before each check: how many are done, of how many, and the name of the next."""

NO_CHECKS = "no checks are configured, so nothing speaks for this version"
_HINT = "add `checks:` to mainspring.yaml"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement of a version against a champion, by the checks of one moment.

    ``holdout_md5`` is the address of the frozen rows, ``commit`` the code's, and ``checks`` the digest of the settings
    that asked the questions.
    """

    id: str
    model: str
    version: str
    champion: str | None
    at: int
    outcome: Outcome
    verdicts: list[Verdict]
    reason: str
    holdout_md5: str | None = None
    commit: str | None = None
    checks: str | None = None


def judge(
    workspace: Workspace,
    model_version: ModelVersion,
    *,
    champion: ModelVersion | None = None,
    record: bool = True,
    progress: Progress | None = None,
) -> Gate:
    """Ask every configured check about a version, and record the gate.

    The champion is the version in production unless another is given; a version is not compared with itself. Any
    required fail makes the gate fail, else any required inconclusive verdict makes it inconclusive. Without a required
    verdict nothing speaks for the version: inconclusive.

    Raises:
        Corrupted, NotFound, Refused: the version's own objects cannot be had; nothing is recorded.
    """
    against = models.champion(workspace, model_version.model) if champion is None else champion
    if against is not None and against.id == model_version.id:
        against = None
    context = gather(workspace, model_version, against)
    verdicts: list[Verdict] = []
    checks = workspace.settings.checks
    # Native thread pools spin for one another on a busy machine, which makes small fits a hundred times slower.
    with threadpool_limits(1):
        for done, check in enumerate(checks):
            if progress is not None:
                progress(done, len(checks), label(check))
            verdicts += answer(check, context)
    gate = Gate(
        id=new_id(),
        model=model_version.model,
        version=model_version.version,
        champion=None if against is None else against.version,
        at=now(),
        outcome=outcome(verdicts),
        verdicts=verdicts,
        reason=reason(verdicts),
        holdout_md5=None if context.evidence is None else context.evidence.holdout_md5,
        commit=commit_of(workspace.root),
        checks=checks_digest(checks),
    )
    if record:
        records.insert_gate(workspace.database, _row(gate))
    return gate


def gather(workspace: Workspace, version: ModelVersion, champion: ModelVersion | None) -> Context:
    """Load what the checks look at."""
    return Context(
        workspace=workspace,
        version=version,
        artifact=models.load(workspace, version),
        evidence=_evidence(workspace, version),
        champion=champion,
        champion_artifact=None if champion is None else models.load(workspace, champion),
        champion_evidence=None if champion is None else _evidence(workspace, champion),
    )


def _evidence(workspace: Workspace, version: ModelVersion) -> Evidence | None:
    return None if version.evidence is None else read_evidence(workspace, version)


def outcome(verdicts: Sequence[Verdict]) -> Outcome:
    """Return what the required verdicts come to; without one that was answered it is inconclusive.

    >>> outcome([]), outcome([Verdict(check="skew", status="pass")])
    ('inconclusive', 'pass')
    >>> outcome([Verdict(check="a", status="pass"), Verdict(check="b", status="fail", required=False)])
    'pass'
    """
    required = [verdict for verdict in verdicts if verdict.required]
    if all(verdict.status == "not_applicable" for verdict in required):
        return "inconclusive"
    return worst(verdict.status for verdict in required)


def reason(verdicts: Sequence[Verdict]) -> str:
    """Return what decided, in one line.

    >>> reason([Verdict(check="skew", status="fail", evidence={"reason": "row 3 answers otherwise"})])
    'skew: row 3 answers otherwise'
    """
    if not verdicts:
        return f"{NO_CHECKS}: {_HINT}"
    found = outcome(verdicts)
    deciding = [verdict for verdict in verdicts if verdict.required and verdict.status == found]
    if found == "pass":
        return f"all {len(deciding)} required verdicts pass"
    if not deciding:
        return "no required check could be asked of this version"
    return "; ".join(f"{verdict.check}{_at(verdict)}: {verdict.reason}" for verdict in deciding)


def _at(verdict: Verdict) -> str:
    return "" if verdict.estimate is None else f" {numbers(verdict)}"


def checks_digest(checks: Sequence[Check]) -> str:
    """Return the digest of the settings of the checks; it changes when what is asked changes."""
    return digest(msgspec.to_builtins(list(checks)))


def latest(workspace: Workspace, model: str, version: str) -> Gate | None:
    """Return the newest gate of a version, or None if it was never judged."""
    return next(iter(gates(workspace, model, version, limit=1)), None)


def gates(workspace: Workspace, model: str, version: str | None = None, *, limit: int = 100) -> list[Gate]:
    """Return the gates of a model, or of one version of it, newest first."""
    return [_gate(row) for row in records.select_gates(workspace.database, model, version, limit=limit)]


def version_to_judge(workspace: Workspace, reference: str | None, name: str | None = None) -> ModelVersion:
    """Return the version that a reference names; without one the newest in development or staging, or else in production.

    Raises:
        NotFound: there is none.
    """
    if reference is not None:
        return models.resolve(workspace, reference)
    known = models.versions(workspace, name)
    waiting = [version for version in known if version.stage in ("development", "staging")]
    waiting = waiting or [version for version in known if version.stage == "production"]
    if not waiting:
        raise NotFound(
            "no version is in development, staging or production", hint="run the pipeline, or name a version"
        )
    return max(waiting, key=lambda version: (version.created_at, version.id))


def _row(gate: Gate) -> dict[str, Any]:
    row = msgspec.to_builtins(gate)
    del row["reason"]
    return dict(row)


def _gate(row: Any) -> Gate:
    verdicts = msgspec.convert(row.verdicts, list[Verdict])
    held = {name: value for name, value in row._mapping.items() if name != "verdicts"}
    return Gate(**held, verdicts=verdicts, reason=reason(verdicts))
