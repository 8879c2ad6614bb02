"""A bar on standard error while something long goes on, if a person is looking."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, ProgressColumn, Task, TaskID


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Give what is to be told how much is done of how much; the bar shows up at the first word, with rate and time left."""
    if not sys.stderr.isatty():
        yield None
        return
    drawn: list[tuple[Progress, TaskID]] = []

    def tick(done: int, total: int) -> None:
        if not drawn:
            drawn.append(_bar(what))
        bar, task = drawn[0]
        bar.update(task, completed=done, total=total)

    try:
        yield tick
    finally:
        for bar, _ in drawn:
            bar.stop()


def _bar(what: str) -> tuple[Progress, TaskID]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mainspring.cli.output import console

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), _rate(), TimeRemainingColumn())
    bar = Progress(*columns, console=console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    bar.start()
    return bar, task


def _rate() -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f}/s")

    return Rate()
