"""Data of other repositories, as DVC's own ``get`` and ``import`` take it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from mainspring.base.errors import Conflict, NotFound, Refused
from mainspring.cli.main import app
from mainspring.store.workspace import Workspace
from mainspring.versioning import data, exchange, foreign
from tests.versioning.dvc.repository import STRANGE, Repository, states
from tests.versioning.remotes.scene import git

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


@pytest.fixture
def source(dvc: Path, tmp_path: Path) -> Repository:
    """Another repository, with data in two versions, and its remote."""
    made = Repository.make(dvc, tmp_path / "source")
    made.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    made.write({**STRANGE, "code/x.py": "print()\n"})
    made.dvc("add", "data")
    made.commit()
    git(made.root, "tag", "v1")
    made.write({"data/a.csv": "a\n2\n"})
    made.dvc("add", "data")
    made.commit()
    return made


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "mainspring.yaml").write_text("project: x\n")
    workspace = Workspace(tmp_path / "ours")
    yield workspace
    workspace.close()


def below(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in folder.rglob("*") if path.is_file()
    }


def test_get_takes_data_code_and_parts(source: Repository, tmp_path: Path) -> None:
    url = str(source.root)
    wanted = {name.removeprefix("data/"): text for name, text in STRANGE.items()}
    got = foreign.get(url, "data", tmp_path / "out" / "old", rev="v1")
    assert below(tmp_path / "out" / "old") == wanted
    assert got.commit == git(source.root, "rev-parse", "v1").strip()
    foreign.get(url, "data", tmp_path / "new")
    assert below(tmp_path / "new") == wanted | {"a.csv": "a\n2\n"}
    foreign.get(url, "data/sub", tmp_path / "part")
    assert below(tmp_path / "part") == {name[4:]: text for name, text in wanted.items() if name.startswith("sub/")}
    foreign.get(url, "data/a.csv", tmp_path / "file", rev="v1")
    assert (tmp_path / "file").read_text() == "a\n1\n"
    foreign.get(url, "code", tmp_path / "code")
    assert below(tmp_path / "code") == {"x.py": "print()\n"}
    assert not git(source.root, "status", "--porcelain")
    assert not (source.root / ".mainspring").exists()
    with pytest.raises(Conflict):
        foreign.get(url, "data", tmp_path / "new")
    for path, rev, said in (
        ("dta", None, "has no 'dta'"),
        ("data", "v9", "no revision 'v9'"),
        ("data/q", None, "data/q"),
    ):
        with pytest.raises(NotFound, match=said):
            foreign.get(url, path, tmp_path / "no", rev=rev)
    assert not (tmp_path / "no").exists()
    assert not list(tmp_path.glob(".mainspring-*"))


def test_an_import_is_one_to_dvc_too(source: Repository, repository: Repository, opened: Workspace) -> None:
    version = foreign.bring(opened, str(source.root), "data", repository.root / "in" / "data", rev="v1")
    repository.dvc("import", "--rev", "v1", str(source.root), "data", "-o", "theirs")
    mine, theirs = (yaml.safe_load((repository.root / name).read_text()) for name in ("in/data.dvc", "theirs.dvc"))
    assert mine["deps"] == theirs["deps"]
    assert mine["frozen"] is theirs["frozen"] is True
    assert [{**out, "path": ""} for out in mine["outs"]] == [{**out, "path": ""} for out in theirs["outs"]]
    assert (version.dataset, version.number, version.files) == ("in/data", 1, len(STRANGE))
    assert below(repository.root / "in/data") == below(repository.root / "theirs")
    assert "up to date" in repository.dvc("status")
    workspace = Workspace.open(repository.root)
    assert states(data.status(workspace)) == {"in/data": "up to date", "theirs": "up to date"}
    assert data.add(workspace, "in/data") == version
    assert yaml.safe_load((repository.root / "in/data.dvc").read_text()) == mine
    source.dvc("push")
    repository.dvc("update", "--rev", git(source.root, "rev-parse", "HEAD").strip(), "in/data.dvc")
    assert (repository.root / "in/data/a.csv").read_text() == "a\n2\n"
    workspace.close()


def test_an_import_follows_its_branch_and_loses_nothing(source: Repository, ours: Workspace) -> None:
    out = ours.root / "data"
    branch = git(source.root, "branch", "--show-current").strip()
    first = foreign.bring(ours, str(source.root), "data", out, rev=branch)
    source.write({"data/a.csv": "a\n3\n"})
    source.dvc("add", "data")
    source.commit()
    (out / "mine").write_text("not added")
    before = (ours.root / "data.dvc").read_bytes()
    with pytest.raises(Refused, match="would be lost"):
        foreign.bring(ours, str(source.root), "data", out, rev=branch)
    assert (ours.root / "data.dvc").read_bytes() == before
    (out / "mine").unlink()
    second = foreign.bring(ours, str(source.root), "data", out, rev=branch)
    assert (first.number, second.number) == (1, 2)
    assert (out / "a.csv").read_text() == "a\n3\n"
    assert data.checkout(ours, "data", 1).md5 == first.md5
    with pytest.raises(Conflict, match="did not come from there"):
        foreign.bring(ours, str(source.root), "code", out)


def test_what_is_only_on_the_remote_and_what_is_nowhere(source: Repository, ours: Workspace, tmp_path: Path) -> None:
    shutil.rmtree(source.root / ".dvc" / "cache")
    (tmp_path / "store").mkdir()
    with pytest.raises(NotFound):
        foreign.bring(ours, str(source.root), "data", ours.root / "data", rev="v1")
    assert not (ours.root / "data.dvc").exists()
    source.write(STRANGE)
    source.dvc("add", "data")
    source.dvc("push")
    shutil.rmtree(source.root / ".dvc" / "cache")
    foreign.bring(ours, f"file://{source.root}", "data/a.csv", ours.root / "a.csv", rev="v1")
    assert (ours.root / "a.csv").read_text() == "a\n1\n"
    foreign.get(str(source.root), "data/many", tmp_path / "many", rev="v1")
    assert len(below(tmp_path / "many")) == 20


def test_data_of_a_workspace_of_ours_by_the_commands(
    ours: Workspace, source: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "data").mkdir(parents=True)
    (theirs / "mainspring.yaml").write_text("project: y\ndatasets: {d: {path: data}}\n")
    (theirs / "data" / "x").write_text("1")
    git(tmp_path, "init", "-q", "theirs")
    workspace = Workspace(theirs)
    data.add(workspace, "d")
    workspace.close()
    git(theirs, "add", "-A", "mainspring.yaml", "data.dvc", ".gitignore")
    git(theirs, "commit", "-q", "-m", "x")
    runner = CliRunner()
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, ["data", "get", "theirs", "data", "-o", "got"])
    assert done.exit_code == 0, done.output
    assert below(tmp_path / "got") == {"x": "1"}
    monkeypatch.chdir(ours.root)
    done = runner.invoke(app, ["data", "import", str(theirs), "data/x", "--json"])
    assert done.exit_code == 0, done.output
    assert (ours.root / "x").read_text() == "1"


def test_passwords_are_not_written_down() -> None:
    assert foreign._shown("https://me:secret@example.org/x.git") == "https://example.org/x.git"


def test_a_repository_of_several_projects(tmp_path: Path) -> None:
    source = tmp_path / "all"
    for name in ("churn", "wine"):
        project = source / "projects" / name
        (project / "data").mkdir(parents=True)
        (project / "mainspring.yaml").write_text(f"project: {name}\nremotes: {{s: {{url: ../../../{name}-store}}}}\n")
        (project / "data" / "a.csv").write_text(name)
        workspace = Workspace(project)
        data.add(workspace, "data")
        assert [state.dataset for state in data.status(workspace)] == ["data"]
        if name == "wine":
            exchange.push(workspace)
            shutil.rmtree(workspace.objects.root)
        workspace.close()
    (source / "mainspring.yaml").write_text("project: all\n")
    git(source, "init", "-q")
    git(source, "add", ".")
    git(source, "commit", "-qm", "all")
    above = Workspace(source)
    assert not data.status(above)
    above.close()
    foreign.get(str(source), "projects/wine/data", tmp_path / "out")
    assert below(tmp_path / "out") == {"a.csv": "wine"}
    foreign.get(str(source), "projects/churn/data/a.csv", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "churn"


def test_what_may_be_executed_there_may_be_here(source: Repository, ours: Workspace, tmp_path: Path) -> None:
    source.write({"tools/run.sh": "r", "tools/plain": "p", "kept.sh": "k"})
    for name in ("tools/run.sh", "kept.sh"):
        (source.root / name).chmod(0o755)
    source.dvc("add", "kept.sh")
    source.commit()
    url = str(source.root)
    for path in ("tools", "tools/run.sh", "kept.sh"):
        foreign.get(url, path, tmp_path / "got" / path.replace("/", "-"))
    got = {path.relative_to(tmp_path / "got").as_posix(): mode(path) for path in (tmp_path / "got").rglob("*")}
    assert got == {"tools": 0o7, "tools/run.sh": 0o7, "tools/plain": 0o6, "tools-run.sh": 0o7, "kept.sh": 0o7}
    for path in ("tools/run.sh", "kept.sh"):
        out = ours.root / Path(path).name
        foreign.bring(ours, url, path, out)
        assert mode(out) == 0o7
        assert "isexec: true" in (ours.root / f"{out.name}.dvc").read_text()
        out.unlink()
        data.checkout(ours, out)
        assert mode(out) == 0o7


def mode(path: Path) -> int:
    """Return what the owner of a file may do."""
    return path.stat().st_mode >> 6 & 0o7
