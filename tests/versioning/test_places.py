"""What may be a dataset, and what is another one's, git's, or elsewhere."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from folders import write
from small_project import git

from mainspring.base.errors import Conflict, InvalidData, UsageError
from mainspring.store.workspace import Workspace
from mainspring.versioning import data

if TYPE_CHECKING:
    from pathlib import Path


def test_a_dataset_in_another_one_is_refused(workspace: Workspace) -> None:
    write(workspace, {"data/d/a": "1", "data/d/sub/b": "2"})
    data.add(workspace, workspace.root / "data/d")
    with pytest.raises(Conflict, match="data/d, which is a dataset already") as refused:
        data.add(workspace, workspace.root / "data/d/sub")
    assert refused.value.hint == "add that one: mainspring data add data/d"
    with pytest.raises(Conflict, match=r"holds .*data/d, which is a dataset already"):
        data.add(workspace, workspace.root / "data")
    assert {item.dataset: item.state for item in data.status(workspace)} == {"d": "up to date"}
    assert not (workspace.root / ".gitignore").exists()
    (workspace.root / "data/d.dvc").unlink()
    assert data.add(workspace, workspace.root / "data").files == 3


def test_datasets_that_overlap_already_go_on(workspace: Workspace) -> None:
    write(workspace, {"data/d/a": "1"})
    inner = data.add(workspace, workspace.root / "data/d")
    pointer = (workspace.root / "data/d.dvc").read_bytes()
    (workspace.root / "data/d.dvc").unlink()
    data.add(workspace, workspace.root / "data")
    (workspace.root / "data/d.dvc").write_bytes(pointer)
    assert data.add(workspace, workspace.root / "data").number == 2
    assert data.add(workspace, workspace.root / "data/d") == inner


def test_what_git_tracks_is_refused_unless_the_settings_declare_it(workspace: Workspace) -> None:
    write(workspace, {"features.py": "x = 1\n", "data/rows.csv": "a\n1\n", "data/new.csv": "a\n2\n"})
    with workspace.settings_file.open("a") as settings:
        settings.write("datasets: {rows: {path: data/rows.csv}}\n")
    git(workspace.root, "init", "--quiet")
    git(workspace.root, "add", "features.py", "data/rows.csv")
    opened = Workspace(workspace.root)
    for name in ("features.py", "data"):
        with pytest.raises(Conflict, match="is in git already") as refused:
            data.add(opened, opened.root / name)
        assert f"git rm -r --cached {name}" in str(refused.value.hint)
        assert not (opened.root / f"{name}.dvc").exists()
    assert data.add(opened, "rows").number == 1
    assert data.add(opened, opened.root / "data/new.csv").number == 1
    git(opened.root, "rm", "-r", "--cached", "--quiet", "features.py")
    assert data.add(opened, opened.root / "features.py").number == 1
    opened.close()


def test_what_is_no_data_by_its_name_or_its_place(workspace: Workspace) -> None:
    git(workspace.root, "init", "--quiet")
    for name, said in (
        (".git", "is never data"),
        (".git/HEAD", "is never data"),
        ("", "is the workspace itself"),
        (".mainspring", "keeps its state"),
        (".mainspring/mainspring.db", "keeps its state"),
    ):
        with pytest.raises(UsageError, match=said):
            data.add(workspace, workspace.root / name)


def test_a_link_to_a_folder_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "a").write_text("1")
    (workspace.root / "lnk").symlink_to(tmp_path / "away")
    for name in ("lnk", "lnk/a"):
        with pytest.raises(UsageError, match="lnk is a link to a folder"):
            data.add(workspace, workspace.root / name)
    assert os.listdir(tmp_path / "away") == ["a"]  # noqa: PTH208
    (workspace.root / "lnk").unlink()
    shutil.copytree(tmp_path / "away", workspace.root / "lnk")
    data.add(workspace, workspace.root / "lnk")
    shutil.rmtree(workspace.root / "lnk")
    (tmp_path / "away" / "b").write_text("2")
    (workspace.root / "lnk").symlink_to(tmp_path / "away")
    with pytest.raises(UsageError, match="is a link to a folder"):
        data.checkout(workspace, "lnk", force=True)
    assert (tmp_path / "away" / "b").exists()


def test_a_link_to_a_file_is_followed(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "away.csv").write_text("a\n")
    (workspace.root / "a.csv").symlink_to(tmp_path / "away.csv")
    data.add(workspace, workspace.root / "a.csv")
    (workspace.root / "a.csv").unlink()
    data.checkout(workspace, "a")
    assert not (workspace.root / "a.csv").is_symlink()
    assert (workspace.root / "a.csv").read_text() == "a\n"


@pytest.mark.parametrize("name", [b"\xff.csv", b"\xff/x.csv"])
@pytest.mark.parametrize("above", ["", "data"])
def test_names_that_are_not_utf8_are_refused_before_anything_is_stored(
    workspace: Workspace, name: bytes, above: str
) -> None:
    path = workspace.root / "data" / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1")
    with pytest.raises(InvalidData, match="is not UTF-8"):
        data.add(workspace, workspace.root / above if above else path)
    assert list(workspace.objects.addresses()) == []


def make_table(workspace: Workspace, name: str) -> Path:
    deltalake = pytest.importorskip("deltalake")
    import polars as pl

    path = workspace.root / name
    deltalake.write_deltalake(path, pl.DataFrame({"id": [1], "part": ["a"]}), partition_by=["part"])
    return path


def test_what_lies_in_a_table_is_part_of_it(workspace: Workspace) -> None:
    table = make_table(workspace, "data/trips")
    places = [table / "part=a", next(table.rglob("*.parquet")), table / "_delta_log"]
    for added in (False, True):
        if added:
            data.add(workspace, table)
        for place in places:
            said = "a dataset already" if added else "a Delta table"
            with pytest.raises(Conflict, match=f"data/trips, which is {said}") as refused:
                data.add(workspace, place)
            assert refused.value.hint == "add that one: mainspring data add data/trips"
    assert sorted(path.name for path in table.iterdir()) == ["_delta_log", "part=a"]
    assert [version.table_version for version in data.log(workspace, "trips")] == [0]


def test_a_folder_around_a_table_is_refused(workspace: Workspace) -> None:
    table = make_table(workspace, "data/lake/trips")
    data.add(workspace, table)
    write(workspace, {"data/other/notes.delta": "not a pointer"})
    for place in ("data", "data/lake"):
        with pytest.raises(Conflict, match=r"holds .*data/lake/trips, which is a dataset already") as refused:
            data.add(workspace, workspace.root / place)
        assert "lake/trips.delta" in str(refused.value.hint)
    assert data.add(workspace, workspace.root / "data/other").files == 1
    assert not (workspace.root / ".gitignore").exists()


def test_a_folder_around_a_table_of_the_settings(workspace: Workspace) -> None:
    make_table(workspace, "data/trips")
    with workspace.settings_file.open("a") as settings:
        settings.write("datasets: {trips: {path: data/trips, table: delta}}\n")
    opened = Workspace(workspace.root)
    with pytest.raises(Conflict, match="data/trips, which is a dataset already") as refused:
        data.add(opened, opened.root / "data")
    assert refused.value.hint == "to make one of both, first take it out of mainspring.yaml"
    opened.close()


def test_a_table_in_another_dataset_or_around_one_is_refused(workspace: Workspace) -> None:
    write(workspace, {"data/d/a": "1", "around/sub/b": "1"})
    data.add(workspace, workspace.root / "data/d")
    data.add(workspace, workspace.root / "around/sub")
    inside = make_table(workspace, "data/d/trips")
    with pytest.raises(Conflict, match="data/d, which is a dataset already"):
        data.add(workspace, inside)
    around = make_table(workspace, "around")
    with pytest.raises(Conflict, match=r"holds .*around/sub, which is a dataset already"):
        data.add(workspace, around)
    nested = make_table(workspace, "around/part=b/nested")
    with pytest.raises(Conflict, match="around, which is a Delta table"):
        data.add(workspace, nested)
    (workspace.root / "around/sub.dvc").unlink()
    assert data.add(workspace, around).table_version == 0


def test_tables_that_overlap_already_go_on(workspace: Workspace) -> None:
    table = make_table(workspace, "data/trips")
    first = data.add(workspace, table)
    write(workspace, {"data.dvc": "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  hash: md5\n  path: data\n"})
    assert data.add(workspace, table) == first
