"""Models that leave as folders and are taken in elsewhere."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from versioning_samples import FEATURES, make_candidate, make_rows

from mainspring.automation.execute import execute
from mainspring.base.errors import Conflict, Corrupted, InvalidData, NotFound, Refused
from mainspring.cli.main import run as command_line
from mainspring.store.workspace import Workspace
from mainspring.versioning import arrival, models
from mainspring.versioning.arrival import receive
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.data import add
from mainspring.versioning.export import export, sum_line
from mainspring.versioning.labels import create_model, describe_version
from mainspring.versioning.lineage import find, walk
from mainspring.versioning.registration import Arrival, Registered, record_arrivals, record_files
from mainspring.versioning.removal import delete_version

pytestmark = pytest.mark.slow  # real repositories, runs and packages


@pytest.fixture
def elsewhere(tmp_path: Path) -> Workspace:
    root = tmp_path / "elsewhere"
    root.mkdir()
    (root / "mainspring.yaml").write_text("project: elsewhere\n")
    return Workspace(root)


class Guess(ClassifierMixin, BaseEstimator):
    """A model that only a pickle holds."""

    def fit(self, rows: object, truth: np.ndarray) -> Guess:
        self.classes_ = np.unique(truth)
        return self

    def predict_proba(self, rows: object) -> np.ndarray:
        return np.tile([0.25, 0.75], (len(rows), 1))  # type: ignore[arg-type]  # rows of any kind have a length

    def predict(self, rows: object) -> np.ndarray:
        return np.repeat(self.classes_[1], len(rows))  # type: ignore[arg-type]  # rows of any kind have a length


def test_a_model_leaves_and_arrives_whole(project: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    made = execute(project, progress=False)
    models.transition(project, "small", "1.0.0", "staging", reason="good")
    [folder] = export(project, "small", tmp_path / "out")
    assert folder == tmp_path / "out" / "models" / "small" / "v1.0.0"
    assert {path.name for path in folder.iterdir()} == {
        "MODEL_CARD.md",
        "SHA256SUMS",
        "manifest.json",
        "model",
        "signature.json",
    }
    done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=False)
    assert done.returncode == 0
    card = (folder / "MODEL_CARD.md").read_text()
    held = models.resolve(project, "small")
    for metric, value in held.metrics.items():
        assert f"| {metric} | {value['value']:.6g} |" in card
    assert f"- run: {made.run_id}" in card
    [(version, existing)] = receive(elsewhere, tmp_path / "out")
    assert (version.reference, version.stage, existing) == ("small@1.0.0", "development", False)
    assert (version.artifact, version.metrics) == (held.artifact, held.metrics)
    rows, scores = models.load(elsewhere, version).probe()
    assert np.array_equal(models.load(elsewhere, version).predict(rows).score, scores.score)
    [first] = models.history(elsewhere, "small")
    assert first.reason.startswith("imported from an export of project 'small'")
    assert first.evidence["imported"]["run"] == made.run_id
    assert [move["to"] for move in first.evidence["imported"]["history"]] == ["development", "staging"]
    graph = walk(elsewhere, find(elsewhere, "small@1"))
    assert [node.state for node in graph.of("dataset")] == ["not here"]
    assert graph.of("import")[0].facts["commit"] == first.evidence["imported"]["commit"]
    assert receive(elsewhere, folder)[0].existing
    again = export(elsewhere, "small@1.0.0", tmp_path / "second")
    assert json.loads((again[0] / "manifest.json").read_text())["origin"]["before"]["run"] == made.run_id
    with pytest.raises(Conflict, match="is there already"):
        export(project, "small", tmp_path / "out")


def test_data_leads_to_models_that_were_made_of_it_elsewhere(project: Workspace, tmp_path: Path) -> None:
    execute(project, progress=False)
    export(project, "small", tmp_path / "out")
    root = tmp_path / "same data"
    (root / "data").mkdir(parents=True)
    (root / "mainspring.yaml").write_text("project: elsewhere\ndatasets: {rows: {path: data/rows.csv}}\n")
    shutil.copyfile(project.root / "data" / "rows.csv", root / "data" / "rows.csv")
    other = Workspace(root)
    add(other, "rows")
    receive(other, tmp_path / "out")
    graph = walk(other, find(other, "rows@1"), up=False)
    assert [node.label for node in graph.of("model")] == ["small@1.0.0"]
    assert graph.of("import")[0].label.startswith("project small, run ")


def test_rows_travel_only_when_asked(project: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    execute(project, progress=False)
    [folder] = export(project, "small@1.0.0", tmp_path / "out", with_rows=True)
    assert (folder / "evidence" / "train.parquet").is_file()
    [(version, _)] = receive(elsewhere, folder)
    assert version.evidence == models.resolve(project, "small").evidence


def _flip(folder: Path) -> None:
    path = next((folder / "model").glob("model.*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def _more(folder: Path) -> None:
    (folder / "model" / "extra.py").write_text("print('hello')\n")


def _fewer(folder: Path) -> None:
    (folder / "model" / "probe.parquet").unlink()


def _sums(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text("")


def _link(folder: Path) -> None:
    (folder / "MODEL_CARD.md").unlink()
    (folder / "MODEL_CARD.md").symlink_to("/etc/hostname")


def _linked_folder(folder: Path) -> None:
    (folder / "model").rename(folder.parent / "aside")
    (folder / "model").symlink_to(folder.parent / "aside")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "model" / "pipe")


def _said(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def consistent(folder: Path) -> None:
    """Make the sums say what the manifest says, as who means harm would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    sums = [(file["path"], file["sha256"]) for file in manifest["files"]]
    sums.append(("manifest.json", hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()))
    (folder / "SHA256SUMS").write_text("".join(sum_line(*one) for one in sorted(sums)))


def _claimed(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        _said(**changes)(folder)
        consistent(folder)

    return change


def _data_claimed(*data: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        origin = json.loads((folder / "manifest.json").read_text())["origin"]
        _claimed(origin=origin | {"data": data})(folder)

    return change


def _other_signature(folder: Path) -> None:
    data = b'{"inputs": []}'
    (folder / "signature.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    [said] = [file for file in manifest["files"] if file["path"] == "signature.json"]
    said |= {"size": len(data), "md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    _claimed(files=manifest["files"])(folder)


def _no_signature(folder: Path) -> None:
    (folder / "signature.json").unlink()
    files = json.loads((folder / "manifest.json").read_text())["files"]
    _claimed(files=[file for file in files if file["path"] != "signature.json"])(folder)


def _deep(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 100_000)


def _piped(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")


def _grown(folder: Path) -> None:
    with (folder / "MODEL_CARD.md").open("r+") as file:
        file.truncate(1 << 40)


def _climbing(path: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"].append({"path": path, "size": 1, "md5": "0" * 32, "sha256": "0" * 64})
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return change


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (_flip, Corrupted, "differs from what manifest.json says"),
        (_more, Corrupted, "disagree about model/extra.py"),
        (_fewer, Corrupted, "disagree about model/probe.parquet"),
        (_sums, Corrupted, "SHA256SUMS and manifest.json disagree"),
        (_link, InvalidData, "is no regular file"),
        (_linked_folder, InvalidData, "is no regular file"),
        (_pipe, InvalidData, "is no regular file"),
        (_said(model="../../x"), InvalidData, "Invalid model name"),
        (_said(version="1.0"), Exception, "is no version"),
        (_said(version="1.0.1"), Corrupted, "SHA256SUMS and manifest.json disagree"),
        (_said(format_version=9), InvalidData, "format version 9"),
        (_said(files=3), Corrupted, "cannot be read"),
        (_climbing("model/../../x"), InvalidData, "where no export has a file"),
        (_climbing("/etc/passwd"), InvalidData, "where no export has a file"),
        (_climbing("elsewhere/x"), InvalidData, "where no export has a file"),
        (_deep, Corrupted, "recursion"),
        (_grown, Corrupted, r"has more than the \d+ bytes"),
        (_claimed(metrics={"auc": "high"}), Corrupted, "of metrics or data"),
        (_claimed(metrics={"auc": {"value": 1, "low": [1]}}), Corrupted, "of metrics or data"),
        (_claimed(description="x" * 200_000), InvalidData, "100000 is the most"),
        (_data_claimed({}), Corrupted, "missing required field `dataset`"),
        (_data_claimed({"dataset": "d", "number": 1, "md5": ["x"]}), Corrupted, "of metrics or data"),
        (_other_signature, Corrupted, r"signature\.json is not that of the model"),
        (_no_signature, Corrupted, r"signature\.json is not that of the model"),
    ],
)
def test_what_was_tampered_with_is_not_taken(
    workspace: Workspace,
    candidate: Candidate,
    elsewhere: Workspace,
    tmp_path: Path,
    damage: Callable[[Path], None],
    error: type[Exception],
    said: str,
) -> None:
    models.register(workspace, "m", candidate)
    [folder] = export(workspace, "m@1.0.0", tmp_path / "out")
    damage(folder)
    with pytest.raises(error, match=said):
        receive(elsewhere, folder)
    assert models.names(elsewhere) == []
    assert list((elsewhere.state / "scratch").iterdir()) == []


def test_a_pipe_is_not_waited_for(
    workspace: Workspace, candidate: Candidate, elsewhere: Workspace, tmp_path: Path
) -> None:
    models.register(workspace, "m", candidate)
    [folder] = export(workspace, "m@1.0.0", tmp_path / "out")
    _piped(folder)
    with pytest.raises(InvalidData, match="is no regular file"):
        receive(elsewhere, tmp_path / "out")


def test_the_manifest_that_was_read_is_the_one_that_is_checked(
    workspace: Workspace, candidate: Candidate, elsewhere: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may write into the folder meanwhile puts the right one in its place after it was read."""
    models.register(workspace, "m", candidate)
    [folder] = export(workspace, "m@1.0.0", tmp_path / "out")
    right = (folder / "manifest.json").read_bytes()
    _said(model="other")(folder)
    check_tree = arrival._check_tree

    def meanwhile(*given: object) -> None:
        (folder / "manifest.json").write_bytes(right)
        check_tree(*given)

    monkeypatch.setattr(arrival, "_check_tree", meanwhile)
    with pytest.raises(Corrupted, match=r"SHA256SUMS and manifest\.json disagree"):
        receive(elsewhere, folder)


def test_metrics_that_are_not_defined_and_descriptions_travel(
    workspace: Workspace, elsewhere: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models.register(workspace, "m", dataclasses.replace(make_candidate(), metrics={"undefined": float("nan")}))
    describe_version(workspace, "m", "1.0.0", "What it is for")
    export(workspace, "m", tmp_path / "out")
    [(version, _)] = receive(elsewhere, tmp_path / "out")
    assert (version.description, version.metrics["undefined"]) == ("What it is for", None)
    assert command_line(["--workspace", str(elsewhere.root), "models", "show", "m"]) == 0
    assert re.search(r"undefined +\?\n", capsys.readouterr().out)


def pickled(workspace: Workspace, name: str, version: str) -> Workspace:
    """Register a model that is a pickle; return the workspace with settings that trust it."""
    with (workspace.root / "mainspring.yaml").open("a") as settings:
        settings.write(f"model: {{name: {name}, trust_pickle: true}}\n")
    rows = make_rows()
    guess = Guess().fit(rows, rows["late"].to_numpy())
    candidate = Candidate(model=guess, train=rows[:400], holdout=rows[400:], features=FEATURES, target="late")
    trusting = Workspace(workspace.root)
    models.register(trusting, name, candidate, version=version)
    return trusting


def test_pickles_need_trust_where_they_arrive(workspace: Workspace, elsewhere: Workspace, tmp_path: Path) -> None:
    trusting = pickled(workspace, "m", "1.0.0")
    [folder] = export(trusting, "m@1.0.0", tmp_path / "out")
    with pytest.raises(Refused):
        receive(elsewhere, folder)
    assert models.names(elsewhere) == []
    [(version, _)] = receive(elsewhere, folder, trust_pickle=True)
    assert models.load(elsewhere, version).manifest.format == "joblib"


def test_other_bytes_under_the_same_number(
    workspace: Workspace, candidate: Candidate, elsewhere: Workspace, tmp_path: Path
) -> None:
    models.register(workspace, "m", candidate)
    export(workspace, "m", tmp_path / "out")
    models.register(elsewhere, "m", make_candidate(seed=5))
    with pytest.raises(Conflict, match="is here already, with other bytes"):
        receive(elsewhere, tmp_path / "out")
    with pytest.raises(NotFound, match="no exported model"):
        receive(elsewhere, tmp_path)


def test_a_version_that_held_nothing_gets_what_arrives(
    workspace: Workspace, candidate: Candidate, elsewhere: Workspace, tmp_path: Path
) -> None:
    models.register(workspace, "m", candidate)
    export(workspace, "m", tmp_path / "out")
    create_model(elsewhere, "m")
    empty = record_files(elsewhere, "m", [], source="git tag m@v1.0.0", version="1.0.0")
    [arrived] = receive(elsewhere, tmp_path / "out")
    assert (arrived.version.version, arrived.existing) == ("1.0.0", False)
    held = models.resolve(elsewhere, "m@1.0.0")
    assert (held.id, held.artifact) == (empty.id, models.resolve(workspace, "m@1.0.0").artifact)
    assert held.metrics
    assert models.history(elsewhere, "m")[-1].reason.startswith("imported from")
    assert receive(elsewhere, tmp_path / "out")[0].existing
    models.register(elsewhere, "m", make_candidate(seed=5), version="1.1.0")


@pytest.fixture
def two(workspace: Workspace, candidate: Candidate, tmp_path: Path) -> Path:
    """An export of m@1.9.0 and m@1.10.0."""
    models.register(workspace, "m", candidate, version="1.9.0")
    models.register(workspace, "m", make_candidate(seed=5), version="1.10.0")
    export(workspace, "m", tmp_path / "out")
    return tmp_path / "out"


def _other_bytes(there: Workspace, version: str) -> None:
    models.register(there, "m", make_candidate(seed=6), version=version)


def _deleted(there: Workspace, version: str) -> None:
    _other_bytes(there, version)
    delete_version(there, "m", version)


@pytest.mark.parametrize("version", ["1.9.0", "1.10.0"])
@pytest.mark.parametrize(
    ("before", "said"),
    [(_other_bytes, "is here already, with other bytes"), (_deleted, "was deleted, and never comes back")],
)
def test_versions_of_which_one_cannot_come(
    two: Path, elsewhere: Workspace, before: Callable[[Workspace, str], None], version: str, said: str
) -> None:
    before(elsewhere, version)
    held = models.versions(elsewhere)
    with pytest.raises(Conflict, match=f"m@{version} {said}"):
        receive(elsewhere, two)
    assert models.versions(elsewhere) == held


@pytest.mark.parametrize("version", ["1.9.0", "1.10.0"])
def test_versions_of_which_one_is_not_trusted(
    two: Path, workspace: Workspace, elsewhere: Workspace, version: str
) -> None:
    pickled(workspace, "pickle", version)
    export(workspace, f"pickle@{version}", two)
    with pytest.raises(Refused):
        receive(elsewhere, two)
    assert models.names(elsewhere) == []
    [*_, last] = receive(elsewhere, two, trust_pickle=True)
    assert last.version.reference == f"pickle@{version}"


@pytest.mark.parametrize("version", ["1.9.0", "1.10.0"])
def test_a_version_that_comes_from_somebody_else_meanwhile(
    two: Path, elsewhere: Workspace, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    def overtaken(workspace: Workspace, arrivals: list[Arrival]) -> list[Registered]:
        _other_bytes(elsewhere, version)
        return record_arrivals(workspace, arrivals)

    monkeypatch.setattr(arrival, "record_arrivals", overtaken)
    with pytest.raises(Conflict, match=f"m@{version} exists already"):
        receive(elsewhere, two)
    assert [held.version for held in models.versions(elsewhere)] == [version]


def test_versions_come_in_their_order_and_again(two: Path, elsewhere: Workspace) -> None:
    receive(elsewhere, two / "models" / "m" / "v1.9.0")
    found = receive(elsewhere, two)
    assert [(one.version.version, one.version.number, one.existing) for one in found] == [
        ("1.9.0", 1, True),
        ("1.10.0", 2, False),
    ]


def test_the_commands(workspace: Workspace, candidate: Candidate, elsewhere: Workspace, tmp_path: Path) -> None:
    models.register(workspace, "m", candidate)
    out = tmp_path / "o"
    assert command_line(["--workspace", str(workspace.root), "models", "export", "m", str(out)]) == 0
    assert command_line(["--workspace", str(elsewhere.root), "models", "import", str(out / "models" / "m")]) == 0
    assert models.resolve(elsewhere, "m").version == "1.0.0"
    shutil.rmtree(out)
