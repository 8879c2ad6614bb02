"""Executing a pipeline: check its data, record everything, run its steps, take in its candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.automation import leases, records
from mainspring.automation.active import acting
from mainspring.automation.attempts import explained
from mainspring.automation.binding import choose, value_of
from mainspring.automation.candidates import accept
from mainspring.automation.entrypoint import load
from mainspring.automation.progress import reporter
from mainspring.automation.recorder import Recorder
from mainspring.automation.records import ExecutionRow
from mainspring.base.clock import now
from mainspring.base.errors import MainspringError, NotFound, Refused, UsageError, did_you_mean
from mainspring.base.ids import new_id
from mainspring.base.owner import describe, is_gone
from mainspring.base.randomness import set_seed
from mainspring.monitoring import data_gate
from mainspring.tracking.run import start_run
from mainspring.versioning import snapshot as snapshots
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.data import Dataset, open_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.automation.leases import Lease
    from mainspring.automation.pipeline import Pipeline
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.run import Run
    from mainspring.versioning.models import ModelVersion


class DataRefused(Refused):
    """A dataset does not hold what its suite expects; nothing was trained on it."""

    code = "data_refused"


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded pass through a pipeline: ``status`` is running, finished, failed, blocked or interrupted.

    ``ran`` and ``cached`` count its steps; ``model_version`` is the version that its candidate became, or was already when
    ``existing``.
    """

    id: str
    pipeline: str
    status: str
    event_id: str | None
    run_id: str | None
    model: str | None
    model_version: str | None
    parameters: dict[str, Any]
    outcome: Any
    ran: int
    cached: int
    started_at: int
    ended_at: int | None
    error: str | None
    existing: bool = False


def execute(
    workspace: Workspace,
    *,
    entrypoint: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    event_id: str | None = None,
    cache: bool = True,
    progress: bool = True,
) -> Execution:
    """Run a pipeline once and record it: its data, its steps, its run, its candidate.

    Steps whose key is known are not repeated, whatever happened to the execution that ran them. Every dataset is
    validated before anything is trained. A candidate becomes a version in development.

    Raises:
        UsageError: the pipeline cannot be found, or its parameters do not fit.
        Conflict: another process executes it at present.
        DataRefused: a dataset failed its validation; nothing ran.
        StepFailed: the user's code raised; what had finished is remembered.
    """
    pipeline = load(workspace, entrypoint)
    settings = workspace.settings
    configured = settings.pipeline is not None and entrypoint in (None, settings.pipeline.entrypoint)
    datasets, chosen = choose(settings, pipeline, parameters or {}, configured=configured)
    execution_id = new_id()

    def beat() -> None:
        with workspace.database.write() as connection:
            records.change_execution(connection, execution_id, heartbeat_at=now())

    with leases.acquire(workspace, f"pipeline {pipeline.name}", on_beat=beat) as lease:
        _begin(workspace, execution_id, pipeline, chosen, event_id)
        recorder = Recorder(workspace, execution_id, cache=cache, lease=lease, reporter=reporter(wanted=progress))
        try:
            outcome = _carry_out(workspace, pipeline, datasets, chosen, recorder)
        except BaseException as error:
            told = _failure(workspace, pipeline, error)
            recorder.reporter.close()
            _end(workspace, execution_id, lease, status=_status(error), error=told.message)
            if told is error or isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise told from error
        recorder.reporter.close()
        _end(workspace, execution_id, lease, status="finished", outcome=outcome)
    return get_execution(workspace, execution_id)


def list_executions(workspace: Workspace, limit: int = 100) -> list[Execution]:
    """Return executions, newest first."""
    with workspace.database.read() as connection:
        return [_shown(row) for row in records.find_executions(connection, limit=limit)]


def get_execution(workspace: Workspace, execution_id: str) -> Execution:
    """Return the execution with this id, or whose id alone begins so.

    Raises:
        NotFound: there is none, or there are several.
    """
    with workspace.database.read() as connection:
        rows = records.find_executions(connection, execution_id, limit=2)
        known = [row.id for row in records.find_executions(connection, limit=1000)] if len(rows) != 1 else []
    if len(rows) > 1:
        raise NotFound(f"several executions begin with '{execution_id}'", hint="write more of the id")
    if not rows:
        hint = did_you_mean(execution_id, known) or "see `mainspring executions list`"
        raise NotFound(f"there is no execution '{execution_id}'", hint=hint)
    return _shown(rows[0])


def steps(workspace: Workspace, execution_id: str) -> list[records.StepRow]:
    """Return the steps of an execution in the order they were called."""
    with workspace.database.read() as connection:
        return records.steps_of(connection, execution_id)


def check_data(workspace: Workspace, datasets: list[str]) -> None:
    """Validate datasets against their suites; whoever is to be told of a failure is told.

    Raises:
        DataRefused: at least one failed.
    """
    problems = []
    for name in datasets:
        result = data_gate.check_dataset(workspace, name)
        if result is not None and not result.success:
            problems.append(f"{name}: {result.summary()}")
    if problems:
        raise DataRefused(
            f"data failed validation, nothing was trained: {'; '.join(problems)}",
            hint="repair the data (`mainspring validate DATASET` shows the rows), or correct its suite",
            datasets=datasets,
        )


def _begin(
    workspace: Workspace, execution_id: str, pipeline: Pipeline[..., Any], chosen: dict[str, Any], event_id: str | None
) -> None:
    at = now()
    row = ExecutionRow(
        id=execution_id,
        pipeline=pipeline.name,
        status="running",
        event_id=event_id,
        run_id=None,
        parameters=_plain(chosen),
        outcome=None,
        started_at=at,
        ended_at=None,
        owner=describe(),
        heartbeat_at=at,
        error=None,
    )
    with workspace.database.write() as connection:
        for left in records.running_executions(connection, pipeline.name):
            if is_gone(left.owner) or left.owner == describe():
                error = "its process ended without a word (killed, or the power went)"
                records.change_execution(connection, left.id, status="interrupted", ended_at=at, error=error)
        records.add_execution(connection, row)


def _carry_out(
    workspace: Workspace, pipeline: Pipeline[..., Any], datasets: list[str], chosen: dict[str, Any], recorder: Recorder
) -> dict[str, Any]:
    check_data(workspace, datasets)
    opened = {name: open_dataset(workspace, name) for name in datasets}
    randomness = set_seed(workspace.settings.seed)
    snapshot = snapshots.take(
        workspace,
        datasets=[dataset.version for dataset in opened.values()],
        randomness=randomness,
        parameters=_plain(chosen),
    )
    tags = {"pipeline": pipeline.name}
    with start_run(workspace, params=chosen, tags=tags, execution_id=recorder.execution_id, snapshot=snapshot) as run:
        with workspace.database.write() as connection:
            records.change_execution(connection, recorder.execution_id, run_id=run.id)
        for dataset in opened.values():
            run.log_input(dataset.version)
        answer = _call(workspace, pipeline, opened, chosen, recorder)
        version = accept(workspace, answer, run) if isinstance(answer, Candidate) else None
        return _outcome(answer, version, recorder, run)


def _call(
    workspace: Workspace,
    pipeline: Pipeline[..., Any],
    opened: dict[str, Dataset],
    chosen: dict[str, Any],
    recorder: Recorder,
) -> Any:
    arguments = {name: value_of(dataset, pipeline.annotation(name)) for name, dataset in opened.items()} | chosen
    bound = pipeline.signature.bind_partial()
    bound.arguments.update({name: arguments[name] for name in pipeline.signature.parameters if name in arguments})
    try:
        with acting(recorder):
            answer = pipeline.function(*bound.args, **bound.kwargs)
    except Exception as error:
        recorder.close()
        if isinstance(error, MainspringError):
            raise
        raise explained(error, workspace.root, f"pipeline '{pipeline.name}'") from error
    except BaseException:
        recorder.close(at_once=True)
        raise
    recorder.close()
    return answer


def _outcome(answer: Any, version: ModelVersion | None, recorder: Recorder, run: Run) -> dict[str, Any]:
    outcome: dict[str, Any] = {"ran": recorder.ran, "cached": recorder.cached}
    run.set_tags({"steps_ran": recorder.ran, "steps_cached": recorder.cached})
    if version is not None:
        existing = version.run_id != run.id
        return outcome | {"model": version.model, "version": version.version, "existing": existing}
    try:
        return outcome | {"value": msgspec.to_builtins(answer)}
    except (TypeError, msgspec.MsgspecError):
        return outcome | {"value": f"a {type(answer).__name__}"}


def _failure(workspace: Workspace, pipeline: Pipeline[..., Any], error: BaseException) -> MainspringError:
    if isinstance(error, MainspringError):
        return error
    if isinstance(error, Exception):
        return explained(error, workspace.root, f"pipeline '{pipeline.name}'")
    return UsageError("interrupted")


def _status(error: BaseException) -> str:
    if isinstance(error, DataRefused):
        return "blocked"
    return "failed" if isinstance(error, Exception) else "interrupted"


def _end(
    workspace: Workspace,
    execution_id: str,
    lease: Lease,
    *,
    status: str,
    outcome: dict[str, Any] | None = None,
    error: str | None = None,
) -> None:
    with workspace.database.write() as connection:
        if status == "finished":
            lease.check(connection)
        values = {"status": status, "ended_at": now(), "heartbeat_at": now(), "outcome": outcome, "error": error}
        records.change_execution(connection, execution_id, **values)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as the records can hold them."""
    plain = {}
    for name, value in values.items():
        try:
            plain[name] = msgspec.to_builtins(value)
        except (TypeError, msgspec.MsgspecError):
            plain[name] = str(value)
    return plain


def _shown(row: ExecutionRow) -> Execution:
    outcome = row.outcome if isinstance(row.outcome, dict) else {}
    status, error = row.status, row.error
    if status == "running" and is_gone(row.owner):
        status, error = "interrupted", "its process is gone; run it again: finished steps are not repeated"
    return Execution(
        id=row.id,
        pipeline=row.pipeline,
        status=status,
        event_id=row.event_id,
        run_id=row.run_id,
        model=outcome.get("model"),
        model_version=outcome.get("version"),
        existing=outcome.get("existing", False),
        parameters=row.parameters,
        outcome=row.outcome,
        ran=outcome.get("ran", 0),
        cached=outcome.get("cached", 0),
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=error,
    )
