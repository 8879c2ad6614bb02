from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.cli import tracking
from mainspring.measures.estimate import Estimate
from mainspring.tracking import run
from mainspring.tracking.run import start_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mainspring.store.workspace import Workspace


@pytest.fixture
def recorded(workspace: Workspace) -> tuple[str, str]:
    ids = []
    for number, name in enumerate(("first", "second")):
        with start_run(workspace, name=name, params={"depth": number, "same": 1}, snapshot=False) as started:
            for step in range(50):
                run.log_metric("loss", math.inf if step == 3 else 1 / (step + 1), step)
            run.log_metric("auc", Estimate(0.9, 0.85, 0.95, 400, "delong"))
            run.log_text("hello", "notes/a.txt")
            run.log_text("there", "notes/b.txt")
        ids.append(started.id)
    return ids[0], ids[1]


def read(out: str) -> Any:
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_an_empty_workspace(call: Callable[..., tuple[int, str, str]]) -> None:
    assert call("runs", "list", "--json") == (0, "[]\n", "")
    code, out, _ = call("runs", "list")
    assert code == 0
    assert "no runs yet" in out


def test_list(call: Callable[..., tuple[int, str, str]], recorded: tuple[str, str]) -> None:
    code, out, _ = call("runs", "list", "--json")
    second, first = read(out)
    assert code == 0
    assert (first["id"], second["id"]) == recorded
    keys = ["id", "name", "experiment", "status", "started_at", "ended_at", "params", "metrics", "tags", "snapshot_id"]
    assert set(keys) <= set(first)
    assert first["started_at"].endswith("Z")
    assert first["params"] == {"depth": "0", "same": "1"}
    auc = first["metrics"]["auc"]
    assert (auc["value"], auc["low"], auc["high"], auc["n"]) == (0.9, 0.85, 0.95, 400)
    code, out, _ = call("runs", "list", "--limit", "1", "--experiment", "wine", "--order-by", "run_name")
    assert "first" in out
    assert "second" not in out
    assert "auc 0.9 [0.85, 0.95] n=400" in out


def test_list_with_a_filter(call: Callable[..., tuple[int, str, str]], recorded: tuple[str, str]) -> None:
    _, out, _ = call("runs", "list", "--json", "--filter", "params.depth = '0' AND metrics.auc > 0.5")
    assert [run["id"] for run in read(out)] == [recorded[0]]
    orders = ("--order-by", "status", "--order-by", "start_time ASC")
    _, out, _ = call("runs", "list", "--json", "--status", "finished", *orders)
    assert [run["id"] for run in read(out)] == list(recorded)
    code, out, err = call("runs", "list", "--filter", "metrics.auc => 1")
    assert (code, out) == (2, "")
    assert "cannot be read at character 13: '=>' is no comparator for the metric 'auc'" in " ".join(err.split())


def test_show(call: Callable[..., tuple[int, str, str]], recorded: tuple[str, str]) -> None:
    code, out, _ = call("runs", "show", "first")
    assert code == 0
    for text in (recorded[0], "finished", "depth", "[0.85, 0.95]", "400", "notes/a.txt", "points", "▁"):
        assert text in out
    code, out, _ = call("runs", "show", recorded[0], "--json")
    record = read(out)
    assert record["history"]["loss"]["values"][3] == "Infinity"
    assert record["history"]["loss"]["steps"] == list(range(50))
    assert [item["path"] for item in record["artifacts"]] == ["notes/a.txt", "notes/b.txt"]
    assert "inputs" not in record
    assert (record["lineage"]["inputs"], record["snapshot"]) == ([], None)


def test_compare(call: Callable[..., tuple[int, str, str]], recorded: tuple[str, str]) -> None:
    code, out, _ = call("runs", "compare", "first", "second", "--json")
    record = read(out)
    assert code == 0
    assert [item["id"] for item in record["runs"]] == list(recorded)
    assert record["params"] == {"depth": ["0", "1"]}
    assert [metric["value"] for metric in record["metrics"]["auc"]] == [0.9, 0.9]
    assert record["snapshots"] == [None]
    code, out, _ = call("runs", "compare", "first", "second")
    assert "depth" in out
    assert "same" not in out
    assert "0.9 [0.85, 0.95] n=400" in out
    code, _, err = call("runs", "compare", "first", "first")
    assert code == 2
    assert "with itself" in err
    code, _, err = call("runs", "compare", "first")
    assert code == 2
    assert "needs two runs" in err


def test_the_snapshot(call: Callable[..., tuple[int, str, str]], workspace: Workspace) -> None:
    for number in (1, 2):
        (workspace.root / "train.py").write_text(f"depth = {number}")
        with start_run(workspace, name=f"run {number}"):
            pass
    _, out, _ = call("runs", "show", "run 1", "--json")
    snapshot = read(out)["snapshot"]
    assert snapshot["dirty"] is True
    assert snapshot["distributions"] > 10
    _, out, _ = call("runs", "show", "run 1")
    assert "no commit and changes" in out
    assert "not seeded" in out
    _, out, _ = call("runs", "compare", "run 1", "run 2", "--json")
    [differences] = read(out)["snapshots"]
    assert [(item["part"], item["name"]) for item in differences] == [("code", "untracked")]
    _, out, _ = call("runs", "compare", "run 1", "run 2")
    assert "snapshot of run 2 against run 1: 1 difference" in out
    assert "untracked" in out


def test_artifacts(call: Callable[..., tuple[int, str, str]], recorded: tuple[str, str], tmp_path: Path) -> None:
    code, out, _ = call("runs", "artifacts", "first", "--json")
    assert code == 0
    assert [item["path"] for item in read(out)] == ["notes/a.txt", "notes/b.txt"]
    code, out, _ = call("runs", "artifacts", "first", "--get", "notes/a.txt", "--to", str(tmp_path / "x.txt"))
    assert code == 0
    assert (tmp_path / "x.txt").read_text() == "hello"
    code, out, _ = call("runs", "artifacts", "first", "--get", "notes/", "--to", str(tmp_path / "out"), "--json")
    assert read(out)["files"] == 2
    assert (tmp_path / "out" / "b.txt").read_text() == "there"
    code, _, err = call("runs", "artifacts", "first", "--get", "../../etc/passwd")
    assert code == 3
    assert "has no artifact" in err


def test_markup_in_names_is_only_text(workspace: Workspace, call: Callable[..., tuple[int, str, str]]) -> None:
    with start_run(workspace, name="[red]x[/nope]", tags={"a": "[/b]"}, snapshot=False):
        run.log_metric("loss [bold]", 1.0)
    code, out, _ = call("runs", "show", "[red]x[/nope]")
    assert code == 0
    assert "[red]x[/nope]" in out
    assert "loss [bold]" in out
    assert "loss [bold]" in call("runs", "list")[1]


def test_an_unknown_run(call: Callable[..., tuple[int, str, str]], recorded: tuple[str, str]) -> None:
    code, out, err = call("runs", "show", "frist")
    assert (code, out) == (3, "")
    assert "did you mean 'first'?" in err


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([1.0], "▁"),
        ([0.0, 7.0], "▁█"),
        ([math.nan, math.inf], "··"),
        ([5.0, 5.0], "▁▁"),
        ([-1e308, 1e308], "▁█"),
        ([0.0, 5e-324], "▁▁"),
    ],
)
def test_sparkline(values: list[float], line: str) -> None:
    assert tracking.sparkline(values) == line


def test_a_long_sparkline_keeps_both_ends() -> None:
    line = tracking.sparkline(list(range(1000)), width=10)
    assert len(line) == 10
    assert (line[0], line[-1]) == ("▁", "█")
