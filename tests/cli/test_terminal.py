"""What others wrote is drawn, never obeyed."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from mainspring import start_run
from mainspring.cli import output
from mainspring.cli.terminal import HarmlessConsole

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_OWN = re.compile(r"\x1b\[[\d;]*m")


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_nothing_in_a_cell_steers_the_terminal(text: str) -> None:
    file = StringIO()
    console = HarmlessConsole(file=file, force_terminal=True, width=80)
    console.print(output.table(("name",), [(text,)]))
    console.print(text, markup=False)
    shown = _OWN.sub("", file.getvalue())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_a_hostile_tag_is_listed_harmlessly(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mainspring.cli.main import run

    monkeypatch.chdir(project)
    with start_run(tags={"note": "\x1b]0;title\x07\x1b[2J"}) as made:
        pass
    assert run(["runs", "show", made.id]) == 0
    assert run(["runs", "show", "\x1b[2J"]) == 3
    told = capsys.readouterr()
    assert "title" in told.out
    assert "\x1b" not in told.out + told.err
