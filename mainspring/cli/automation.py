"""Commands of automation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from mainspring.automation.continuous import Delivery
    from mainspring.automation.events import Event
    from mainspring.automation.execute import Execution
    from mainspring.automation.plan import PlannedStep
    from mainspring.automation.records import StepRow

_JSON = typer.Option(False, "--json", help="Print JSON.")
_PARAMS = typer.Option(
    [], "--param", metavar="NAME=VALUE", help="A parameter of the pipeline; may be given several times."
)
_ENTRYPOINT = typer.Argument(
    None, metavar="[MODULE:FUNCTION]", help="The pipeline; by default the one of the settings."
)

events_app = typer.Typer(help="What happened, and what became of it.", no_args_is_help=True)
executions_app = typer.Typer(help="Recorded passes through pipelines.", no_args_is_help=True)
ci_app = typer.Typer(help="The CI that checks every change.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of automation."""
    app.command("run")(run)
    app.command("plan")(plan)
    app.add_typer(events_app, name="events")
    app.add_typer(executions_app, name="executions")
    app.add_typer(ci_app, name="ci")


def run(
    entrypoint: str = _ENTRYPOINT,
    param: list[str] = _PARAMS,
    no_cache: bool = typer.Option(False, "--no-cache", help="Run every step, remembered or not."),
    release: bool = typer.Option(False, "--release", help="Judge the candidate, and release it if its gate passes."),
    json: bool = _JSON,
) -> None:
    """Run the pipeline: validate its data, do what is not done yet, register its candidate.

    With --release it exits with 1 when the gate does not pass.
    """
    from mainspring.automation.continuous import run_manually

    done = run_manually(
        context.workspace(),
        entrypoint=entrypoint,
        parameters=_parameters(param),
        cache=not no_cache,
        release=release,
    )
    output.emit(_delivery(done), json=json, show=lambda: _told(done))
    if done.gate is not None and done.gate.outcome != "pass":
        raise typer.Exit(1)


def plan(entrypoint: str = _ENTRYPOINT, param: list[str] = _PARAMS, json: bool = _JSON) -> None:
    """Show which steps would run, which are remembered, and which depend on those."""
    from mainspring.automation.plan import plan as planned

    steps = planned(context.workspace(), entrypoint=entrypoint, parameters=_parameters(param))
    output.emit(steps, json=json, show=lambda: _plan(steps))


@events_app.command("list")
def events_list(
    limit: int = typer.Option(100, help="At most so many, the newest."),
    trigger: str = typer.Option(None, help="Only those of this trigger."),
    json: bool = _JSON,
) -> None:
    """List events, newest first."""
    from mainspring.automation.events import list_events

    found = list_events(context.workspace(), limit=limit, trigger=trigger)
    output.emit([_event(event) for event in found], json=json, show=lambda: _events(found))


@executions_app.command("list")
def executions_list(limit: int = typer.Option(100, help="At most so many, the newest."), json: bool = _JSON) -> None:
    """List executions, newest first."""
    from mainspring.automation.execute import list_executions

    found = list_executions(context.workspace(), limit)
    output.emit([_execution(item) for item in found], json=json, show=lambda: _executions(found))


@executions_app.command("show")
def executions_show(execution: str = typer.Argument(help="Its id, or how it begins."), json: bool = _JSON) -> None:
    """Show an execution and its steps."""
    from mainspring.automation.execute import get_execution, steps

    workspace = context.workspace()
    found = get_execution(workspace, execution)
    made = steps(workspace, found.id)
    value = _execution(found) | {"steps": [_step(step) for step in made]}
    output.emit(value, json=json, show=lambda: _execution_text(found, made))


@ci_app.command("init")
def ci_init(
    gitlab: bool = typer.Option(False, "--gitlab", help="Write for GitLab instead of GitHub Actions."),
    force: bool = typer.Option(False, "--force", help="Replace a workflow that is there."),
    json: bool = _JSON,
) -> None:
    """Write the CI workflow, and a sample of the data for it to run on."""
    from mainspring.automation.delivery.ci import write_workflow

    written = write_workflow(context.workspace(), host="gitlab" if gitlab else "github", replace=force)
    paths = [str(path) for path in written]
    output.emit(paths, json=json, show=lambda: "\n".join(["Wrote:", *(f"  {path}" for path in paths), "Commit them."]))


def _parameters(given: list[str]) -> dict[str, Any]:
    from mainspring.automation.binding import Typed
    from mainspring.base.errors import UsageError

    chosen = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"'{text}' is no parameter", hint="write it as --param name=value")
        chosen[name] = Typed(value)
    return chosen


def _delivery(done: Delivery) -> dict[str, Any]:
    assert done.execution is not None
    gate, release = done.gate, done.release
    return _execution(done.execution) | {
        "event_id": done.event.id,
        "reason": done.event.reason,
        "gate": None if gate is None else gate.outcome,
        "release": None if release is None else release.state,
    }


def _told(done: Delivery) -> object:
    execution = done.execution
    assert execution is not None
    lines = [f"execution {execution.id}: {execution.ran} steps ran, {execution.cached} were remembered"]
    if execution.model_version:
        same = ", which it equals to the byte: no new version was made" if execution.existing else ""
        lines.append(f"candidate: {execution.model}@{execution.model_version}{same} (run {execution.run_id})")
    elif isinstance(execution.outcome, dict) and execution.outcome.get("value") is not None:
        lines.append(f"returned: {execution.outcome['value']}")
    if "outcome" in done.event.payload:
        lines.append(done.event.reason or done.event.payload["outcome"])
    elif execution.model_version:
        lines.append(f"next: mainspring test {execution.model}@{execution.model_version}")
    return _plain("\n".join(lines))


def _plan(steps: list[PlannedStep]) -> object:
    words = {"cached": "cached", "run": "to run", "depends": "depends on", "unknown": "known after"}
    rows = [(step.position, step.name, f"{words[step.status]} {', '.join(step.depends_on)}".strip()) for step in steps]
    return output.table(("", "step", "status"), rows) if rows else "the pipeline calls no steps"


def _event(event: Event) -> dict[str, Any]:
    from mainspring.base.clock import iso

    return {
        "id": event.id,
        "kind": event.kind,
        "trigger": event.trigger,
        "at": iso(event.at),
        "status": event.status,
        "reason": event.reason,
        "execution_id": event.execution_id,
        "payload": event.payload,
    }


def _events(found: list[Event]) -> object:
    from mainspring.base.clock import iso

    rows = [(iso(event.at), event.kind, event.trigger, event.status, event.reason) for event in found]
    return output.table(("at", "kind", "trigger", "status", "reason"), rows) if rows else "no events yet"


def _execution(item: Execution) -> dict[str, Any]:
    import msgspec

    from mainspring.base.clock import iso

    shown = msgspec.to_builtins(item)
    ended = None if item.ended_at is None else iso(item.ended_at)
    return dict(shown) | {"started_at": iso(item.started_at), "ended_at": ended}


def _step(step: StepRow) -> dict[str, Any]:
    import msgspec

    from mainspring.base.clock import iso

    shown = msgspec.to_builtins(step)
    return {name: value for name, value in shown.items() if name != "execution_id"} | {
        "started_at": iso(step.started_at)
    }


def _executions(found: list[Execution]) -> object:
    from mainspring.base.clock import iso

    rows = [
        (
            item.id[:16],
            item.pipeline,
            item.status,
            iso(item.started_at),
            f"{item.ran} ran, {item.cached} cached",
            f"{item.model}@{item.model_version}" if item.model_version else None,
        )
        for item in found
    ]
    columns = ("execution", "pipeline", "status", "started", "steps", "made")
    return output.table(columns, rows) if rows else "nothing was executed yet: mainspring run"


def _execution_text(item: Execution, made: list[StepRow]) -> object:
    from rich.console import Group

    from mainspring.base.clock import iso

    head = [f"{item.pipeline} {item.id}: {item.status}, started {iso(item.started_at)}"]
    if item.run_id:
        head.append(f"run {item.run_id}")
    if item.model_version:
        head.append(f"made {item.model}@{item.model_version}{' once more' if item.existing else ''}")
    if item.error:
        head.append(f"error: {item.error}")
    rows = [(step.position, step.name, step.status, f"{step.seconds:.2f}", step.attempts, step.error) for step in made]
    table = output.table(("", "step", "status", "seconds", "attempts", "error"), rows)
    return Group(_plain("\n".join(head)), table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)
