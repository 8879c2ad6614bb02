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
from mainspring.reproducibility.origins import imported_from, inside
from mainspring.reproducibility.rerun import Rerun, command, rerun
from mainspring.reproducibility.restore import ENVIRONMENT, restore
from mainspring.reproducibility.suspect import Difference, differences, suspect
from mainspring.store.workspace import Workspace
from mainspring.tracking import search
from mainspring.versioning import environment, models
from mainspring.versioning import snapshot as snapshots
from mainspring.versioning.code import repository

if TYPE_CHECKING:
    from collections.abc import Callable

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
    original = subject.outcome(workspace)
    folder = (to or workspace.state / "reproductions" / identifier).resolve()
    place = workspace.state / "reproductions" / f"{identifier}.venv"
    attempt, used = _prepare(workspace, subject, folder, place, always=rebuild_environment, say=say)
    first, again = attempt.make(say)
    compared = _compared(attempt, original, (first, again), used.error, repeat=repeat, say=say)
    result = Reproduction(
        id=identifier,
        at=iso(now()),
        run_id=subject.run.id,
        model=subject.version.model if subject.version else None,
        version=subject.version.version if subject.version else None,
        environment=used,
        folder=str(folder),
        seconds=round(first.seconds, 3),
        output=[] if again else list(first.last),
        **compared,
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


def _asked(workspace: Workspace, run: RunInfo) -> tuple[dict[str, Any], str | None]:
    """Return the parameters of the pipeline, as far as settings can hold them, and the pipeline if somebody named one."""
    if run.execution_id is None:
        return {}, None
    execution = get_execution(workspace, run.execution_id)
    held = {
        name: value
        for name, value in execution.parameters.items()
        if value is None or isinstance(value, bool | int | float | str)
    }
    event = events.get(workspace, execution.event_id) if execution.event_id else None
    named = event.payload.get("entrypoint") if event else None
    return held, str(named) if named else None


def _prepare(
    workspace: Workspace, subject: Subject, folder: Path, place: Path, *, always: bool, say: Callable[[str], None]
) -> tuple[_Attempt, EnvironmentUsed]:
    """Restore code, data and settings into ``folder``, and find an interpreter, or build one in ``place``."""
    inputs = search.list_inputs(workspace, subject.run.id)
    parameters, named = _asked(workspace, subject.run)
    arguments = command(
        subject.snapshot,
        by_pipeline=subject.run.execution_id is not None,
        original=workspace.root,
        entrypoint=named,
        parameters=parameters,
    )
    settled = {} if named else parameters
    restored = restore(workspace, subject.snapshot, inputs, folder, parameters=settled, say=say)
    own, paths = _own(workspace, subject.snapshot, restored.top)
    interpreter, used = _environment(subject.snapshot, place, always=always, own=own, say=say)
    attempt = _Attempt(
        subject=subject,
        interpreter=interpreter,
        arguments=tuple(arguments),
        root=restored.root,
        original=workspace.root,
        missing=restored.missing,
        paths=tuple(str(path) for path in paths),
        inputs={item.dataset: item.md5 for item in inputs},
    )
    return attempt, used


def _own(workspace: Workspace, recorded: Snapshot, restored: Path) -> tuple[dict[str, Path], list[Path]]:
    """Return which distributions are the project's, by where they lie in the restored code, and where that is imported from.

    Installed editable, they would be imported as they are by now.
    """
    top = repository(workspace.root) or workspace.root.resolve()
    origins = recorded.environment.get("origins") or {}
    places = {name: inside(origin, top) for name, origin in origins.items()}
    own = {name: restored / place for name, place in places.items() if place and (restored / place).is_dir()}
    return own, [restored / path for path in imported_from(top) if (restored / path).is_dir()]


def _environment(
    recorded: Snapshot, place: Path, *, always: bool, own: dict[str, Path], say: Callable[[str], None]
) -> tuple[Path, EnvironmentUsed]:
    here = Path(sys.executable)
    changed = changes(recorded.environment, environment.capture())
    if not changed and not always:
        say("environment: the present one has the recorded distributions")
        return here, EnvironmentUsed(status="same", python=str(here), changes=[])
    say(f"environment: {len(changed)} differences, building a virtual environment")
    try:
        built = rebuild(recorded.environment, place, own=own, say=say)
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


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A run that is ready to be made again; ``missing`` files could not be restored, ``inputs`` were read then, and of
    ``paths`` the project's own code is imported."""

    subject: Subject
    interpreter: Path
    arguments: tuple[str, ...]
    root: Path
    original: Path
    missing: tuple[str, ...]
    paths: tuple[str, ...]
    inputs: dict[str, str]

    def make(self, say: Callable[[str], None]) -> tuple[Rerun, _Again | None]:
        """Run it once; None when it did not come to its end."""
        recorded = self.subject.snapshot
        say("run: " + " ".join(self.arguments))
        done = rerun(
            self.interpreter,
            self.arguments,
            self.root,
            recorded=recorded.environment.get("variables") or {},
            hash_seed=recorded.randomness.get("python_hash_seed"),
            original=self.original,
            paths=self.paths,
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


def _compared(
    attempt: _Attempt,
    original: Outcome,
    made: tuple[Rerun, _Again | None],
    rebuild_error: str | None,
    *,
    repeat: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Return the level that was reached, the rungs, what differs and what is to blame."""
    first, again = made
    snapshot = attempt.subject.snapshot
    read, missing = attempt.inputs, attempt.missing
    if again is None:
        found = differences(snapshot, None, missing=missing, data=(read, read))
        told = _failure(first, rebuild_error, missing)
        return {"level": 0, "levels": _nothing(first), "differences": found, "suspect": told}
    rungs = original.compare(again.outcome)
    level = ladder.reached(rungs)
    agrees = _agrees(attempt, again, say) if repeat and level < 3 else None
    found = differences(snapshot, again.snapshot, missing=missing, data=(read, again.inputs))
    why = suspect(rungs, level, found, original=snapshot, agrees=agrees, rebuild_error=rebuild_error)
    return {"level": level, "levels": rungs, "differences": found, "suspect": why}


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
