"""Whether what runs in production came out of a notebook, and whether any test knows its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.audit.finding import NOTEBOOK_TO_PRODUCTION, RULES, Finding, Location
from mainspring.audit.lineage import Lineage, module_file, project_files, trace
from mainspring.audit.notebooks import Notebook, read_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.audit.evidence import Evidence

_FIX = RULES[NOTEBOOK_TO_PRODUCTION].solution


def find(evidence: Evidence) -> Iterator[Finding]:
    """Look at the run that made the subject, at the pipeline's lineage, at the tests and at the project's notebooks."""
    root = evidence.workspace.root
    yield from _from_run(evidence)
    entry = _entry(evidence)
    if entry is not None:
        lineage = trace(root, [entry])
        yield from _from_lineage(root, lineage)
        yield from _untested(root, entry, unknown_to_tests(evidence))
    for path in project_files(root, ".ipynb"):
        if (finding := _from_notebook(path.relative_to(root).as_posix(), read_notebook(path))) is not None:
            yield finding


def _entry(evidence: Evidence) -> Path | None:
    pipeline = evidence.settings.pipeline
    return module_file(evidence.workspace.root, pipeline.entrypoint.partition(":")[0]) if pipeline else None


def _from_run(evidence: Evidence) -> Iterator[Finding]:
    arguments = " ".join(str(word) for word in evidence.arguments)
    if "ipykernel" in arguments or ".ipynb" in arguments:
        yield _finding(
            "error",
            "The model was made inside of a notebook",
            f"the run of {evidence.name} was started as `{arguments[:200]}`",
        )


def _from_lineage(root: Path, lineage: Lineage) -> Iterator[Finding]:
    for use in lineage.notebooks:
        place = Location(path=use.path.relative_to(root).as_posix(), line=use.line)
        yield _finding("error", "The pipeline's code comes from a notebook", f"{place.path}: {use.how}", place)


def unknown_to_tests(evidence: Evidence) -> list[str]:
    """Return the pipeline's files, if no test imports the pipeline: those that none reaches."""
    root, entry = evidence.workspace.root, _entry(evidence)
    if entry is None:
        return []
    known = set(trace(root, _tests(root)).files)
    unknown = [path.relative_to(root).as_posix() for path in trace(root, [entry]).files if path not in known]
    return [] if entry in known else unknown


def _tests(root: Path) -> list[Path]:
    return [path for path in project_files(root, ".py") if path.name.startswith("test_") or path.stem.endswith("_test")]


def _untested(root: Path, entry: Path, unknown: list[str]) -> Iterator[Finding]:
    if not unknown:
        return
    tests = _tests(root)
    place = Location(path=entry.relative_to(root).as_posix(), line=1)
    said = f"of {len(tests)} test files none imports {', '.join(unknown[:5])}" if tests else "the project has no tests"
    yield _finding("warning", "No test imports the pipeline", said, place, fix="write tests that import it")


def _from_notebook(path: str, notebook: Notebook) -> Finding | None:
    said = [problem.text for problem in notebook.problems]
    if notebook.trains:
        said.insert(0, "it fits a model and saves one, outside of the pipeline")
    if not said:
        return None
    shown = "; ".join(said[:4]) + (f"; and {len(said) - 4} more" if len(said) > 4 else "")
    severity = "warning" if notebook.trains else "note"
    return _finding(
        severity, f"Notebook {path}", shown, Location(path=path), fix=f"{_FIX} Restart it and run all cells."
    )


def _finding(severity: Any, title: str, evidence: str, place: Location | None = None, *, fix: str = _FIX) -> Finding:
    return Finding(
        rule=NOTEBOOK_TO_PRODUCTION, severity=severity, title=title, evidence=evidence, fix=fix, location=place
    )
