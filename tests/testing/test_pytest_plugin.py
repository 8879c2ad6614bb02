"""The pytest plugin in projects of its own: inert without a workspace, and with one it records and serves."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mainspring.store.workspace import Workspace
from mainspring.testing import suite

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = "pytester"

LAYERED = {
    "test_marked.py": """
        import pytest
        @pytest.mark.unit
        def test_one(): pass
        @pytest.mark.unit
        @pytest.mark.parametrize("n", [1, 2])
        def test_many(n): pass
        @pytest.mark.unit
        def test_left(): pytest.skip("later")
        @pytest.mark.integration
        def test_wrong(): assert False
        @pytest.fixture
        def broken():
            yield
            raise RuntimeError
        @pytest.mark.system
        def test_torn(broken): pass
        def test_of_no_layer(): pass
    """,
    "regression/test_by_folder.py": "def test_two(): pass",
}


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider")
    return pytester


def write(pytester: pytest.Pytester, files: dict[str, str]) -> None:
    from textwrap import dedent

    for name, text in files.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def prepared(folder: Path) -> Workspace:
    (folder / "mainspring.yaml").write_text("project: trial\nmodel: {name: m}\n")
    workspace = Workspace(folder)
    _ = workspace.database
    return workspace


def test_outside_of_a_workspace_it_only_names_markers(inner: pytest.Pytester) -> None:
    write(inner, LAYERED)
    result = inner.runpytest()
    result.assert_outcomes(passed=6, failed=1, skipped=1, errors=1)
    assert "recorded" not in result.stdout.str()
    markers = inner.runpytest("--markers").stdout.str()
    assert all(f"@pytest.mark.{layer}:" in markers for layer in suite.LAYERS)


def test_a_workspace_without_records_is_left_alone(inner: pytest.Pytester) -> None:
    (inner.path / "mainspring.yaml").write_text("project: trial\n")
    write(inner, LAYERED)
    inner.runpytest()
    assert not (inner.path / ".mainspring").exists()


def test_a_session_is_recorded_by_layer(inner: pytest.Pytester) -> None:
    workspace = prepared(inner.path)
    write(inner, LAYERED)
    result = inner.runpytest()
    result.stdout.fnmatch_lines(["*mainspring: recorded in *: integration, regression, system, unit"])
    found = {layer: (each.passed, each.failed, each.skipped) for layer, each in suite.latest(workspace).items()}
    assert found == {"unit": (3, 0, 1), "integration": (0, 1, 0), "system": (0, 1, 0), "regression": (1, 0, 0)}
    workspace.close()


@pytest.mark.slow
def test_tests_left_out_count_as_skipped_and_chosen_files_are_no_pass(inner: pytest.Pytester) -> None:
    workspace = prepared(inner.path)
    write(inner, LAYERED)
    inner.runpytest("test_marked.py")
    inner.runpytest("test_marked.py::test_one")
    inner.runpytest("--collect-only")
    assert suite.latest(workspace) == {}
    inner.runpytest("-k", "test_one or test_two")
    found = {layer: (each.passed, each.failed, each.skipped) for layer, each in suite.latest(workspace).items()}
    assert found == {"unit": (1, 0, 3), "regression": (1, 0, 0)}
    workspace.close()


@pytest.mark.slow
def test_parallel_sessions_are_recorded_once(inner: pytest.Pytester) -> None:
    workspace = prepared(inner.path)
    write(inner, {"test_it.py": LAYERED["test_marked.py"]})
    inner.runpytest_subprocess("-n", "2")
    found = suite.latest(workspace)["unit"]
    assert (found.passed, found.failed, found.skipped) == (3, 0, 1)
    workspace.close()


def test_the_commit_is_recorded(inner: pytest.Pytester) -> None:
    workspace = prepared(inner.path)
    write(inner, {"unit/test_it.py": "def test_it(): pass"})
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=inner.path, check=True)
    inner.runpytest()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=inner.path, check=True, capture_output=True, text=True)
    assert suite.latest(workspace)["unit"].commit == head.stdout.strip()
    workspace.close()


def test_fixtures_are_skipped_where_there_is_nothing_to_test(inner: pytest.Pytester) -> None:
    write(inner, {"test_it.py": "def test_it(candidate): pass"})
    inner.runpytest().assert_outcomes(skipped=1)
    prepared(inner.path).close()
    result = inner.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*there is no candidate*"])
    assert "there is no model" in inner.runpytest("--model", "n@1.0.0").stdout.str()


USES = """
    import pytest

    @pytest.mark.model
    def test_accuracy(candidate, holdout):
        assert candidate.version.version == "1.1.0"
        assert candidate.measure("accuracy", holdout).low > 0.6

    @pytest.mark.regression
    def test_not_worse(candidate, champion, holdout):
        assert champion.version.version == "1.0.0"
        assert candidate.compare(champion, "accuracy", holdout).high > -0.05

    @pytest.mark.system
    def test_endpoint(candidate, holdout, endpoint):
        rows = holdout.head(5).select(candidate.artifact.signature.features)
        assert endpoint.infer(rows).label.tolist() == candidate.predict(rows).label.tolist()
        assert endpoint.invoke(rows).score.tolist() == candidate.predict(rows).score.tolist()
"""


@pytest.mark.slow
def test_fixtures_give_the_candidate_its_champion_its_rows_and_a_server(inner: pytest.Pytester, lab) -> None:
    workspace = lab.open()
    lab.register(workspace, lab.candidate(500, 500), production=True)
    lab.register(workspace, lab.candidate(600, 500))
    inner.makeini("[pytest]\naddopts = -p no:cacheprovider")
    write(inner, {"test_it.py": USES})
    (inner.path / "test_it.py").rename(workspace.root / "test_it.py")
    inner.runpytest(f"--rootdir={workspace.root}", str(workspace.root)).assert_outcomes(passed=3)
    assert set(suite.latest(workspace)) == {"model", "regression", "system"}
    result = inner.runpytest(
        f"--rootdir={workspace.root}", str(workspace.root), "--model", "m@production", "-k", "worse"
    )
    result.assert_outcomes(skipped=1, deselected=2)


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    heavy = ("polars", "numpy", "scipy", "sklearn", "sqlalchemy", "msgspec", "yaml")
    code = f"import sys, mainspring.testing.plugin; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
