"""Runs in the terminal: curves drawn, runs deleted, restored, exported, and removed for good."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mainspring.base.errors import NotFound
from mainspring.base.hashing import md5_bytes
from mainspring.cli.braille import chart
from mainspring.measures.estimate import Estimate
from mainspring.store.workspace import Workspace
from mainspring.tracking import run
from mainspring.tracking.axes import ticks
from mainspring.tracking.drawing import Line, svg
from mainspring.tracking.run import start_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recorded(workspace: Workspace) -> list[str]:
    ids = []
    for number in range(3):
        with start_run(workspace, name=f"run{number}", params={"depth": number}, snapshot=False) as started:
            for step in range(60):
                run.log_metric("loss", math.nan if step == 9 else math.exp(-step / 20) + number, step)
            run.log_metric("auc", Estimate(0.9, 0.85, 0.95, 400, "delong"))
            run.log_text(f"notes of {number}", "notes.txt")
        ids.append(started.id)
    return ids


def test_plot_in_the_terminal(call: Any, recorded: list[str]) -> None:
    code, out, _ = call("runs", "plot", "loss", "--filter", "params.depth != '1'")
    assert code == 0
    assert "run0" in out
    assert "run1" not in out
    assert any(0x2800 < ord(character) < 0x2900 for character in out)
    code, out, _ = call("runs", "plot", "loss", "run1", "--json")
    [curve] = json.loads(out)
    assert (curve["run"], curve["points"], curve["values"][9]) == (recorded[1], 60, "NaN")
    code, _, err = call("runs", "plot", "los", "run1")
    assert code == 3
    assert "did you mean 'loss'?" in err
    assert call("runs", "plot", "loss")[0] == 2
    assert call("runs", "plot", "loss", "run0", "--filter", "")[0] == 2


@pytest.mark.parametrize("kind", ["png", "svg", "html"])
def test_plot_into_a_file(call: Any, recorded: list[str], tmp_path: Path, kind: str) -> None:
    target = tmp_path / f"curve.{kind}"
    assert call("runs", "plot", "loss", "run0", "run1", "--out", str(target))[0] == 0
    first = target.read_bytes()
    assert call("runs", "plot", "loss", "run0", "run1", "--out", str(target))[0] == 0
    assert target.read_bytes() == first
    assert first.startswith({"png": b"\x89PNG", "svg": b"<svg", "html": b"<!doctype html>"}[kind])
    if kind != "png":
        assert first.count(b"<path") == 2


def test_a_picture_of_another_kind(call: Any, recorded: list[str], tmp_path: Path) -> None:
    code, _, err = call("runs", "plot", "loss", "run0", "--out", str(tmp_path / "curve.gif"))
    assert code == 2
    assert ".svg" in err


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, 1.0], [5.0, 5.0], [-1e308, 1e308], [5e-324, 0.0]])
def test_any_values_can_be_drawn(values: list[float]) -> None:
    x = [float(number) for number in range(len(values))]
    assert chart([(x, values)], width=40, height=6).plain.count("\n") == 6
    assert "nan" not in svg([Line("<a>", x, values)], title='"', across="step")


def test_ticks_are_round() -> None:
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert ticks(-1e308, 1e308)


def test_delete_and_restore(call: Any, recorded: list[str]) -> None:
    assert call("runs", "delete", "run0", recorded[1][:20])[0] == 0
    _, out, _ = call("runs", "list", "--json")
    assert [item["id"] for item in json.loads(out)] == [recorded[2]]
    _, out, _ = call("runs", "list", "--deleted", "--json")
    assert {item["id"] for item in json.loads(out)} == set(recorded[:2])
    code, _, err = call("runs", "restore", "run2")
    assert code == 3
    assert "no deleted run" in err
    assert call("runs", "restore", "--filter", "params.depth = '0'")[0] == 0
    _, out, _ = call("runs", "compare", "--filter", "metrics.auc > 0.5", "--json")
    assert {item["id"] for item in json.loads(out)["runs"]} == {recorded[0], recorded[2]}


def test_experiments(call: Any, recorded: list[str]) -> None:
    assert call("experiments", "delete", "wine")[0] == 0
    assert json.loads(call("runs", "list", "--json")[1]) == []
    code, _, err = call("runs", "restore", "run0")
    assert code == 3
    assert "experiments restore" in err
    _, out, _ = call("experiments", "list", "--deleted", "--json")
    assert [item["lifecycle"] for item in json.loads(out)] == ["deleted"]
    assert call("experiments", "restore", "wine")[0] == 0
    assert call("experiments", "rename", "wine", "grape")[0] == 0
    _, out, _ = call("experiments", "list", "--json")
    assert [item["name"] for item in json.loads(out)] == ["grape"]
    assert len(json.loads(call("runs", "list", "--json")[1])) == 3


def test_export(call: Any, recorded: list[str], tmp_path: Path) -> None:
    assert call("runs", "export", "--filter", "", "--out", str(tmp_path / "all"))[0] == 0
    tables = {path.stem: pl.read_parquet(path) for path in (tmp_path / "all").iterdir()}
    assert set(tables) == {"runs", "params", "tags", "metrics", "history"}
    assert set(tables["runs"]["run_id"]) == set(recorded)
    history = tables["history"].filter(pl.col("run_id") == recorded[1], pl.col("key") == "loss")
    assert history["step"].to_list() == list(range(60))
    assert math.isnan(history["value"][9])
    assert tables["metrics"].filter(pl.col("key") == "auc")["n"].to_list() == [400, 400, 400]
    assert call("runs", "export", "run0", "--out", str(tmp_path / "csv"), "--format", "csv")[0] == 0
    assert pl.read_csv(tmp_path / "csv" / "history.csv").height == 61
    assert call("runs", "export", "run0", "run2", "--out", str(tmp_path / "x.jsonl"), "--format", "jsonl")[0] == 0
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [recorded[0], recorded[2]]
    assert lines[0]["history"]["loss"]["values"][9] == "NaN"
    assert call("runs", "export", "run0", "--format", "xml")[0] == 2
    assert call("runs", "export", "--filter", "params.depth = '9'", "--out", str(tmp_path / "no"))[0] == 2


def test_moments_that_no_calendar_has_are_shown_and_exported(call: Any, workspace: Workspace, tmp_path: Path) -> None:
    from mainspring.tracking.batch import log_batch, point
    from mainspring.tracking.experiments import create_experiment
    from mainspring.tracking.runs import create_run, update_run

    nanoseconds = 1_700_000_000_000_000_000
    made = create_run(workspace, create_experiment(workspace, "x").id, name="clock", started_at=-nanoseconds)
    update_run(workspace, made.id, status="finished", ended_at=2**63 - 1)
    log_batch(workspace, made.id, metrics=[point("loss", 1, 0, nanoseconds), point("loss", 2, 1, 0)])
    for words in (
        ["list"],
        ["list", "--json"],
        ["show", made.id],
        ["show", made.id, "--json"],
        ["plot", "loss", made.id],
    ):
        assert call("runs", *words)[0] == 0, words
    for format in ("csv", "parquet", "jsonl"):
        out = str(tmp_path / format)
        assert call("runs", "export", made.id, "--out", out, "--format", format)[0] == 0
    history = pl.read_csv(tmp_path / "csv" / "history.csv")
    assert history["at"].to_list() == ["+53872825-06-17T22:13:20.000Z", "1970-01-01T00:00:00.000Z"]
    [run] = pl.read_csv(tmp_path / "csv" / "runs.csv").to_dicts()
    assert run["started_at"].startswith("-53868")
    assert run["ended_at"].startswith("+2922")


def test_an_export_replaces_nothing_unasked(call: Any, recorded: list[str], tmp_path: Path) -> None:
    folder, file = tmp_path / "tables", tmp_path / "runs.jsonl"
    folder.mkdir()
    (folder / "mine.txt").write_text("stays")
    (folder / "params.parquet").write_text("mine too")
    file.write_text("mine")
    to_file = ("runs", "export", "run0", "--format", "jsonl", "--out")
    for command in (("runs", "export", "run0", "--out", str(folder)), (*to_file, str(file))):
        code, _, err = call(*command)
        assert code == 3
        assert "--force" in err
    assert "params.parquet: there already" in call("runs", "export", "run0", "--out", str(folder))[2]
    assert {path.name for path in folder.iterdir()} == {"mine.txt", "params.parquet"}
    assert (folder / "params.parquet").read_text() == "mine too"
    assert file.read_text() == "mine"
    assert call("runs", "export", "run0", "--out", str(folder), "--force")[0] == 0
    assert call(*to_file, str(file), "--force")[0] == 0
    assert (folder / "mine.txt").read_text() == "stays"
    assert pl.read_parquet(folder / "params.parquet").height > 0
    assert json.loads(file.read_text())["id"] == recorded[0]
    assert call("runs", "export", "run0", "--out", str(file), "--force")[0] == 2
    assert call(*to_file, str(folder), "--force")[0] == 2


def age(workspace: Workspace) -> None:
    for address in workspace.objects.addresses():
        os.utime(workspace.objects.path(address), (0, 0))


def kept(workspace: Workspace, text: str) -> bool:
    return workspace.objects.has(md5_bytes(text.encode()))


def test_gc(call: Any, workspace: Workspace, recorded: list[str]) -> None:
    age(workspace)
    call("runs", "delete", "run0", "run1")
    _, out, _ = call("gc", "--json")
    assert (json.loads(out)["runs"], json.loads(out)["removed"]) == (0, False)
    _, out, _ = call("gc", "--older-than", "0s", "--json")
    assert json.loads(out)["runs"] == 2
    call("runs", "restore", "run1")
    _, out, _ = call("gc", "--older-than", "0s", "--remove", "--json")
    record = json.loads(out)
    assert (record["runs"], record["objects"]) == (1, 1)
    assert [kept(workspace, f"notes of {number}") for number in range(3)] == [False, True, True]
    assert call("runs", "restore", "run0")[0] == 3
    assert call("gc", "--older-than", "soon")[0] == 2
    call("experiments", "delete", "wine")
    assert json.loads(call("gc", "--older-than", "0s", "--json")[1])["experiments"] == 1
    record = json.loads(call("gc", "--older-than", "0s", "--yes", "--json")[1])
    assert (record["runs"], record["experiments"], record["objects"]) == (2, 1, 2)
    assert json.loads(call("experiments", "list", "--deleted", "--json")[1]) == []


def test_gc_keeps_what_pointers_name_now_or_in_any_commit(call: Any, workspace: Workspace) -> None:
    addresses = [workspace.objects.put_bytes(text.encode()) for text in ("now", "before", "never")]
    age(workspace)
    pointer = workspace.root / "data" / "wine.csv.dvc"
    pointer.parent.mkdir()

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(workspace.root), *identity, *arguments], check=True, capture_output=True)

    git("init", "-b", "main")
    pointer.write_text(f"outs:\n- md5: {addresses[1]}\n  hash: md5\n  path: wine.csv\n")
    git("add", "data")
    git("commit", "-m", "data")
    pointer.write_text(f"outs:\n- md5: {addresses[0]}\n  hash: md5\n  path: wine.csv\n")
    code, _, err = call("gc", "--remove")
    assert (code, "nothing was ever recorded here" in err) == (1, True), "a database that was lost looks like this"
    assert all(workspace.objects.has(address) for address in addresses)
    assert json.loads(call("gc", "--remove", "--accept-lost", "--json")[1])["objects"] == 1
    assert [workspace.objects.has(address) for address in addresses] == [True, True, False]


def test_gc_asks_before_it_takes_from_a_shared_folder(call: Any, workspace: Workspace, tmp_path: Path) -> None:
    settings = workspace.root / "mainspring.yaml"
    shared = tmp_path / "shared"
    text = settings.read_text()
    line = f"objects: '{shared}'"
    settings.write_text(
        text.replace("state: {", f"state: {{{line}, ") if "state" in text else f"{text}state: {{{line}}}\n"
    )
    code, _, err = call("gc", "--remove")
    assert code == 2
    assert "--not-shared" in err
    assert call("gc")[0] == 0
    assert call("gc", "--remove", "--not-shared")[0] == 0


_WRITER = """
import sys
from pathlib import Path
from mainspring.store.workspace import Workspace
from mainspring.tracking import run
workspace = Workspace(Path(sys.argv[1]))
for number in range(40):
    with run.start_run(workspace, name=f"w{number}", snapshot=False) as started:
        run.log_text(f"text {number % 7}", "a.txt")
        run.log_metric("loss", 1.0)
    print(started.id, flush=True)
"""


@pytest.mark.slow
def test_gc_while_others_log_the_same_bytes(call: Any, workspace: Workspace) -> None:
    """Old objects that nobody needs are asked for again, while they are being collected over and over."""
    from mainspring.store.garbage import collect

    for number in range(7):
        workspace.objects.put_bytes(f"text {number}".encode())
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(workspace.root)], stdout=subprocess.PIPE, text=True
    ) as writer:
        while writer.poll() is None:
            age(workspace)
            collect(workspace.database, workspace.objects, remove=True)
        assert writer.stdout is not None
        ids = writer.stdout.read().split()
    assert writer.returncode == 0
    for folder in (workspace.objects.root / "trash").glob("*"):
        folder.rename(folder.with_name(f"1000-{folder.name[-8:]}"))
    collect(workspace.database, workspace.objects, remove=True)  # and the trash is emptied
    from mainspring.tracking.artifacts import read_artifact

    assert len(ids) == 40
    for number, run_id in enumerate(ids):
        assert read_artifact(workspace, run_id, "a.txt") == f"text {number % 7}".encode()


_COLLECTOR = """
import sys
from pathlib import Path
from mainspring.store.garbage import collect
from mainspring.store.workspace import Workspace
from mainspring.tracking.purge import purge
workspace = Workspace(Path(sys.argv[1]))
print("ready", flush=True)
purge(workspace, older_than_days=0, remove=True)
collect(workspace.database, workspace.objects, remove=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.02, 0.06, 0.15])
def test_gc_killed_in_the_middle(workspace: Workspace, recorded: list[str], after: float) -> None:
    from mainspring.store.garbage import collect
    from mainspring.tracking.artifacts import read_artifact
    from mainspring.tracking.purge import purge
    from mainspring.tracking.runs import delete_run

    for number in range(40):
        with start_run(workspace, name=f"gone{number}", snapshot=False) as started:
            run.log_text(f"gone {number}", "a.txt")
            run.log_metric("loss", 1.0)
        delete_run(workspace, started.id)
    age(workspace)
    with subprocess.Popen(
        [sys.executable, "-c", _COLLECTOR, str(workspace.root)], stdout=subprocess.PIPE, text=True
    ) as collector:
        assert collector.stdout is not None
        assert collector.stdout.readline() == "ready\n"
        try:
            collector.wait(timeout=after)
        except subprocess.TimeoutExpired:
            collector.kill()
    purge(workspace, older_than_days=0, remove=True)
    collect(workspace.database, workspace.objects, remove=True)
    assert not any(kept(workspace, f"gone {number}") for number in range(40))
    for number, run_id in enumerate(recorded):
        assert read_artifact(workspace, run_id, "notes.txt") == f"notes of {number}".encode()
    assert purge(workspace, older_than_days=0).runs == 0


def test_the_experiment_of_those_who_name_none_outlives_gc(workspace: Workspace) -> None:
    from mainspring.tracking import experiments
    from mainspring.tracking.purge import purge

    experiments.ensure_default(workspace)
    experiments.delete_experiment(workspace, "0")
    assert purge(workspace, older_than_days=0, remove=True).experiments == 0
    experiments.restore_experiment(workspace, "0")


def test_a_run_that_is_restored_while_gc_runs_stays(
    workspace: Workspace, recorded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mainspring.tracking.purge import purge
    from mainspring.tracking.records import purge as purge_rows
    from mainspring.tracking.runs import delete_run, restore_run
    from mainspring.tracking.search import get_run

    delete_run(workspace, recorded[0])
    look = purge_rows.empty_experiments

    def restored_meanwhile(*arguments: Any) -> list[str]:
        if get_run(workspace, recorded[0], deleted=True):
            monkeypatch.setattr(purge_rows, "empty_experiments", look)
            restore_run(workspace, recorded[0])
        return look(*arguments)

    monkeypatch.setattr(purge_rows, "empty_experiments", restored_meanwhile)
    assert purge(workspace, older_than_days=0, remove=True).runs == 0
    assert get_run(workspace, recorded[0]).params == {"depth": "0"}


def test_a_snapshot_goes_with_its_last_run(workspace: Workspace) -> None:
    from mainspring.tracking.purge import purge
    from mainspring.tracking.runs import delete_run
    from mainspring.versioning import snapshot

    with start_run(workspace) as outer, start_run(workspace) as inner:
        assert outer.snapshot_id == inner.snapshot_id
    assert outer.snapshot_id is not None
    for left, gone in ((1, inner.id), (0, outer.id)):
        delete_run(workspace, gone)
        assert snapshot.load(workspace, outer.snapshot_id)
        assert purge(workspace, older_than_days=0, remove=True).runs == 1
        if not left:
            with pytest.raises(NotFound):
                snapshot.load(workspace, outer.snapshot_id)
