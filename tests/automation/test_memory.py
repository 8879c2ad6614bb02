"""What is remembered of a step: where its bytes lie, that damage is seen, that what was acknowledged stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mainspring.automation import memory, records, results
from mainspring.automation.active import Work
from mainspring.automation.recorder import key_of, recording
from mainspring.automation.step import step
from mainspring.store.workspace import Workspace


@step
def repeated(text: str, times: int) -> str:
    return text * times


def key(workspace: Workspace, text: str, times: int) -> str:
    work = Work(name="repeated", code=repeated.function, arguments={"text": text, "times": times}, compute=lambda: None)
    return key_of(work, workspace.root, workspace.settings.seed)


def row_of(workspace: Workspace, name: str) -> records.ResultRow:
    with workspace.database.read() as connection:
        row = records.find_result(connection, name)
    assert row is not None
    return row


def change(workspace: Workspace, name: str, **values: object) -> None:
    import msgspec

    with workspace.database.write() as connection:
        records.put_results(connection, [msgspec.structs.replace(row_of(workspace, name), **values)])


@pytest.mark.parametrize(("times", "inline"), [(1, True), (results.SMALL - 2, True), (results.SMALL - 1, False)])
def test_small_results_lie_in_their_row_and_others_in_an_object(bare, times, inline):
    with recording(bare):
        repeated("x", times)
    row = row_of(bare, key(bare, "x", times))
    assert (row.content is not None) == inline
    assert bare.objects.has(row.result) != inline
    assert memory.recall(bare, row.key).value == "x" * times


def test_a_result_that_an_older_version_stored_is_read(bare):
    with recording(bare):
        repeated("x", 3)
    name = key(bare, "x", 3)
    change(bare, name, content=None, result=bare.objects.put_bytes(b'"xxx"'))
    assert memory.recall(bare, name).value == "xxx"
    with recording(bare) as recorder:
        assert repeated("x", 3) == "xxx"
    assert (recorder.ran, recorder.cached) == (0, 1)


def test_a_damaged_row_is_not_believed(bare):
    with recording(bare):
        repeated("x", 3)
    name = key(bare, "x", 3)
    change(bare, name, content=b'"xxy"')
    with pytest.raises(results.Unreadable, match="damaged"):
        memory.recall(bare, name)
    with recording(bare) as recorder:
        assert repeated("x", 3) == "xxx"
    assert recorder.ran == 1
    assert memory.recall(bare, name).value == "xxx"


STEPS = """
import sys
from pathlib import Path
from mainspring.automation.recorder import recording
from mainspring.automation.step import step
from mainspring.store.workspace import Workspace

@step
def squared(number):
    return number**2

with recording(Workspace(Path(sys.argv[1]))) as recorder:
    for number in range(int(sys.argv[2])):
        squared(number)
        print(number, recorder.cached, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 5, 17])
def test_every_acknowledged_step_survives_kill_9(bare, after):
    (bare.root / "squares.py").write_text(STEPS)
    command = [sys.executable, "squares.py", str(bare.root)]
    killed = subprocess.Popen([*command, "100000"], cwd=bare.root, stdout=subprocess.PIPE)
    assert killed.stdout is not None
    for _ in range(after):
        killed.stdout.readline()
    killed.kill()
    killed.communicate()
    again = subprocess.run([*command, str(after)], cwd=bare.root, check=True, capture_output=True, text=True)
    assert again.stdout.split()[-2:] == [str(after - 1), str(after)]
    assert list(bare.objects.addresses()) == []
