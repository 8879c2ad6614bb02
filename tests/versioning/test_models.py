from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from versioning_samples import FEATURES, make_candidate, make_model, make_rows

from mainspring.base.errors import Conflict, Corrupted, InvalidData, NotFound, Refused, UsageError
from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.evidence import read_evidence
from mainspring.versioning.semver import Version, parse_version

HERE = Path(__file__).parent


def test_register_resolve_load_predict(workspace: Workspace, candidate: Candidate) -> None:
    first = models.register(workspace, "late-flights", candidate, run_id="a" * 32)
    assert (first.version, first.stage, first.run_id) == ("1.0.0", "development", "a" * 32)
    assert set(first.metrics["accuracy"]) == {"value", "low", "high", "n", "method"}
    assert models.resolve(workspace, "late-flights@1.0.0") == first
    assert models.resolve(workspace, "late-flights@v1.0.0") == first
    assert models.resolve(workspace, "late-flights@development") == first
    artifact = models.load(workspace, first)
    assert artifact.predict(candidate.holdout.select(FEATURES)).score.shape == (200,)


def test_versions_count_up(workspace: Workspace, candidate: Candidate) -> None:
    assert models.register(workspace, "m", candidate).version == "1.0.0"
    assert models.register(workspace, "m", make_candidate(seed=1)).version == "1.1.0"
    assert models.register(workspace, "m", candidate, bump="patch").version == "1.1.1"
    fewer = make_rows().select("delay", "late").with_columns(pl.col("delay").fill_null(0))
    from sklearn.linear_model import LogisticRegression

    smaller = Candidate(
        model=LogisticRegression().fit(fewer.select("delay"), fewer["late"]),
        train=fewer,
        holdout=fewer,
        features=["delay"],
        target="late",
    )
    assert models.register(workspace, "m", smaller).version == "2.0.0"
    assert models.register(workspace, "m", smaller, version="10.0.0").version == "10.0.0"
    assert models.register(workspace, "m", smaller, bump="minor").version == "10.1.0"
    assert [item.version for item in models.versions(workspace, "m")][-3:] == ["2.0.0", "10.0.0", "10.1.0"]
    assert models.resolve(workspace, "m").version == "10.1.0"
    with pytest.raises(Conflict, match=r"m@10\.0\.0 exists already"):
        models.register(workspace, "m", candidate, version="10.0.0")


def test_a_retry_of_the_same_run_changes_nothing(workspace: Workspace, candidate: Candidate) -> None:
    first = models.register(workspace, "m", candidate, run_id="b" * 32)
    assert models.register(workspace, "m", candidate, run_id="b" * 32) == first
    assert len(models.history(workspace, "m")) == 1


def test_the_same_bytes_are_the_same_version_whoever_made_them(workspace: Workspace, candidate: Candidate) -> None:
    first = models.register(workspace, "m", candidate, run_id="b" * 32)
    assert models.register(workspace, "m", candidate, run_id="c" * 32) == first
    assert models.register(workspace, "m", candidate) == first
    models.transition(workspace, "m", "1.0.0", "production", reason="good")
    assert models.register(workspace, "m", candidate).stage == "production"
    assert len(models.versions(workspace)) == 1
    assert models.register(workspace, "other", candidate).version == "1.0.0"
    assert models.register(workspace, "m", replace(candidate, metrics={"cost": 1.0})).version == "1.1.0"


def test_what_was_archived_may_come_again_under_a_new_number(workspace: Workspace, candidate: Candidate) -> None:
    models.register(workspace, "m", candidate, run_id="b" * 32)
    models.transition(workspace, "m", "1.0.0", "archived", reason="old")
    again = models.register(workspace, "m", candidate, run_id="c" * 32)
    assert (again.version, again.stage) == ("1.1.0", "development")
    assert models.history(workspace, "m")[-1].reason.startswith("registered; the bytes are those of 1.0.0 (archived)")
    assert models.register(workspace, "m", candidate, run_id="d" * 32) == again


def test_a_number_that_is_asked_for_is_given_once(workspace: Workspace, candidate: Candidate) -> None:
    models.register(workspace, "m", candidate)
    asked = models.register(workspace, "m", candidate, version="2.0.0")
    assert asked.version == "2.0.0"
    assert models.register(workspace, "m", candidate, version="2.0.0") == asked
    assert models.register(workspace, "m", candidate, version="v1.0.0").version == "1.0.0"
    assert [item.version for item in models.versions(workspace)] == ["1.0.0", "2.0.0"]


@pytest.mark.slow
def test_two_processes_that_register_the_same_make_one_version(workspace: Workspace) -> None:
    workspace.close()
    racers = [
        subprocess.Popen(
            [sys.executable, str(HERE / "race_register.py"), str(workspace.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
        )
        for _ in range(2)
    ]
    for model in ("next", "numbered"):
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(f"{model}\n")
            racer.stdin.flush()
        told = [json.loads(racer.stdout.readline()) for racer in racers if racer.stdout is not None]
        versions = [item.version for item in models.versions(workspace, model)]
        assert len(versions) == 5
        assert told[0]["versions"] == told[1]["versions"]
        assert sorted(told[0]["versions"]) == versions
        assert len(models.history(workspace, model)) == 5
        assert all(one != other for one, other in zip(told[0]["existing"], told[1]["existing"], strict=True))
    for racer in racers:
        racer.communicate(timeout=60)
    assert [racer.returncode for racer in racers] == [0, 0]


def test_evidence(workspace: Workspace, candidate: Candidate) -> None:
    version = models.register(workspace, "m", replace(candidate, metrics={"cost": 1.5}))
    evidence = read_evidence(workspace, version)
    assert evidence.train.equals(candidate.train)
    assert evidence.holdout.equals(candidate.holdout)
    assert evidence.meta.metrics == {"cost": 1.5}
    assert version.metrics["cost"] == 1.5
    predicted = models.load(workspace, version).predict(candidate.holdout.select(FEATURES))
    assert evidence.scores.score.tolist() == predicted.score.tolist()
    assert evidence.holdout_md5 == read_evidence(workspace, models.register(workspace, "m", candidate)).holdout_md5


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-a", "a" * 201, "a b", "a@b"])
def test_names_that_are_none(name: str, workspace: Workspace, candidate: Candidate) -> None:
    with pytest.raises(UsageError):
        models.register(workspace, name, candidate)


@pytest.mark.parametrize("text", ["1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "", "1.2.3-rc1"])
def test_versions_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_version(text)


def test_semantic_versions_compare_as_numbers() -> None:
    assert parse_version("v1.10.0") > parse_version("1.9.9")
    assert Version(1, 2, 3).next("major") == Version(2, 0, 0)


def test_what_is_not_there(workspace: Workspace, candidate: Candidate) -> None:
    models.register(workspace, "flights", candidate)
    with pytest.raises(NotFound, match="no model 'flight'") as caught:
        models.resolve(workspace, "flight@1.0.0")
    assert caught.value.hint == "did you mean 'flights'?"
    with pytest.raises(NotFound, match=r"'flights' has no version '1\.0\.1'"):
        models.resolve(workspace, "flights@1.0.1")
    with pytest.raises(NotFound, match="no version of 'flights' is in production"):
        models.resolve(workspace, "flights@production")
    with pytest.raises(NotFound):
        models.history(workspace, "nothing")
    assert models.champion(workspace, "flights") is None


def test_one_version_in_production_and_a_full_history(workspace: Workspace, candidate: Candidate) -> None:
    models.register(workspace, "m", candidate)
    models.register(workspace, "m", make_candidate(seed=1))
    models.transition(workspace, "m", "1.0.0", "staging", reason="try", actor="ada")
    models.transition(workspace, "m", "1.0.0", "production", reason="good", evidence={"gate": "g"})
    models.transition(workspace, "m", "1.1.0", "production", reason="better", demote_to="staging")
    assert models.champion(workspace, "m") == models.resolve(workspace, "m@1.1.0")
    assert models.resolve(workspace, "m@1.0.0").stage == "staging"
    told = [(item.version, item.from_stage, item.to_stage, item.reason) for item in models.history(workspace, "m")]
    assert told[2:] == [
        ("1.0.0", "development", "staging", "try"),
        ("1.0.0", "staging", "production", "good"),
        ("1.0.0", "production", "staging", "1.1.0 took its place in production"),
        ("1.1.0", "development", "production", "better"),
    ]
    assert models.history(workspace, "m")[2].actor == "ada"
    assert models.history(workspace, "m")[3].evidence == {"gate": "g"}


def test_nonsense_moves(workspace: Workspace, candidate: Candidate) -> None:
    models.register(workspace, "m", candidate)
    with pytest.raises(UsageError, match="no stage 'prod'"):
        models.transition(workspace, "m", "1.0.0", "prod", reason="x")
    with pytest.raises(UsageError, match="needs a reason"):
        models.transition(workspace, "m", "1.0.0", "staging", reason=" ")
    with pytest.raises(NotFound):
        models.transition(workspace, "m", "3.0.0", "staging", reason="x")
    with pytest.raises(Conflict, match="already in development"):
        models.transition(workspace, "m", "1.0.0", "development", reason="x")
    models.transition(workspace, "m", "1.0.0", "production", reason="x")
    with pytest.raises(Conflict, match="cannot go to development"):
        models.transition(workspace, "m", "1.0.0", "development", reason="x")


@pytest.mark.slow
def test_racing_processes_leave_exactly_one_production_version(workspace: Workspace) -> None:
    for seed in range(3):
        models.register(workspace, "m", make_candidate(seed=seed))
    orders = (["1.0.0", "1.1.0", "1.2.0"], ["1.1.0", "1.2.0", "1.0.0"], ["1.2.0", "1.0.0", "1.1.0"])
    racers = [
        subprocess.Popen(
            [sys.executable, str(HERE / "race_production.py"), str(workspace.root), *order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for order in orders
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate(timeout=60)
        assert racer.returncode == 0
    stages = [item.stage for item in models.versions(workspace, "m")]
    assert sorted(stages) == ["archived", "archived", "production"]
    replayed: dict[str, str | None] = {}
    for item in models.history(workspace, "m"):
        assert replayed.get(item.version) == item.from_stage
        replayed[item.version] = item.to_stage
        assert list(replayed.values()).count("production") <= 1
    assert [replayed[f"1.{minor}.0"] for minor in range(3)] == stages


def test_racing_registrations_all_get_a_version(workspace: Workspace, candidate: Candidate) -> None:
    from concurrent.futures import ThreadPoolExecutor

    models.register(workspace, "m", candidate)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: models.register(workspace, "m", candidate, bump="minor").version, range(4)))
    assert sorted(found) == ["1.1.0", "1.2.0", "1.3.0", "1.4.0"]


@pytest.mark.slow
def test_kill_at_any_write_leaves_no_row_without_its_objects(workspace: Workspace) -> None:
    workspace.close()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_register.py"), str(workspace.root)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) > 5
    for before, after in pairwise(told):
        assert after["versions"] >= before["versions"]
    for moment in told:
        assert moment["missing"] == []
        assert moment["versions"] == moment["transitions"]
        assert moment["code"] in (0, -9)
    assert told[-1]["code"] == 0
    newest = models.resolve(workspace, "m")
    assert models.load(workspace, newest).probe()
    assert list(workspace.objects.verify()) == []


def test_a_folder_that_somebody_else_made_meanwhile_stays_where_it_is(
    workspace: Workspace, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They read it by now: not even for a moment may it be gone."""
    version = models.register(workspace, "m", candidate)
    other = Workspace(workspace.root)
    restore = workspace.objects.restore
    made: set[int] = set()

    def slowly(address: str, target: Path, *, mode: int) -> None:
        restore(address, target, mode=mode)
        made.add(models.materialise(other, version).stat().st_ino)

    monkeypatch.setattr(workspace.objects, "restore", slowly)
    assert {models.materialise(workspace, version).stat().st_ino} == made
    assert [path.name for path in (workspace.state / "models").iterdir() if not path.name.endswith(".lock")] == [
        version.artifact
    ]
    other.close()


def test_the_materialised_folder_is_checked_and_made_again(workspace: Workspace, candidate: Candidate) -> None:
    version = models.register(workspace, "m", candidate)
    folder = models.materialise(workspace, version)
    before = folder.stat().st_ino
    assert models.materialise(workspace, version).stat().st_ino == before
    model = folder / "model.skops"
    assert not model.stat().st_mode & 0o222
    model.chmod(0o644)
    model.write_bytes(b"damaged")
    assert models.materialise(workspace, version).stat().st_ino != before
    assert models.load(workspace, version).predict(candidate.holdout.select(FEATURES)).label.size == 200
    assert not list(folder.parent.glob(".*tmp"))
    with pytest.raises(Refused):
        models.materialise_address(workspace, "../../etc")


def test_a_damaged_object_is_never_served(workspace: Workspace, candidate: Candidate) -> None:
    version = models.register(workspace, "m", candidate)
    largest = max(workspace.objects.listing(version.artifact), key=lambda entry: entry.relpath == "model.skops")
    path = workspace.objects.path(largest.md5)
    path.chmod(0o644)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(Corrupted):
        models.load(workspace, version)
    with pytest.raises(NotFound, match="not in the store"):
        models.load(workspace, version)
    assert models.register(workspace, "m", candidate).artifact == version.artifact
    assert models.load(workspace, version)


def test_project_code_travels_with_the_model(workspace: Workspace, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.root / "mainspring.yaml").write_text(f"project: x\nmodel: {{name: m, trust_pickle: true}}\n{state}")
    (workspace.root / "shift_by.py").write_text("AMOUNT = 1.0\n")
    (workspace.root / "own_model.py").write_text(
        "import numpy as np\nfrom shift_by import AMOUNT\n\n\nclass Shift:\n    def fit(self):\n        return self\n\n"
        "    def predict(self, rows):\n        return rows['delay'].to_numpy() + AMOUNT\n"
    )
    monkeypatch.syspath_prepend(str(workspace.root))
    import own_model  # type: ignore[import-not-found]

    rows = make_rows().with_columns(pl.col("delay").fill_null(0.0), target=pl.col("delay").fill_null(0.0) * 2)
    given = Candidate(model=own_model.Shift(), train=rows, holdout=rows, features=["delay"], target="target")
    version = models.register(workspace, "m", given)
    names = {entry.relpath for entry in workspace.objects.listing(version.artifact)}
    assert {"code/own_model.py", "code/shift_by.py"} <= names
    (workspace.root / "shift_by.py").write_text("AMOUNT = 5.0\n")
    loaded = models.load(workspace, version)
    assert loaded.predict(rows.select("delay")).score[0] == rows["delay"][0] + 1.0
    assert sys.modules["own_model"] is own_model
    for name in ("own_model", "shift_by"):
        sys.modules.pop(name)


@pytest.mark.slow
def test_models_of_the_started_program_are_refused(workspace: Workspace, state: str) -> None:
    (workspace.root / "mainspring.yaml").write_text(f"project: x\nmodel: {{name: m, trust_pickle: true}}\n{state}")
    code = (
        "import sys\nfrom pathlib import Path\nimport polars as pl\n"
        "from mainspring.store.workspace import Workspace\nfrom mainspring.versioning import models\n"
        "from mainspring.versioning.candidate import Candidate\nfrom mainspring.base.errors import Refused\n"
        "class Own:\n    def predict(self, rows):\n        return rows['x'].to_numpy()\n"
        "rows = pl.DataFrame({'x': [1.0, 2.0, 3.0], 'y': [1.0, 2.0, 3.5]})\n"
        "given = Candidate(model=Own(), train=rows, holdout=rows, features=['x'], target='y')\n"
        "try:\n    models.register(Workspace(Path(sys.argv[1])), 'm', given)\n"
        "except Refused as error:\n    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(workspace.root)], check=True, capture_output=True, text=True)
    assert "'Own', which is defined in the program that was started" in done.stdout


def test_a_failing_model_registers_nothing(workspace: Workspace) -> None:
    given = make_candidate()
    wrong = Candidate(
        model=make_model(given.train), train=given.train, holdout=given.holdout, features=["delay"], target="late"
    )
    with pytest.raises(InvalidData):
        models.register(workspace, "m", wrong)
    assert models.versions(workspace) == []
    assert not list((workspace.state / "scratch").iterdir())
