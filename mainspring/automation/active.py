"""Which execution the running code belongs to: what steps ask before they decide how to run."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Work:
    """One call of a step: what it is called, what its answer depends on, and how to get the answer.

    ``code`` is the user's function whose closure counts, or text that stands for it.
    """

    name: str
    code: Any
    arguments: Mapping[str, Any]
    compute: Callable[[], Any]
    retries: int = 0
    retry_delay: float = 1.0
    cache: bool = True
    importable: tuple[str, str] | None = None
    """Module and qualified name under which another process finds the step."""
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    """What a machine has to have for the call, such as ``{"cpu": 2}``."""
    item: bool = False
    """One of many calls of the same step; it draws random numbers of its own."""


class Runner(Protocol):
    """What carries out work: a recorded execution, or a plan of one."""

    root: Path
    only_plans: bool
    """Whether nothing that is not remembered is computed."""

    def perform(self, work: Work) -> Any:
        """Return the result of the work, remembered or computed."""

    def fan_out(self, works: list[Work]) -> list[Future[Any]]:
        """Start work in other processes; every future gives one result."""


_active: ContextVar[Runner | None] = ContextVar("mainspring_runner", default=None)


def runner() -> Runner | None:
    """Return what carries out work here, or None outside of an execution."""
    return _active.get()


@contextmanager
def acting(current: Runner | None) -> Iterator[None]:
    """Let ``current`` carry out the work of this block."""
    token = _active.set(current)
    try:
        yield
    finally:
        _active.reset(token)
