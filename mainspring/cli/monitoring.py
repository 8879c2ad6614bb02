"""Commands of monitoring: `watch`, `alerts list`, `alerts test`, `drift`, `validate`, `profile`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mainspring.cli import context, output

if TYPE_CHECKING:
    from mainspring.monitoring.alerts import Alert
    from mainspring.monitoring.drift import DriftReport
    from mainspring.monitoring.suite import Suite
    from mainspring.monitoring.validate import ValidationResult
    from mainspring.monitoring.watch import Observation

alerts = typer.Typer(help="Alerts of the monitors.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of monitoring."""
    app.command("watch")(watch)
    app.command("drift")(drift)
    app.command("validate")(validate)
    app.command("profile")(profile)
    app.add_typer(alerts, name="alerts")


def watch(
    once: bool = typer.Option(False, "--once", help="Look once and stop; otherwise look again and again."),
    interval: str = typer.Option("60s", help="How long to wait between two looks, such as 30s or 5m."),
    json: bool = typer.Option(False, "--json", help="Print JSON, one list a look."),
) -> None:
    """Let every monitor look: record what it finds, fire and resolve alerts, tell the channels."""
    import time

    from mainspring.base.clock import milliseconds
    from mainspring.base.errors import MainspringError
    from mainspring.monitoring.watch import watch as look

    seconds = milliseconds(interval) / 1000
    workspace = context.workspace()
    while True:
        try:
            seen = look(workspace)
            output.emit([_observation(each) for each in seen], json=json, show=partial(_seen, seen))
        except MainspringError as error:
            if once:
                raise
            output.print_error(error)
        if once:
            return
        time.sleep(seconds)


def _observation(seen: Observation) -> dict[str, Any]:
    from mainspring.base.clock import iso

    window = None
    if seen.window_start is not None and seen.window_end is not None:
        window = [iso(seen.window_start), iso(seen.window_end)]
    return {
        "id": seen.id,
        "monitor": seen.monitor,
        "kind": seen.kind,
        "at": iso(seen.at),
        "status": seen.status,
        "n": seen.n,
        "summary": seen.summary,
        "window": window,
        "alert": seen.alert,
        "evidence": seen.evidence,
    }


def _seen(seen: list[Observation]) -> object:
    if not seen:
        return "no monitors are declared: add `monitors:` to mainspring.yaml"
    rows = [(each.monitor, each.status, each.n, each.summary) for each in seen]
    return output.table(["monitor", "status", "n", "what it found"], rows)


@alerts.command("list")
def list_alerts(
    status: str = typer.Option(None, help="Only alerts that are firing, or resolved."),
    limit: int = typer.Option(None, help="At most so many, the newest."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the alerts, the newest first."""
    from mainspring.base.errors import UsageError
    from mainspring.monitoring.alerts import list_alerts as listed

    if status not in (None, "firing", "resolved"):
        raise UsageError(f"an alert is never '{status}'", hint="use --status firing or --status resolved")
    found = listed(context.workspace(), status=status, limit=limit)
    output.emit([_alert(alert) for alert in found], json=json, show=lambda: _alerts(found))


@alerts.command("test")
def try_channels(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Send a notice through every channel, and keep what became of it (exit code 1 when one did not arrive)."""
    from mainspring.base.errors import UsageError
    from mainspring.monitoring.alerts import rehearse

    workspace = context.workspace()
    if not workspace.settings.channels:
        raise UsageError("no channel is declared", hint="declare one under `channels:` in mainspring.yaml")
    sent = rehearse(workspace)
    rows = [(each.channel, "no" if each.delivered_at is None else "yes", each.error) for each in sent]
    output.emit(sent, json=json, show=lambda: output.table(["channel", "arrived", "problem"], rows))
    if any(each.delivered_at is None for each in sent):
        raise typer.Exit(1)


def _alert(alert: Alert) -> dict[str, Any]:
    from mainspring.base.clock import iso

    return {
        "id": alert.id,
        "monitor": alert.monitor,
        "kind": alert.kind,
        "status": alert.status,
        "at": iso(alert.at),
        "resolved_at": None if alert.resolved_at is None else iso(alert.resolved_at),
        "summary": alert.summary,
        "evidence": alert.evidence,
        "deliveries": alert.deliveries,
    }


def _alerts(found: list[Alert]) -> object:
    from mainspring.base.clock import iso

    if not found:
        return "no alerts"
    rows = [
        (
            alert.monitor,
            alert.status,
            iso(alert.at),
            iso(alert.resolved_at) if alert.resolved_at else None,
            alert.summary,
        )
        for alert in found
    ]
    return output.table(["monitor", "status", "since", "until", "summary"], rows)


def drift(
    reference: Path = typer.Argument(help="Table to compare with: a file, or a folder of files."),
    current: Path = typer.Argument(help="Table that may have drifted."),
    columns: list[str] = typer.Option([], "--columns", help="Only these columns; comma-separated or repeated."),
    ks: float = typer.Option(0.1, help="Smallest Kolmogorov-Smirnov distance that counts."),
    psi: float = typer.Option(0.1, help="Smallest bias-corrected population stability index that counts."),
    alpha: float = typer.Option(0.01, help="False discovery rate over all columns."),
    unordered: bool = typer.Option(False, "--unordered", help="Rows are in no order of time: count each in full."),
    html: Path = typer.Option(None, help="Write a report for people to this file."),
    fail: bool = typer.Option(False, "--fail", help="Exit with 1 when a column drifted."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Compare two tables column by column; needs no workspace."""
    from mainspring.base.files import write_atomic
    from mainspring.monitoring.drift import compare, floors_of, read_pair
    from mainspring.monitoring.report import drift_page

    before, after = read_pair(reference, current)
    names = [name.strip() for given in columns for name in given.split(",") if name.strip()]
    floors = floors_of(ks=ks, psi=psi, alpha=alpha)
    report = compare(before, after, floors, columns=names or None, ordered=not unordered)
    if html is not None:
        page = drift_page(report, before, after, title=f"{reference.name} → {current.name}")
        write_atomic(html, page.encode())
    output.emit(report, json=json, show=lambda: _drift(report))
    if fail and report.drifted:
        raise typer.Exit(1)


def _drift(report: DriftReport) -> object:
    from rich.console import Group

    from mainspring.monitoring.drift import describe

    rows = [
        (f.column, f.verdict, describe(f), None if f.p_adjusted is None else f"{f.p_adjusted:.2g}", f.n, f.n_needed)
        for f in report.columns
    ]
    drawn = output.table(["column", "verdict", "effect", "p (adjusted)", "n", "n needed"], rows)
    notes = [f"not compared: {skipped.column}: {skipped.reason}" for skipped in report.skipped]
    if report.only_in_current:
        notes.append(f"only in the current table: {', '.join(report.only_in_current)}")
    return Group(drawn, *notes, report.summary())


def validate(
    target: str = typer.Argument(help="Name of a dataset, or a file or folder."),
    suite: Path = typer.Option(None, help="Suite of expectations; by default the dataset's own."),
    json: bool = typer.Option(False, "--json", help="Print JSON in Great Expectations' shape."),
) -> None:
    """Hold a table against a suite of expectations; exits with 1 when it fails."""
    from mainspring.monitoring.data_gate import judge_path
    from mainspring.monitoring.suite import load_suite

    path, expected = (
        (Path(target), load_suite(suite)) if suite is not None and Path(target).exists() else _dataset(target, suite)
    )
    result = judge_path(path, expected)
    output.emit(result, json=json, show=lambda: _validation(result))
    if not result.success:
        raise typer.Exit(1)


def _dataset(name: str, suite: Path | None) -> tuple[Path, Suite]:
    from mainspring.base.errors import NotFound, UsageError, did_you_mean
    from mainspring.monitoring.suite import load_suite

    if Path(name).exists() and suite is None and ("/" in name or "." in name):
        raise UsageError(f"which expectations should {name} meet?", hint="name a suite with --suite FILE")
    workspace = context.workspace()
    datasets = workspace.settings.datasets
    if name not in datasets:
        hint = did_you_mean(name, datasets) or f"known datasets: {', '.join(datasets) or 'none'}"
        raise NotFound(f"there is no dataset or file '{name}'", hint=hint, dataset=name)
    declared = datasets[name].suite
    if suite is None and declared is None:
        raise UsageError(f"the dataset '{name}' has no suite", hint="name one with --suite FILE, or in mainspring.yaml")
    return workspace.path(datasets[name].path), load_suite(suite or workspace.path(declared or ""))


def _validation(result: ValidationResult) -> object:
    from rich.console import Group

    rows = [
        (
            _word(each.success, each.expectation_config.severity),
            each.expectation_config.title,
            each.reason,
            _examples(each.result),
        )
        for each in result.results
    ]
    return Group(output.table(["", "expectation", "why", "for example"], rows), result.summary())


def _word(success: bool, severity: str) -> str:
    return "ok" if success else "FAILS" if severity == "critical" else severity


def _examples(result: dict[str, Any]) -> str | None:
    examples = result.get("partial_unexpected_list")
    return ", ".join(str(value) for value in examples[:3]) if examples else None


def profile(
    table: Path = typer.Argument(help="Table: a file, or a folder of files."),
    out: Path = typer.Option(None, help="Write the profile to this file as JSON."),
    suite_out: Path = typer.Option(None, help="Write a proposed suite of expectations to this file."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Count a table: types, nulls, distinct values, quantiles, categories."""
    from mainspring.base.files import write_atomic
    from mainspring.monitoring.profile import build_profile
    from mainspring.monitoring.proposal import write_suite
    from mainspring.versioning.tables import read_table

    counted = build_profile(read_table(table))
    if out is not None:
        write_atomic(out, counted.to_json())
    if suite_out is not None:
        write_atomic(suite_out, write_suite(counted, name=table.stem).to_json())
    rows = [
        (
            c.name,
            c.dtype,
            c.nulls,
            c.distinct,
            _short(c.min),
            _short(c.mean),
            _short(c.max),
            ", ".join(c.categories[:5]),
        )
        for c in counted.columns
    ]
    heads = ["column", "type", "nulls", "distinct", "min", "mean", "max", "values"]
    title = f"{counted.rows} rows"
    output.emit(counted, json=json, show=lambda: output.table(heads, rows, title=title))


def _short(value: float | str | None) -> str | None:
    return f"{value:.6g}" if isinstance(value, float | int) else value
