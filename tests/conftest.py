"""What every test may use."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mainspring.store import migrate
from mainspring.tracking import recording
from scripts.environments import Unavailable
from tests import azure, gcs, postgres, s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

for _level in ("SYSTEM", "GLOBAL"):  # what whoever runs the tests has told their DVC is not meant
    os.environ.setdefault(f"DVC_{_level}_CONFIG_DIR", "/nonexistent/dvc")
settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

ON_BOTH = (
    "web/mlflow",
    "tracking",
    "versioning/delta/test_versions.py",
    "versioning/test_lineage.py",
    "versioning/test_models.py",
    "versioning/test_data.py",
    "versioning/test_dataset_rows.py",
    "versioning/test_snapshot.py",
    "versioning/test_versioning_commands.py",
    "versioning/test_catalogue_commands.py",
    "automation/test_commands.py",
    "automation/test_delegate.py::test_when_up_is_killed",
    "automation/test_execute.py",
    "automation/test_fanout.py::test_a_pipeline_killed",
    "automation/test_leases.py",
    "automation/test_memory.py",
    "automation/test_tick.py",
    "automation/test_triggers.py",
    "testing/test_gate.py",
    "testing/test_pytest_plugin.py",
    "serving/test_releases.py",
    "serving/test_canary.py",
    "monitoring/test_alerts.py",
    "monitoring/test_watch.py",
    "reproducibility/test_reproduce.py::test_a_script",
    "reproducibility/test_suspect.py",
    "audit/test_audit.py::test_a_whole_life",
    "audit/test_audit.py::test_a_webhook",
    "audit/test_audit.py::test_reports",
    "chaos/test_kill_release.py",
)
"""Where tests run on SQLite and on PostgreSQL."""

FIRST = (
    "test_searches_differential.py",
    "test_mlflow_stores.py",
    "test_clients.py",
    "test_kill_release.py",
    "test_whole_loop.py",
)
"""Files with the longest tests: begun last, they would keep one process busy while the others have nothing left to do."""

INTEGRATION = (
    "audit/test_antipatterns.py",
    "audit/test_audit.py",
    "automation/test_execute.py",
    "automation/test_tick.py",
    "monitoring/test_watch.py",
    "serving/test_releases.py",
    "serving/test_undeploy.py",
    "testing/test_gate.py",
)
"""Files whose tests lead through several rooms, with models that are trained on the way."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of ``ON_BOTH`` that uses ``state`` on both kinds of database."""
    file = metafunc.definition.path.relative_to(Path(__file__).parent).as_posix()
    place = f"{file}::{metafunc.definition.originalname}"
    if "state" in metafunc.fixturenames and place.startswith(ON_BOTH):
        metafunc.parametrize("state", ["sqlite", "postgresql"], indirect=True)


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs a PostgreSQL or leads through several rooms is no unit test; what takes longest begins first."""
    items.sort(key=lambda item: item.path.name not in FIRST)
    for item in items:
        if item.path.as_posix().endswith(INTEGRATION):
            item.add_marker(pytest.mark.integration)
        if "postgres_server" in getattr(item, "fixturenames", ()) or "postgresql" in item.name:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _compile_once() -> Iterator[None]:
    """Make the tables of further databases by the statements of the first; hundreds of tests open a workspace of their own."""
    create, statements = migrate.create, list[str]()

    def repeat(connection: Connection) -> None:
        if connection.dialect.name != "sqlite" or connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first():
            create(connection)
            return
        for statement in statements:
            connection.exec_driver_sql(statement)
        if not statements:
            create(connection)
            made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
            statements[:] = [*made.scalars(), f"INSERT INTO alembic_version VALUES ('{migrate.HEAD}')"]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrate, "create", repeat)
        yield


@pytest.fixture(autouse=True)
def _folder_as_before() -> Iterator[None]:
    """Name the test that leaves the process in another folder, where the tests after it would fail (monkeypatch.chdir)."""
    folder = Path.cwd()
    yield
    now = Path.cwd()
    os.chdir(folder)
    assert now == folder, f"the test went to {now} and stayed there"


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Undo what a command did to the log, so that the next test can read it."""
    logger = logging.getLogger("mainspring")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture(autouse=True)
def _no_workspace_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAINSPRING_WORKSPACE", "MAINSPRING_ENVIRONMENT", "MAINSPRING_RUN_ID", "MAINSPRING_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_run_left_open() -> Iterator[None]:
    """A run that a test leaves open goes on writing, and warning, in the tests after it: name the one that left it."""
    yield
    left = list(recording.OPEN.values())
    for run in left:
        run.finish("killed")
    assert not left, f"the test left runs open: {left}"
    threads = [thread for thread in threading.enumerate() if thread.name == "mainspring-metrics"]
    assert not threads, f"the test left threads that write metrics: {threads}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One PostgreSQL for all tests that want one."""
    try:
        with postgres.running() as server:
            yield server
    except Unavailable as reason:
        pytest.skip(f"no PostgreSQL: {reason}")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.Server]:
    """One S3 server for all tests that want one."""
    try:
        with s3.running() as server:
            yield server
    except Unavailable as reason:
        pytest.skip(f"no S3 server: {reason}")


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[gcs.Server]:
    """One server of Google's storage for all tests that want one."""
    try:
        with gcs.running() as server:
            yield server
    except Unavailable as reason:
        pytest.skip(f"no GCS server: {reason}")


@pytest.fixture(scope="session")
def azure_endpoint() -> Iterator[str]:
    """The address of one server of Azure's blobs for all tests that want one."""
    try:
        with azure.running() as endpoint:
            yield endpoint
    except Unavailable as reason:
        pytest.skip(f"no Azurite: {reason}")


@pytest.fixture
def state(request: pytest.FixtureRequest) -> Iterator[str]:
    """What ``mainspring.yaml`` says of the database: nothing, or in the tests of ``ON_BOTH`` the URL of a PostgreSQL too."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield ""
        return
    with request.getfixturevalue("postgres_server").database() as url:
        yield f"state: {{database: '{url}'}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty workspace's folder."""
    (tmp_path / "mainspring.yaml").write_text("project: example\n")
    return tmp_path
