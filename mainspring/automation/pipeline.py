"""Pipelines: ordinary functions that call steps and return a candidate."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class Pipeline(Generic[P, R]):
    """A function that ``mainspring run`` executes; called directly it is just the function, and nothing is recorded."""

    def __init__(self, function: Callable[P, R], *, name: str | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name or function.__name__
        self.signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; outside of an execution what it logs goes nowhere, unless a run is active."""
        from mainspring.tracking.run import rehearsal

        with rehearsal():
            return self.function(*args, **kwargs)

    def annotation(self, parameter: str) -> Any:
        """Return the type that a parameter is annotated with, or ``inspect.Parameter.empty``."""
        try:
            return typing.get_type_hints(self.function).get(parameter, inspect.Parameter.empty)
        except (NameError, TypeError, AttributeError):  # a name that only type checkers see
            return self.signature.parameters[parameter].annotation

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]:
    """Without arguments."""


@overload
def pipeline(*, name: str | None = None) -> Callable[[Callable[P, R]], Pipeline[P, R]]:
    """With arguments."""


def pipeline(
    function: Callable[P, R] | None = None, /, *, name: str | None = None
) -> Pipeline[P, R] | Callable[[Callable[P, R]], Pipeline[P, R]]:
    """Make a function a pipeline: its parameters are datasets (by name) and parameters of the settings.

    >>> @pipeline
    ... def train(rate: float = 0.1):
    ...     return rate
    >>> train.name, train()
    ('train', 0.1)
    """
    if function is not None:
        return Pipeline(function, name=name)
    return lambda wrapped: Pipeline(wrapped, name=name)
