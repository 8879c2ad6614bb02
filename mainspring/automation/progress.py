"""What an execution tells the person who waits for it, on standard error."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

_MARKS = {"finished": "▸", "cached": "▸", "failed": "✗", "interrupted": "✗"}


class Reporter:
    """Says nothing."""

    def started(self, name: str) -> None:
        """Tell that a step begins to run."""

    def ended(self, name: str, status: str, seconds: float = 0.0, attempts: int = 1) -> None:
        """Tell how a step ended."""

    def fanned_out(self, name: str, total: int) -> None:
        """Tell that a step is called many times; its ends are counted instead of told one by one."""

    def note(self, line: str) -> None:
        """Tell something else."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines(Reporter):
    """One line a step, for logs and pipes."""

    def __init__(self) -> None:
        self.many: dict[str, tuple[int, Counter[str]]] = {}
        self.lock = threading.Lock()

    def ended(self, name: str, status: str, seconds: float = 0.0, attempts: int = 1) -> None:
        """Print how the step ended; of many calls, when the last one has."""
        with self.lock:
            if name not in self.many:
                self.note(line(name, status, seconds, attempts))
                return
            total, counts = self.many[name]
            counts[status] += 1
            self.advanced(name, counts.total())
            if counts.total() == total:
                del self.many[name]
                words = {"finished": "ran"}
                self.note(
                    f"▸ {name} … " + ", ".join(f"{n} {words.get(status, status)}" for status, n in counts.items())
                )

    def fanned_out(self, name: str, total: int) -> None:
        """Count the ends of many calls."""
        with self.lock:
            held, counts = self.many.get(name, (0, Counter()))
            self.many[name] = (held + total, counts)

    def advanced(self, name: str, done: int) -> None:
        """Show how many of many calls are done."""

    def note(self, line: str) -> None:
        """Print a line."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class Bars(Lines):
    """A line a finished step, and what runs at present moving below."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True, highlight=False)
        self.progress = Progress(*columns, console=console, transient=True, redirect_stdout=False)
        self.progress.start()
        self.tasks: dict[str, TaskID] = {}

    def started(self, name: str) -> None:
        """Show the step moving."""
        if name not in self.tasks:
            self.tasks[name] = self.progress.add_task(name, total=None)

    def ended(self, name: str, status: str, seconds: float = 0.0, attempts: int = 1) -> None:
        """Print how the step ended."""
        super().ended(name, status, seconds, attempts)
        if name not in self.many and name in self.tasks:
            self.progress.remove_task(self.tasks.pop(name))

    def fanned_out(self, name: str, total: int) -> None:
        """Show a bar that fills."""
        super().fanned_out(name, total)
        self.started(name)
        self.progress.update(self.tasks[name], total=self.many[name][0])

    def advanced(self, name: str, done: int) -> None:
        """Fill the bar."""
        self.progress.update(self.tasks[name], completed=done)

    def note(self, line: str) -> None:
        """Print a line above what moves."""
        self.progress.console.print(line, markup=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.progress.stop()


def line(name: str, status: str, seconds: float, attempts: int = 1) -> str:
    """Return how a step ended, as a line.

    >>> line("features", "finished", 1.234), line("train", "cached", 0), line("load", "finished", 2, 3)
    ('▸ features … ran 1.2 s', '▸ train … cached', '▸ load … ran 2.0 s (attempt 3)')
    """
    word = {"finished": f"ran {seconds:.1f} s", "failed": f"failed after {seconds:.1f} s"}.get(status, status)
    return f"{_MARKS.get(status, '▸')} {name} … {word}" + (f" (attempt {attempts})" if attempts > 1 else "")


def reporter(*, wanted: bool) -> Reporter:
    """Return what fits where standard error goes."""
    if not wanted:
        return Reporter()
    return Bars() if sys.stderr.isatty() else Lines()
