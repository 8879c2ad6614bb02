"""The commands of monitoring, as scripts and people use them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import polars as pl
import pytest

from mainspring.cli.main import hoist
from mainspring.cli.main import run as run_hoisted
from mainspring.monitoring.drift import compare
from mainspring.monitoring.profile import Profile
from mainspring.monitoring.report import drift_page
from mainspring.monitoring.watch import watch
from tests.monitoring.conftest import champion, rows, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.monitoring.conftest import Scene


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows(2000, 0).write_parquet(tmp_path / "a.parquet")
    rows(2000, 1).write_csv(tmp_path / "same.csv")
    rows(2000, 2, shift=1).write_parquet(tmp_path / "b.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments: list[str]) -> int:
    return run_hoisted(hoist(arguments))


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    code = run([str(argument) for argument in arguments] + ["--json"])
    return code, json.loads(capsys.readouterr().out)


def test_drift_needs_no_workspace(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = ask(capsys, "drift", "a.parquet", "b.parquet")
    assert code == 0
    columns = {column["column"]: column for column in found["columns"]}
    assert {"column", "verdict", "method", "effect", "p_value", "n"} <= columns["distance"].keys()
    assert columns["distance"]["verdict"] == columns["late"]["verdict"] == "drift"
    assert columns["hour"]["verdict"] == "no_drift"
    assert ask(capsys, "drift", "a.parquet", "b.parquet", "--fail")[0] == 1
    assert ask(capsys, "drift", "a.parquet", "same.csv", "--fail")[0] == 0
    assert ask(capsys, "drift", "a.parquet", "b.parquet", "--fail", "--columns", "hour,carrier_code")[0] == 0
    assert (
        ask(capsys, "drift", "a.parquet", "b.parquet", "--fail", "--ks", "0.9", "--psi", "9", "--columns", "late")[0]
        == 0
    )
    assert run(["drift", "a.parquet", "b.parquet", "--columns", "distance"]) == 0
    assert "1 of 1 columns drifted: distance (ks" in capsys.readouterr().out


def test_drift_of_what_cannot_be_read(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tables / "broken.parquet").write_bytes((tables / "a.parquet").read_bytes()[:500])
    for other in ("broken.parquet", "gone.parquet"):
        assert run(["drift", "a.parquet", other]) == 3
        shown = capsys.readouterr().err
        assert other in shown
        assert "Traceback" not in shown
    assert run(["drift", "a.parquet", "b.parquet", "--alpha", "7"]) == 2
    assert run(["drift", "a.parquet", "b.parquet", "--columns", "nope"]) == 3


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_is_one_small_page(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = ask(capsys, "drift", "a.parquet", "b.parquet", "--html", "report.html")
    assert code == 0
    page = (tables / "report.html").read_text()
    ElementTree.fromstring(page.removeprefix("<!doctype html>\n"))
    tags = _Tags()
    tags.feed(page)
    assert tags.links == []
    assert "script" not in tags.count
    assert tags.count["svg"] == 4


def test_the_report_of_a_wide_and_hostile_table_stays_small_and_well_formed() -> None:
    odd = "<script>alert(1)</script>&\x00\x1b\"'"
    columns = {
        f"{odd if i % 2 else 'column'} {'long ' * 30}{i}": [f"{odd}{j % 12}" for j in range(300)] for i in range(150)
    }
    numbers = {f"number {i}": [j * 1e9 + i for j in range(300)] for i in range(150)}
    frame = pl.DataFrame(columns | numbers)
    page = drift_page(compare(frame, frame.reverse()), frame, frame.reverse(), title="<b>&")
    ElementTree.fromstring(page.removeprefix("<!doctype html>\n"))
    assert "<script" not in page
    assert len(page.encode()) < 200_000


def test_validate_a_file_or_a_dataset(scene: Scene, tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, proposed = ask(capsys, "profile", "a.parquet", "--suite-out", "suite.json", "--out", "profile.json")
    assert code == 0
    assert proposed["rows"] == 2000
    assert Profile.from_json((tables / "profile.json").read_bytes()).rows == 2000
    code, result = ask(capsys, "validate", "a.parquet", "--suite", "suite.json")
    assert (code, result["success"]) == (0, True)
    rows(2000, 3).with_columns(pl.col("distance") * 1000).write_parquet(tables / "bad.parquet")
    code, result = ask(capsys, "validate", "bad.parquet", "--suite", "suite.json")
    assert (code, result["success"]) == (1, False)
    assert run(["validate", "bad.parquet", "--suite", "suite.json"]) == 1
    assert "FAILS" in capsys.readouterr().out
    scene.open(datasets={"flights": {"path": "a.parquet", "suite": "suite.json"}, "bare": {"path": "a.parquet"}})
    assert ask(capsys, "validate", "flights")[0] == 0
    for wrong, code in (("fligts", 3), ("bare", 2), ("a.parquet", 2)):
        assert run(["validate", wrong]) == code
    assert "did you mean 'flights'?" in capsys.readouterr().err
    assert run(["validate", "a.parquet", "--suite", "none.json"]) == 3


def test_watch_and_alerts(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    monitors = {
        "inputs": {"type": "data_drift"},
        "machine": {"type": "resources", "max_disk": 1, "max_memory": 1, "max_processor": 1},
    }
    workspace = scene.open(monitors=monitors)
    serve(workspace, champion(workspace), rows(1000, 9, shift=2))
    place = ("--workspace", workspace.root)
    code, seen = ask(capsys, "watch", "--once", *place)
    assert code == 0
    assert [(each["monitor"], each["status"]) for each in seen] == [("inputs", "firing"), ("machine", "ok")]
    code, alerts = ask(capsys, "alerts", "list", *place)
    assert code == 0
    assert {"id", "monitor", "status", "at", "resolved_at", "summary", "evidence"} <= alerts[0].keys()
    assert (alerts[0]["monitor"], alerts[0]["status"], alerts[0]["resolved_at"]) == ("inputs", "firing", None)
    assert alerts[0]["at"].endswith("Z")
    assert ask(capsys, "alerts", "list", "--status", "resolved", *place) == (0, [])
    assert run(["alerts", "list", "--status", "gone", *map(str, place)]) == 2
    assert run(["watch", "--once", *map(str, place)]) == 0
    assert "inputs" in capsys.readouterr().out
    assert len(watch(workspace)) == 2


def test_trying_the_channels(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--workspace", str(scene.root)]
    scene.open()
    assert run(["alerts", "test", *place]) == 2
    assert "no channel is declared" in capsys.readouterr().err
    scene.open(channels=[{"type": "log"}])
    code, sent = ask(capsys, "alerts", "test", *place)
    assert (code, [each["channel"] for each in sent]) == (0, ["log"])
    scene.open(channels=[{"type": "webhook", "url": "http://127.0.0.1:9/"}])
    assert run(["alerts", "test", *place]) == 1
    assert "no" in capsys.readouterr().out
