"""How commands speak: tables for people, JSON for scripts, errors for both."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mainspring.cli.streams import shows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from mainspring.base.errors import MainspringError

_PIPE_WIDTH = 160
_SCREEN_WIDTH = 80


def console(*, stderr: bool = False) -> Console:
    """Return a console that fits where the output goes; a pipe gets plain text in lines as long as they need to be."""
    from mainspring.cli.terminal import HarmlessConsole

    stream = sys.stderr if stderr else sys.stdout
    return HarmlessConsole(
        file=stream, highlight=False, soft_wrap=not stream.isatty(), width=_width(is_pipe=not stream.isatty())
    )


def _width(*, is_pipe: bool) -> int | None:
    """Return how many columns there are to draw in, None where Rich finds out; ``COLUMNS=0`` means that nobody knows."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return None
    if is_pipe:
        return _PIPE_WIDTH
    return _SCREEN_WIDTH if said else None


def print_json(value: Any) -> None:
    """Print a value (structs and dataclasses too) as indented JSON, whatever the names in it hold."""
    import msgspec

    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # a path that is not UTF-8
        text = ""
    if not text or not shows(text):
        import json

        text = json.dumps(msgspec.to_builtins(value), indent=2)  # in ASCII
    sys.stdout.write(text + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """Return a table of text; None is shown as an em dash."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(*columns, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*("—" if cell is None else escape(str(cell)) for cell in row))
    return drawn


def bytes_text(size: float) -> str:
    """Return a number of bytes as people say it.

    >>> bytes_text(12), bytes_text(3_400_000)
    ('12 B', '3.4 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def emit(value: Any, *, json: bool, show: Callable[[], object]) -> None:
    """Print ``value`` as JSON, or what ``show`` returns (a table, text) for people."""
    if json:
        print_json(value)
    elif (shown := show()) is not None:
        console().print(shown)


def print_error(error: MainspringError) -> None:
    """Print what happened and what to do, on standard error."""
    shown = console(stderr=True)
    shown.print(f"[bold red]error:[/] {_escaped(error.message)}")
    if error.hint:
        shown.print(f"[bold]hint:[/] {_escaped(error.hint)}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
