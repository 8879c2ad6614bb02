"""The gate that every dataset passes before a run: its suite, and an alert to people when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData, MainspringError, NotFound, did_you_mean
from mainspring.base.settings.monitors import Validation
from mainspring.measures.intervals import wilson
from mainspring.monitoring import alerts
from mainspring.monitoring.channels.delivery import deliver
from mainspring.monitoring.suite import Expectation, Suite, load_suite
from mainspring.monitoring.validate import ExceptionInfo, ExpectationResult, ValidationResult, conclude, validate
from mainspring.versioning.data import open_dataset
from mainspring.versioning.delta import sources
from mainspring.versioning.tables import scan_table, table_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.base.settings.schema import Settings
    from mainspring.store.workspace import Workspace

_EXAMPLES = 3
_READABLE = Expectation(type="table_can_be_read")
_NOT_EMPTY = Expectation(type="table_is_not_empty")


def check_dataset(workspace: Workspace, name: str) -> ValidationResult | None:
    """Hold a dataset as it is on disk against its suite; None when it has none.

    A failure fires the alert of the dataset's monitor (``validation:NAME`` when none is declared), a success resolves it;
    who is to be told is told. A table that cannot be read, or has no rows, fails.

    Raises:
        NotFound: no such dataset, or its suite's file is not there.
        InvalidData: the suite itself is wrong.
    """
    result = judge_dataset(workspace, name)
    if result is None:
        return None
    monitor = monitor_of(workspace.settings, name)
    if result.success:
        alerts.resolve(workspace, monitor, reason=result.summary())
    else:
        summary = f"{name}: {result.summary()}"
        alerts.fire(workspace, monitor, "validation", summary=summary, evidence=evidence_of(name, result))
    deliver(workspace)
    return result


def judge_dataset(workspace: Workspace, name: str) -> ValidationResult | None:
    """Return the answer of :func:`check_dataset` and tell nobody. Read-only."""
    datasets = workspace.settings.datasets
    if name not in datasets:
        hint = did_you_mean(name, datasets) or f"known datasets: {', '.join(datasets) or 'none'}"
        raise NotFound(f"there is no dataset '{name}'", hint=hint, dataset=name)
    if datasets[name].suite is None:
        return None
    suite = load_suite(workspace.path(datasets[name].suite or ""))
    if sources.find(workspace, name) is not None:
        return _judge_rows(lambda: open_dataset(workspace, name, add=False).scan(), suite)
    return judge_path(workspace.path(datasets[name].path), suite)


def judge_path(path: Path, suite: Suite) -> ValidationResult:
    """Hold a file or folder of files against a suite.

    In a folder, an expectation that allows exceptions (``mostly`` below 1) holds in every file too: one bad month is not
    diluted by eleven good ones. A file fails when its share of unexpected values is beyond what is allowed with its whole
    95% interval.
    """
    return _judge_rows(lambda: scan_table(path), suite, path)


def _judge_rows(scan: Callable[[], pl.LazyFrame], suite: Suite, path: Path | None = None) -> ValidationResult:
    try:
        result = validate(scan(), suite)
        parts = _parts(path, suite) if path is not None and result.n else []
    except (InvalidData, NotFound) as error:
        failed = _failed(_READABLE, error)
        return conclude(suite.name, 0, [failed])
    if not result.n:
        empty = InvalidData("the table has no rows")
        return conclude(suite.name, 0, [_failed(_NOT_EMPTY, empty), *result.results])
    return conclude(suite.name, result.n, [*result.results, *parts])


def monitor_of(settings: Settings, dataset: str) -> str:
    """Return the name under which a dataset's failures are known."""
    for name, monitor in settings.monitors.items():
        if isinstance(monitor, Validation) and monitor.dataset == dataset:
            return name
    return f"validation:{dataset}"


def evidence_of(dataset: str, result: ValidationResult) -> dict[str, object]:
    """Return what an alert keeps of a validation: which expectations failed, on how many rows, with examples."""
    failures = [
        {
            "expectation": each.expectation_config.title,
            "reason": each.reason,
            "result": {key: value for key, value in each.result.items() if not key.startswith("partial_")},
            "examples": each.result.get("partial_unexpected_list", [])[:_EXAMPLES],
        }
        for each in result.failures
    ]
    return {"dataset": dataset, "suite": result.suite_name, "n": result.n, "failures": failures}


def _failed(expectation: Expectation, error: MainspringError) -> ExpectationResult:
    info = ExceptionInfo(raised_exception=True, exception_message=error.message)
    return ExpectationResult(
        success=False, expectation_config=expectation, result={}, reason=error.message, exception_info=info
    )


def _parts(folder: Path, suite: Suite) -> list[ExpectationResult]:
    tolerant = [e for e in suite.expectations if isinstance(m := e.kwargs.get("mostly"), int | float) and m < 1]
    if not folder.is_dir() or not tolerant or len(files := table_files(folder)) < 2:
        return []
    schema = scan_table(folder).collect_schema()
    part = Suite(name=suite.name, expectations=tolerant)
    found = []
    for file, _ in files:
        results = validate(_like(scan_table(file), schema), part).results
        found += [failed for each in results if (failed := _beyond_doubt(each, file)) is not None]
    return found


def _like(lazy: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """Give a file the columns' types that the whole folder has."""
    held = lazy.collect_schema()
    return lazy.with_columns(pl.col(name).cast(schema[name], strict=False) for name in held if name in schema)


def _beyond_doubt(each: ExpectationResult, file: Path) -> ExpectationResult | None:
    unexpected, rows = each.result.get("unexpected_count"), each.result.get("element_count")
    if each.success or unexpected is None or rows is None:
        return None
    present = rows - each.result["missing_count"]
    allowed = 1 - float(each.expectation_config.kwargs["mostly"])
    if wilson(unexpected, present).low <= allowed:
        return None
    return ExpectationResult(
        success=False,
        expectation_config=each.expectation_config,
        result=each.result,
        reason=f"in {file.name}: {each.reason}",
        meta={"file": file.name},
    )
