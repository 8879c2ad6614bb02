"""What moves on a terminal while steps run, and what stays there."""

from __future__ import annotations

import pytest

from mainspring.automation.progress import Bars


def test_bars_leave_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    bars.started("prepare")
    bars.ended("prepare", "finished", 0.2)
    bars.fanned_out("fit", 2)
    bars.fanned_out("fit", 1)
    assert bars.progress.tasks[0].total == 3
    for done in (0, 1, 2):
        assert bars.progress.tasks[0].completed == done
        bars.started("fit")
        bars.ended("fit", "finished", 0.1)
    assert not bars.progress.tasks
    bars.note("a [line] of its own")
    bars.close()
    told = capsys.readouterr()
    assert told.out == ""
    assert "▸ prepare … ran 0.2 s" in told.err
    assert "▸ fit … 3 ran" in told.err
    assert "a [line] of its own" in told.err
