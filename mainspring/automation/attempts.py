"""Running the user's code: again after a failure, with random numbers of its own, and with errors that say where."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.automation.closure import is_project_file
from mainspring.automation.seeds import seeded
from mainspring.base.clock import now
from mainspring.base.errors import MainspringError, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """How it went: a value or an error, after how many attempts, and what the earlier ones ended with."""

    value: Any
    error: StepFailed | None
    attempts: int
    started_at: int
    seconds: float
    failures: list[str]

    @property
    def record(self) -> str | None:
        """Every failure as text, one line each."""
        return "\n".join(f"attempt {number}: {text}" for number, text in enumerate(self.failures, 1)) or None


def attempt(name: str, compute: Callable[[], Any], *, retries: int, delay: float, seed: int, root: Path) -> Attempted:
    """Call ``compute`` until it returns, at most ``retries`` times more; the pause doubles from ``delay`` seconds on.

    ``seed`` is set before every attempt. Ctrl-C is not a failure and goes through.
    """
    started_at, begun = now(), time.perf_counter()
    failures: list[str] = []
    while True:
        try:
            with seeded(seed, name):
                value = compute()
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything; it becomes a StepFailed
            failures.append(summary(error, root))
            if len(failures) <= retries:
                time.sleep(delay * 2 ** (len(failures) - 1))
                continue
            value = None
            failed: StepFailed | None = explained(error, root, f"step '{name}'")
        else:
            failed = None
        seconds = time.perf_counter() - begun
        made = len(failures) + (failed is None)
        return Attempted(
            value=value, error=failed, attempts=made, started_at=started_at, seconds=seconds, failures=failures
        )


def explained(error: Exception, root: Path, what: str) -> StepFailed:
    """Return the failure of the user's code as an error that names what failed, why, and the line."""
    if isinstance(error, StepFailed):
        return error
    hint = "fix it and run again: finished steps are not repeated (--debug shows the traceback)"
    failed = StepFailed(
        f"{what} failed: {summary(error, root)}",
        hint=(error.hint if isinstance(error, MainspringError) else None) or hint,
        exception=type(error).__name__,
        where=location(error.__traceback__, root),
        traceback="".join(traceback.format_exception(error)),
    )
    failed.__cause__ = error
    return failed


def summary(error: BaseException, root: Path) -> str:
    """Return kind, text and line of an exception."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = location(error.__traceback__, root)
    return f"{text} ({where})" if where else text


def location(trace: TracebackType | None, root: Path) -> str | None:
    """Return ``file:line`` of the deepest project code in a traceback."""
    found = None
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if is_project_file(file, root):
            path = Path(file)
            found = f"{path.relative_to(root) if path.is_relative_to(root) else path.name}:{line}"
    return found
