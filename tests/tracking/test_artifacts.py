from __future__ import annotations

import os
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest

from mainspring.base.errors import Conflict, Corrupted, InvalidData, NotFound
from mainspring.tracking import run
from mainspring.tracking.artifacts import fetch_artifact, list_artifacts, media_type, read_artifact, store_bytes
from mainspring.tracking.records import files as file_rows
from mainspring.tracking.run import start_run

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.recording import Run

mpl.use("Agg")


@pytest.fixture
def started(workspace: Workspace) -> Run:
    return start_run(workspace, snapshot=False)


def tree(folder: Path) -> Path:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "er" / "b.bin").write_bytes(bytes(range(256)))
    return folder


def test_files_and_folders(workspace: Workspace, started: Run, tmp_path: Path) -> None:
    folder = tree(tmp_path / "out")
    run.log_artifact(folder / "a.txt")
    run.log_artifact(folder / "a.txt", "renamed/first.txt")
    run.log_artifact(folder)
    run.log_artifact(str(folder), "model/files")
    run.log_text("größe", "notes/size.txt")
    started.log_json({"b": [1, 2], "a": None}, "data.json")
    found = {info.path: info for info in list_artifacts(workspace, started.id)}
    assert list(found) == [
        "a.txt",
        "data.json",
        "model/files/a.txt",
        "model/files/deep/er/b.bin",
        "notes/size.txt",
        "out/a.txt",
        "out/deep/er/b.bin",
        "renamed/first.txt",
    ]
    assert found["out/deep/er/b.bin"].size == 256
    assert found["a.txt"].md5 == found["out/a.txt"].md5
    assert read_artifact(workspace, started.id, "notes/size.txt").decode() == "größe"
    assert read_artifact(workspace, started.id, "data.json") == b'{\n  "a": null,\n  "b": [\n    1,\n    2\n  ]\n}'
    assert [info.path for info in list_artifacts(workspace, started.id, under="out")] == [
        "out/a.txt",
        "out/deep/er/b.bin",
    ]

    assert fetch_artifact(workspace, started.id, "model", tmp_path / "back") == 2
    assert (tmp_path / "back" / "files" / "deep" / "er" / "b.bin").read_bytes() == bytes(range(256))
    assert fetch_artifact(workspace, started.id, "a.txt", tmp_path / "copy.txt") == 1
    assert (tmp_path / "copy.txt").read_text() == "a"
    assert fetch_artifact(workspace, started.id, "renamed/first.txt", tmp_path / "back") == 1
    assert (tmp_path / "back" / "first.txt").read_text() == "a"


def test_the_same_path_again_replaces_the_file(workspace: Workspace, started: Run) -> None:
    run.log_text("one", "note.txt")
    run.log_text("two", "note.txt")
    assert read_artifact(workspace, started.id, "note.txt") == b"two"
    assert len(list_artifacts(workspace, started.id)) == 1


@pytest.mark.parametrize("name", ["../x", "/x", "a\\b", "a%2fb", "a//b", "", "."])
def test_tricks_with_paths_are_refused_and_store_nothing(
    workspace: Workspace, started: Run, name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidData):
        run.log_text("x", name)
    with pytest.raises(InvalidData):
        run.log_artifact(tmp_path / "file", name)
    assert list_artifacts(workspace, started.id) == []
    assert list(workspace.objects.addresses()) == []


def test_a_folder_with_one_bad_name_is_refused_whole(workspace: Workspace, started: Run, tmp_path: Path) -> None:
    folder = tree(tmp_path / "out")
    (folder / "50%2f20.txt").write_text("x")
    with pytest.raises(InvalidData, match=r"out/50%2f20.txt.*percent"):
        run.log_artifact(folder)
    assert list_artifacts(workspace, started.id) == []


def test_what_is_not_there_or_empty(workspace: Workspace, started: Run, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file or folder"):
        run.log_artifact(tmp_path / "missing.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidData, match="holds no file"):
        run.log_artifact(tmp_path / "empty")
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidData, match="no regular file"):
        run.log_artifact(tmp_path / "dangling")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotFound):
        run.log_artifact(tmp_path / "pipe")
    with pytest.raises(NotFound, match="there is no run"):
        store_bytes(workspace, "nobody", "x.txt", b"x")


def test_one_path_cannot_be_file_and_folder(workspace: Workspace, started: Run) -> None:
    run.log_text("x", "a/b.txt")
    with pytest.raises(Conflict, match="'a' is a file of this run"):
        run.log_text("x", "a")
    with pytest.raises(Conflict, match=r"'a/b\.txt' is a file of this run"):
        run.log_text("x", "a/b.txt/c/d")
    assert [info.path for info in list_artifacts(workspace, started.id)] == ["a/b.txt"]


def test_no_row_points_at_bytes_that_are_not_there(
    workspace: Workspace, started: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = file_rows.put
    there: list[bool] = []

    def watched(connection: object, owner_id: str, rows: list[dict[str, str]]) -> None:
        there.extend(workspace.objects.has(row["md5"]) for row in rows)
        put(connection, owner_id, rows)  # type: ignore[arg-type]  # rows of either table

    monkeypatch.setattr(file_rows, "put", watched)
    run.log_text("x", "x.txt")
    assert there == [True]


def test_damaged_bytes_are_never_given(workspace: Workspace, started: Run, tmp_path: Path) -> None:
    run.log_text("hello", "x.txt")
    [info] = list_artifacts(workspace, started.id)
    path = workspace.objects.path(info.md5)
    path.chmod(0o644)
    path.write_text("hallo")
    with pytest.raises(Corrupted):
        fetch_artifact(workspace, started.id, "x.txt", tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()
    with pytest.raises(NotFound, match="not in the store"):
        read_artifact(workspace, started.id, "x.txt")


def test_a_wrong_path_gets_a_suggestion(workspace: Workspace, started: Run) -> None:
    run.log_text("x", "report.txt")
    with pytest.raises(NotFound) as caught:
        read_artifact(workspace, started.id, "raport.txt")
    assert caught.value.hint == "did you mean 'report.txt'?"


def test_a_figure_is_the_same_file_every_time(workspace: Workspace, started: Run) -> None:
    from matplotlib.figure import Figure

    def draw() -> Figure:
        figure = Figure(figsize=(3, 2))
        figure.subplots().plot(np.arange(10), np.arange(10) ** 2)
        return figure

    run.log_figure(draw(), "plots/square")
    run.log_figure(draw().axes[0], "plots/again.png")
    first, second = list_artifacts(workspace, started.id, under="plots")
    assert (first.path, second.path) == ("plots/again.png", "plots/square.png")
    assert first.md5 == second.md5
    data = read_artifact(workspace, started.id, first.path)
    assert data.startswith(b"\x89PNG")
    assert b"Matplotlib" not in data
    assert media_type(first.path) == "image/png"
    with pytest.raises(InvalidData, match="a int is no matplotlib figure"):
        run.log_figure(3, "x")
