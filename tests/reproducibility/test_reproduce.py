"""Runs made again, for real: in a fresh folder, in a process of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mainspring.base.errors import Corrupted, NotFound, Refused, UsageError
from mainspring.cli.main import hoist
from mainspring.cli.main import run as command
from mainspring.reproducibility.origins import imported_from
from mainspring.reproducibility.reproduce import latest, reproduce
from mainspring.store.workspace import Workspace
from mainspring.tracking.run import start_run
from mainspring.versioning import data, models, snapshot

pytestmark = pytest.mark.slow  # starts processes


def test_a_committed_project_with_changes_reaches_the_top(
    folder: Path, workspace: Workspace, run, commit, tmp_path: Path
) -> None:
    (folder / "words.py").write_text('FEATURES = ["b"]\n', encoding="utf-8")
    commit()
    (folder / "words.py").write_text('FEATURES = ["a", "b"]\n', encoding="utf-8")
    (folder / "notes.txt").write_text("new\n", encoding="utf-8")
    made = run(strength=0.5)
    (folder / "words.py").write_text('FEATURES = ["a"]\n', encoding="utf-8")
    (folder / "notes.txt").unlink()
    (folder / "data" / "rows.csv").write_text("a,b,y\n1,2,0\n", encoding="utf-8")
    commit()

    lines: list[str] = []
    found = reproduce(workspace, "small@1.0.0", to=tmp_path / "again", say=lines.append)
    assert (found.level, found.suspect, found.differences) == (4, None, [])
    assert found.environment.status == "same"
    assert found.run_id == made.run_id
    assert (tmp_path / "again" / "words.py").read_text(encoding="utf-8") == 'FEATURES = ["a", "b"]\n'
    assert (tmp_path / "again" / "notes.txt").is_file()
    assert any(line.startswith("code: commit") for line in lines)
    assert (folder / "words.py").read_text(encoding="utf-8") == 'FEATURES = ["a"]\n'
    proof = latest(workspace, "small", "1.0.0")
    assert proof is not None
    assert (proof.id, proof.level) == (found.id, 4)
    assert [version.version for version in models.versions(workspace, "small")] == ["1.0.0"]


def test_code_that_is_imported_from_a_folder_of_the_project_is_the_restored_one(
    folder: Path, workspace: Workspace, run, commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an editable install has it: the folder is on the path, wherever a process starts."""
    own = folder / "src" / "columns_of_ours.py"
    own.parent.mkdir()
    own.write_text('FEATURES = ["a", "b"]\n', encoding="utf-8")
    (folder / "words.py").write_text("from columns_of_ours import FEATURES\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(own.parent))
    monkeypatch.setattr("sys.meta_path", [*sys.meta_path, Finder()])
    monkeypatch.setitem(sys.modules, "finder_of_ours", SimpleNamespace(MAPPING={"x": str(folder / "other" / "x")}))
    commit()
    run()
    own.write_text('FEATURES = ["a"]\n', encoding="utf-8")
    assert {Path("src"), Path("other")} <= set(imported_from(folder))
    found = reproduce(workspace, "small@1.0.0")
    assert (found.level, found.suspect) == (4, None)


class Finder:
    """Imports nothing."""

    __module__ = "finder_of_ours"

    def find_spec(self, *_: object) -> None:
        return None


SCRIPT = """\
import sys
import time

import mainspring
import words

with mainspring.start_run() as run:
    run.log_metric("features", len(words.FEATURES) + float(sys.argv[1]))
    run.log_metric("total_seconds", time.time())
"""


def test_a_script_in_a_project_without_git_is_made_again_by_its_metrics(
    workspace: Workspace, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    taken = snapshot.take(workspace, argv=[str(folder / "train.py"), "0.5"])
    with start_run(workspace, name="by-hand", snapshot=taken) as run:
        run.log_metric("features", 2.5)
        run.log_metric("total_seconds", 3.0)
    (folder / "words.py").unlink()
    assert command(hoist(["--workspace", str(folder), "reproduce", "by-hand", "--json"])) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "code:" in printed.err
    assert (found["level"], found["run_id"], found["model"]) == (1, run.id, None)
    assert found["levels"][-1]["evidence"]["metrics"] == {
        "features": {"original": 2.5, "again": 2.5, "interval": None, "n": None}
    }
    assert Path(found["folder"]).is_relative_to(workspace.state / "reproductions")
    assert not (folder / "words.py").exists()


def test_chance_is_told_from_change(workspace: Workspace, folder: Path, run, unseeded: str) -> None:
    (folder / "flow.py").write_text(unseeded, encoding="utf-8")
    (folder / "mainspring.yaml").write_text(
        (folder / "mainspring.yaml").read_text(encoding="utf-8").replace(", parameters: {strength: 1.0}", ""),
        encoding="utf-8",
    )
    run()
    found = reproduce(workspace, "small@1.0.0")
    assert found.level < 3
    assert found.suspect is not None
    assert found.suspect.startswith("randomness: two new runs")


def test_a_run_that_no_longer_works_is_level_zero(
    workspace: Workspace, folder: Path, run, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = folder.parent / "outside.txt"
    marker.write_text("there", encoding="utf-8")
    code = (folder / "flow.py").read_text(encoding="utf-8")
    (folder / "flow.py").write_text(f"open({str(marker)!r}).close()\n{code}", encoding="utf-8")
    run()
    marker.unlink()
    assert command(hoist(["--workspace", str(folder), "reproduce", "small@1.0.0"])) == 1
    told = capsys.readouterr().out
    assert told.count("not comparable") == 4
    assert "small@1.0.0 reached level L0" in told
    assert "outside.txt" in told[told.index("suspect: ") :]
    proof = latest(workspace, "small", "1.0.0")
    assert proof is not None
    assert proof.level == 0


def test_lost_and_damaged_objects_are_errors(workspace: Workspace, run, tmp_path: Path) -> None:
    run()
    [version] = data.log(workspace, "rows")
    path = workspace.objects.path(version.md5)
    path.chmod(0o644)
    path.write_bytes(b"other")
    for error in (Corrupted, NotFound):  # the damaged object goes to quarantine, and then it is gone
        with pytest.raises(error, match=version.md5):
            reproduce(workspace, "small@1.0.0", to=tmp_path / "again")
        assert not (tmp_path / "again").exists()


def test_what_cannot_be_made_again_is_refused(
    workspace: Workspace, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="there is no run"):
        reproduce(workspace, "abcd1234")
    with start_run(workspace, snapshot=False) as bare:
        pass
    with pytest.raises(NotFound, match="no snapshot"):
        reproduce(workspace, bare.id)
    monkeypatch.setattr(sys, "argv", ["-c"])
    with start_run(workspace, snapshot=True) as interactive:
        pass
    with pytest.raises(Refused, match="cannot be started again"):
        reproduce(workspace, interactive.id)
    made = run()
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        reproduce(workspace, made.run_id or "", to=tmp_path / "again")
    assert (tmp_path / "again" / "file").read_text(encoding="utf-8") == "mine"
