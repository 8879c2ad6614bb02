"""Making a run, or the run behind a model version, again: restore, run, compare, say why not."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.automation import events
from mainspring.automation.execute import get_execution
from mainspring.base.clock import iso, now
from mainspring.base.errors import ExternalToolError, NotFound, Refused
from mainspring.base.ids import new_id
from mainspring.reproducibility import ladder, outcome, records
from mainspring.reproducibility.environment import Change, changes, rebuild
from mainspring.reproducibility.ladder import Rung
from mainspring.reproducibility.rerun import Rerun, command, rerun
from mainspring.reproducibility.restore import ENVIRONMENT, restore
from mainspring.reproducibility.suspect import Difference, differences, suspect
from mainspring.store.workspace import Workspace
from mainspring.tracking import search
from mainspring.versioning import environment, models
from mainspring.versioning import snapshot as snapshots

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.automation.execute import Execution
    from mainspring.reproducibility.outcome import Outcome
    from mainspring.tracking.search import RunInfo
    from mainspring.versioning.models import ModelVersion
    from mainspring.versioning.snapshot import Snapshot


class EnvironmentUsed(msgspec.Struct, frozen=True, kw_only=True):
    """Which interpreter made the run again, and how its distributions compare with the recorded ones."""

    status: Literal["same", "rebuilt", "different"]
    python: str
    changes: list[Change]
    error: str | None = None


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run came out the same when it was made again; ``at`` is ISO 8601, ``seconds`` what the run took."""

    id: str
    at: str
    level: int
    run_id: str
    model: str | None
    version: str | None
    levels: list[Rung]
    environment: EnvironmentUsed
    suspect: str | None
    differences: list[Difference]
    folder: str
    seconds: float
    output: list[str] = []


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded reproduction; ``at`` in milliseconds UTC."""

    id: str
    at: int
    level: int
    report: dict[str, Any]


def reproduce(
    workspace: Workspace,
    reference: str,
    *,
    to: Path | None = None,
    rebuild_environment: bool = False,
    repeat: bool = True,
    say: Callable[[str], None] = lambda _line: None,
) -> Reproduction:
    """Make a run again in a fresh folder and compare what came out; the answer is recorded.

    ``reference`` is a run, or ``model@version``. The environment is the present one if it has the recorded
    distributions, else a virtual environment is built (always with ``rebuild_environment``). When predictions differ,
    the run is made a second time (``repeat``) to tell chance from change.

    Raises:
        NotFound, Corrupted: the run, its snapshot, a commit or an object is gone or damaged.
        Refused: there was no run, or it cannot be started again.
        UsageError: ``to`` is not empty.
    """
    subject = find(workspace, reference)
    identifier = new_id()
    folder = (to or workspace.state / "reproductions" / identifier).resolve()
    execution = get_execution(workspace, subject.run.execution_id) if subject.run.execution_id else None
    parameters = _parameters(execution)
    arguments = command(
        subject.snapshot,
        by_pipeline=execution is not None,
        original=workspace.root,
        entrypoint=(named := _entrypoint(workspace, execution)),
        parameters=parameters,
    )
    original = subject.outcome(workspace)
    inputs = search.list_inputs(workspace, subject.run.id)
    beside = workspace.state / "reproductions" / f"{identifier}.venv"
    restored = restore(workspace, subject.snapshot, inputs, folder, parameters={} if named else parameters, say=say)
    interpreter, used = _environment(subject.snapshot, beside, always=rebuild_environment, say=say)
    attempt = _Attempt(subject, interpreter, tuple(arguments), restored.root, workspace.root)
    say("run: " + " ".join(arguments))
    first, again = attempt.make(say)
    rungs = original.compare(again.outcome) if again else _nothing(first)
    level = ladder.reached(rungs)
    agrees = _agrees(attempt, again, say) if repeat and again is not None and level < 3 else None
    read = {item.dataset: item.md5 for item in inputs}
    data = (read, again.inputs if again else read)
    found = differences(subject.snapshot, again.snapshot if again else None, missing=restored.missing, data=data)
    why = suspect(rungs, level, found, original=subject.snapshot, agrees=agrees, rebuild_error=used.error)
    if again is None:
        why = _failure(first, used.error, restored.missing)
    result = Reproduction(
        id=identifier,
        at=iso(now()),
        level=level,
        run_id=subject.run.id,
        model=subject.version.model if subject.version else None,
        version=subject.version.version if subject.version else None,
        levels=rungs,
        environment=used,
        suspect=why,
        differences=found,
        folder=str(folder),
        seconds=round(first.seconds, 3),
        output=[] if again else list(first.last),
    )
    _record(workspace, result)
    return result


def latest(workspace: Workspace, model: str, version: str) -> Proof | None:
    """Return the newest reproduction of a model version."""
    with workspace.database.read() as connection:
        row = records.latest_reproduction(connection, model=model, version=version)
    return None if row is None else Proof(id=row.id, at=row.at, level=row.level, report=row.report)


# What is made again


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A run, its snapshot, and the model version that it made."""

    run: RunInfo
    snapshot: Snapshot
    version: ModelVersion | None

    def outcome(self, workspace: Workspace) -> Outcome:
        """Return what the run left behind."""
        version = self.version
        return outcome.of_version(workspace, version) if version else outcome.of_run(workspace, self.run.id)


def find(workspace: Workspace, reference: str) -> Subject:
    """Return what a reference names.

    Raises:
        NotFound: there is no such run or version, or the run recorded no snapshot.
        Refused: the version was registered without a run.
    """
    version = models.resolve(workspace, reference) if "@" in reference else None
    if version is None:
        run = search.get_run(workspace, reference)
        with workspace.database.read() as connection:
            row = records.version_of_run(connection, run.id)
        version = None if row is None else models.resolve(workspace, f"{row.model}@{row.version}")
    elif version.run_id is None:
        raise Refused(
            f"{version.reference} was registered without a run: nothing tells how it was made",
            hint="train it in a pipeline of this project: mainspring run",
            model=version.model,
            version=version.version,
        )
    else:
        run = search.get_run(workspace, version.run_id)
    if run.snapshot_id is None:
        raise NotFound(
            f"run {run.id} recorded no snapshot: nothing tells its code, data and environment",
            hint="start runs with snapshot=True",
            run=run.id,
        )
    return Subject(run=run, snapshot=snapshots.load(workspace, run.snapshot_id), version=version)


def _entrypoint(workspace: Workspace, execution: Execution | None) -> str | None:
    """Return the pipeline that somebody named when asking for the execution; None for the settings' one."""
    if execution is None or execution.event_id is None:
        return None
    named = events.get(workspace, execution.event_id).payload.get("entrypoint")
    return str(named) if named else None


def _parameters(execution: Execution | None) -> dict[str, Any]:
    """Return the parameters that the pipeline was called with, as far as settings can hold them."""
    held = execution.parameters if execution is not None else {}
    return {name: value for name, value in held.items() if value is None or isinstance(value, bool | int | float | str)}


def _environment(
    recorded: Snapshot, place: Path, *, always: bool, say: Callable[[str], None]
) -> tuple[Path, EnvironmentUsed]:
    here = Path(sys.executable)
    changed = changes(recorded.environment, environment.capture())
    if not changed and not always:
        say("environment: the present one has the recorded distributions")
        return here, EnvironmentUsed(status="same", python=str(here), changes=[])
    say(f"environment: {len(changed)} differences, building a virtual environment")
    try:
        built = rebuild(recorded.environment, place, say=say)
    except ExternalToolError as error:
        say(f"environment could not be rebuilt: {error.message}")
        return here, EnvironmentUsed(status="different", python=str(here), changes=changed, error=error.message)
    return built, EnvironmentUsed(status="rebuilt", python=str(built), changes=[])


# Making it


@dataclass(frozen=True, kw_only=True)
class _Again:
    """What one attempt left in the fresh workspace."""

    outcome: Outcome
    snapshot: Snapshot | None
    inputs: dict[str, str]


@dataclass(frozen=True)
class _Attempt:
    subject: Subject
    interpreter: Path
    arguments: tuple[str, ...]
    root: Path
    original: Path

    def make(self, say: Callable[[str], None]) -> tuple[Rerun, _Again | None]:
        """Run it once; None when it did not come to its end."""
        recorded = self.subject.snapshot
        done = rerun(
            self.interpreter,
            self.arguments,
            self.root,
            recorded=recorded.environment.get("variables") or {},
            hash_seed=recorded.randomness.get("python_hash_seed"),
            original=self.original,
            say=say,
        )
        return done, self._left() if done.code == 0 else None

    def _left(self) -> _Again | None:
        fresh = Workspace(self.root, environment=ENVIRONMENT)
        try:
            with fresh.database.read() as connection:
                row = records.newest_run(connection, executed=self.subject.run.execution_id is not None)
                made = records.version_of_run(connection, row.id) if row is not None else None
            if row is None:
                return None
            version = models.resolve(fresh, f"{made.model}@{made.version}") if made is not None else None
            return _Again(
                outcome=outcome.of_version(fresh, version) if version else outcome.of_run(fresh, row.id),
                snapshot=snapshots.load(fresh, row.snapshot_id) if row.snapshot_id else None,
                inputs={item.dataset: item.md5 for item in search.list_inputs(fresh, row.id)},
            )
        finally:
            fresh.close()


def _agrees(attempt: _Attempt, first: _Again, say: Callable[[str], None]) -> bool:
    say("run: a second time, to tell chance from change")
    _, second = attempt.make(say)
    return second is not None and ladder.reached(first.outcome.compare(second.outcome)) >= 3


def _nothing(first: Rerun) -> list[Rung]:
    reason = f"the run ended with exit code {first.code}" if first.code else "the run recorded nothing"
    return [ladder.rung(level, "not comparable", reason=reason) for level in (4, 3, 2, 1)]


def _failure(first: Rerun, rebuild_error: str | None, missing: tuple[str, ...]) -> str:
    said = f"the run could not be made again, it ended with exit code {first.code}"
    if rebuild_error is not None:
        return f"environment could not be rebuilt: {rebuild_error}; {said}"
    if missing:
        return f"files of the code are missing ({', '.join(missing[:5])}); {said}"
    return f"{said}: {' '.join(first.last[-3:])}"


def _record(workspace: Workspace, result: Reproduction) -> None:
    row = {
        "id": result.id,
        "run_id": result.run_id,
        "model": result.model,
        "version": result.version,
        "at": now(),
        "level": result.level,
        "report": msgspec.to_builtins(result),
    }
    with workspace.database.write() as connection:
        records.add_reproduction(connection, row)
