"""Reading what is stored again: all of it, or a sample."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mainspring.cli.main import run as command
from mainspring.versioning import data
from tests.versioning.folders import write

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

COUNT = 400


@pytest.fixture
def held(workspace: Workspace) -> Workspace:
    write(workspace, {f"data/{number:03}": str(number) for number in range(COUNT)})
    data.add(workspace, workspace.root / "data")
    return workspace


def objects(workspace: Workspace) -> list[Path]:
    return [path for path in sorted(workspace.objects.files.rglob("*")) if path.is_file() and not path.suffix]


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"!")


def test_a_sample_reads_so_many_and_others_the_next_time(held: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(held.objects, "check", read.append)
    for _ in range(2):
        found = data.verify_some(held, None, lambda total: total // 10)
        assert (found.read, found.bad, found.objects) == ((COUNT + 1) // 10, 0, COUNT + 1)
    first, second = set(read[:40]), set(read[40:])
    assert len(first) == len(second) == 40
    assert first != second  # by chance once in 10^54


def test_a_sample_finds_what_it_draws(held: Workspace) -> None:
    for path in objects(held)[: COUNT // 2]:
        damage(path)
    found = data.verify_some(held, "data", lambda _: 100)
    assert 20 < found.bad == len(found.damages) < 80  # half of them are bad: 50 and six standard deviations
    assert all(item.problem and item.used_by for item in found.damages)
    assert len(data.verify(held)) == COUNT // 2  # those of the sample are missing by now


def test_the_command_tells_how_many_may_be_bad_in_all(held: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--workspace", str(held.root), "data", "verify"]
    assert command([*line, "--sample", "50%"]) == 0
    assert "201 of 401 objects were read, 0 are bad; of all, 0.00% to 1.82% may be" in capsys.readouterr().out
    assert command([*line, "--sample", "100%", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"damages": [], "read": 401, "bad": 0, "objects": 401, "share": None}
    for path in objects(held):
        damage(path)
    assert command([*line, "data", "--sample", "10", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["read"] == 10
    assert said["bad"] >= 9  # the listing is sound, and may be drawn
    assert said["share"][0] > 0.5


@pytest.mark.parametrize("words", [["0"], ["-1"], ["many"], ["0%"], ["101%"], ["5%%"], ["nan%"], ["10%", "--heal"]])
def test_what_is_no_sample_is_an_error(held: Workspace, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["--workspace", str(held.root), "data", "verify", f"--sample={words[0]}", *words[1:]]) == 2
    assert "sample" in capsys.readouterr().err
