"""The pytest plugin: fixtures for the candidate under test, markers of the pyramid, and the record of what passed.

Loaded by every pytest of the environment, so it imports nothing heavy, and outside of a workspace it only names markers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import polars as pl

    from mainspring.store.workspace import Workspace
    from mainspring.testing.endpoint import Endpoint
    from mainspring.testing.subject import Subject

MARKERS = {
    "unit": "a function or transformation by itself",
    "integration": "stages of the pipeline together",
    "model": "predictions of the candidate: accuracy, fairness, leakage",
    "system": "the whole way, over the real endpoint",
    "regression": "the candidate against the champion",
    "stress": "under load",
}
LAYER = "mainspring_layer"
_RECORDED = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--model``."""
    group = parser.getgroup("mainspring")
    group.addoption(
        "--model",
        metavar="REF",
        default=None,
        help="model version that `candidate` is (NAME, NAME@1.2.0 or NAME@STAGE); by default the newest one that is "
        "in development or staging, or else the one in production",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers, and where there is a workspace with records, listen to what passes."""
    for name, about in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {about} (mainspring)")
    root = _root(config)
    if root is not None and (root / ".mainspring").is_dir() and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config, root), "mainspring-recorder")


def workspace_root(start: Path) -> Path | None:
    """Return the nearest folder upwards that holds ``mainspring.yaml``."""
    return next((place for place in (start, *start.parents) if (place / "mainspring.yaml").is_file()), None)


def _root(config: pytest.Config) -> Path | None:
    """Return the workspace of a session: of where pytest was called, or else of its root (a project may lie in a larger one)."""
    return workspace_root(config.invocation_params.dir) or workspace_root(config.rootpath)


def layer_of(item: pytest.Item) -> str | None:
    """Return a test's layer: its marker, or else the folder it lies in."""
    for name in MARKERS:
        if item.get_closest_marker(name) is not None:
            return name
    folders = (
        item.path.relative_to(item.config.rootpath).parts if item.path.is_relative_to(item.config.rootpath) else ()
    )
    return next((part for part in reversed(folders[:-1]) if part in MARKERS), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the layer on the report, which reaches the recording process from parallel ones too."""
    report = yield
    setattr(report, LAYER, layer_of(item))
    return report


class Recorder:
    """Counts how tests end, and records a session that ran whole folders as one pass a layer."""

    def __init__(self, config: pytest.Config, root: Path) -> None:
        self.config = config
        self.root = root
        self.outcomes: dict[str, tuple[str, str]] = {}
        self.left_out: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how a test ended: any failing phase makes it failed."""
        layer = getattr(report, LAYER, None)
        if layer is None:
            return
        held = self.outcomes.get(report.nodeid, (layer, ""))[1]
        if report.failed or held == "failed":
            self.outcomes[report.nodeid] = (layer, "failed")
        elif report.skipped or (report.when == "call" and report.passed):
            self.outcomes[report.nodeid] = (layer, "skipped" if report.skipped else "passed")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count tests that were left out as skipped."""
        self.left_out += [layer for item in items if (layer := layer_of(item)) is not None]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
        """Record the session, unless it was interrupted or ran chosen files only."""
        if exitstatus not in _RECORDED or session.config.option.collectonly or self._is_partial():
            return
        counts: dict[str, dict[str, int]] = {}
        ended = [*self.outcomes.values(), *((layer, "skipped") for layer in self.left_out)]
        for layer, outcome in ended:
            counts.setdefault(layer, {"passed": 0, "failed": 0, "skipped": 0})[outcome] += 1
        ran = {layer: each for layer, each in counts.items() if each["passed"] or each["failed"]}
        if ran:
            self._record(ran)

    def _is_partial(self) -> bool:
        return any("::" in argument or Path(argument).is_file() for argument in self.config.args)

    def _record(self, counts: dict[str, dict[str, int]]) -> None:
        from mainspring.base.errors import MainspringError
        from mainspring.store.workspace import Workspace
        from mainspring.testing.suite import Counts, record

        workspace = Workspace(self.root)
        try:
            record(workspace, {layer: Counts(**each) for layer, each in counts.items()})
            told = f"recorded in {self.root}: {', '.join(sorted(counts))}"
        except MainspringError as error:
            told = f"this session could not be recorded: {error.message}"
        finally:
            workspace.close()
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and not self.config.option.verbose < 0:
            reporter.write_line(f"\nmainspring: {told}")


@pytest.fixture(scope="session")
def workspace(pytestconfig: pytest.Config) -> Iterator[Workspace]:
    """The workspace that the tests lie in."""
    from mainspring.store.workspace import Workspace

    root = _root(pytestconfig)
    if root is None:
        pytest.skip(f"no mainspring.yaml in {pytestconfig.rootpath} or above")
    opened = Workspace(root)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def candidate(pytestconfig: pytest.Config, workspace: Workspace) -> Subject:
    """The model version under test: ``--model``, or the newest in development or staging, or else in production."""
    from mainspring.base.errors import NotFound
    from mainspring.testing.gate import version_to_judge
    from mainspring.testing.subject import Subject

    reference = pytestconfig.getoption("--model")
    name = workspace.settings.model.name if workspace.settings.model else None
    try:
        version = version_to_judge(workspace, reference, name)
    except NotFound as error:
        if reference is not None:
            raise pytest.UsageError(f"--model {reference}: {error.message}") from None
        pytest.skip(f"there is no candidate: {error.message}")
    return Subject.load(workspace, version)


@pytest.fixture(scope="session")
def champion(workspace: Workspace, candidate: Subject) -> Subject:
    """The version in production that the candidate would replace; without one the test is skipped."""
    from mainspring.testing.subject import Subject
    from mainspring.versioning import models

    version = models.champion(workspace, candidate.version.model)
    if version is None or version.id == candidate.version.id:
        pytest.skip(f"'{candidate.version.model}' has no other version in production")
    return Subject.load(workspace, version)


@pytest.fixture(scope="session")
def holdout(candidate: Subject) -> pl.DataFrame:
    """The rows frozen with the candidate, which it was not trained on, with the target."""
    if candidate.evidence is None:
        pytest.skip(f"{candidate.version.reference} was registered without a holdout")
    return candidate.evidence.holdout


@pytest.fixture(scope="session")
def endpoint(workspace: Workspace, candidate: Subject) -> Iterator[Endpoint]:
    """A real prediction server of the candidate alone, started for these tests and stopped after them."""
    from mainspring.testing.endpoint import served

    with served(workspace, candidate.version, candidate.artifact.signature) as running:
        yield running
