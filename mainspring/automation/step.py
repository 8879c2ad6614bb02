"""Steps: ordinary functions whose results are remembered."""

from __future__ import annotations

import functools
import inspect
import math
import sys
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from mainspring.automation.active import Work, runner
from mainspring.base.clock import milliseconds
from mainspring.base.errors import StepFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A function whose result is remembered under its code, its arguments and the environment.

    Called outside of an execution it is the function. Within one, a call with a known key returns the remembered
    result, and any other runs the function and stores what it returned before going on.
    """

    def __init__(self, function: Callable[P, R], *, options: _Options) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self.name = options.name or function.__name__
        self.signature = inspect.signature(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's result, remembered or fresh."""
        current = runner()
        if current is None:
            from mainspring.tracking.run import rehearsal

            with rehearsal():
                return self.function(*args, **kwargs)
        result: R = current.perform(self._work(args, kwargs, {}))
        return result

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Behave like a function when defined in a class."""
        return self if instance is None else functools.partial(self, instance)  # type: ignore[arg-type]  # P is unknown here

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Start one call in another process; ``.result()`` waits for it."""
        current = runner()
        if current is not None:
            return current.fan_out([self._work(args, kwargs, {}, item=True)])[0]
        future: Future[R] = Future()
        try:
            future.set_result(self.function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future hands the error to whoever asks for the result
            future.set_exception(error)
        return future

    def map(self, items: Iterable[Any], **shared: Any) -> list[R]:
        """Call the step once for each item (its first argument) over several processes; results in the order of items.

        Every item is remembered by itself. When some fail the others still finish and are kept.

        Raises:
            StepFailed: after all have ended, naming how many failed and the first reason.
        """
        current = runner()
        given = list(items)
        if current is None:
            function: Callable[..., R] = self.function
            return [function(item, **shared) for item in given]
        return _gather(self.name, current.fan_out([self._work((item,), shared, shared, item=True) for item in given]))

    def _work(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], shared: Mapping[str, Any], *, item: bool = False
    ) -> Work:
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return Work(
            name=self.name,
            code=self.function,
            arguments=bound.arguments,
            compute=functools.partial(self.function, *args, **kwargs),
            retries=self.options.retries,
            retry_delay=self.options.retry_delay,
            cache=self.options.cache,
            importable=self._importable() if item else None,
            positional=args,
            named={name: value for name, value in kwargs.items() if name not in shared},
            shared=shared,
            resources=self.options.resources,
            item=item,
        )

    def _importable(self) -> tuple[str, str] | None:
        module, path = self.function.__module__, self.function.__qualname__
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        return (module, path) if found is self and module != "__main__" else None

    def __repr__(self) -> str:
        return f"<step {self.name}>"


class _Options:
    def __init__(
        self, name: str | None, retries: int, retry_delay: str | float, cache: bool, resources: dict[str, float] | None
    ) -> None:
        if retries < 0:
            raise UsageError(f"retries={retries}: a step cannot run fewer times than once", hint="use 0 or more")
        for resource, amount in (resources or {}).items():
            if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 <= amount < math.inf:
                hint = 'say how many one call needs, such as {"cpu": 2}'
                raise UsageError(f"resources: {resource}={amount!r} is no number of {resource}", hint=hint)
        self.name = name
        self.retries = retries
        self.retry_delay = milliseconds(retry_delay) / 1000 if isinstance(retry_delay, str) else float(retry_delay)
        self.cache = cache
        self.resources = resources or {}


@overload
def step(function: Callable[P, R], /) -> Step[P, R]:
    """Without arguments."""


@overload
def step(
    *,
    retries: int = 0,
    retry_delay: str | float = 1.0,
    name: str | None = None,
    cache: bool = True,
    resources: dict[str, float] | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """With arguments."""


def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    retries: int = 0,
    retry_delay: str | float = 1.0,
    name: str | None = None,
    cache: bool = True,
    resources: dict[str, float] | None = None,
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step: its result is remembered by its code, its arguments and the environment.

    ``retries`` more attempts follow a failure, the first after ``retry_delay`` (seconds, or text such as ``"2m"``), each
    next one after twice as long. ``cache=False`` runs it in every execution. ``resources`` such as ``{"cpu": 2, "gpu": 1}``
    say what one call needs: ``.map`` and ``.submit`` start as many at once as this machine can hold, and a step that needs
    more than there is is an error before it runs.

    >>> @step
    ... def double(x):
    ...     return 2 * x
    >>> double(4), double.map([1, 2])
    (8, [2, 4])
    """
    options = _Options(name, retries, retry_delay, cache, resources)
    if function is not None:
        return Step(function, options=options)
    return lambda wrapped: Step(wrapped, options=options)


def _gather(name: str, futures: list[Future[R]]) -> list[R]:
    errors = [error for future in futures if (error := future.exception()) is not None]
    if not errors:
        return [future.result() for future in futures]
    first = errors[0]
    if len(errors) == 1 and len(futures) == 1:
        raise first
    message = getattr(first, "message", str(first))
    raise StepFailed(
        f"{len(errors)} of {len(futures)} calls of step '{name}' failed; the first: {message}",
        hint="the other results are kept: fix it and run again, only the failed ones are repeated",
        step=name,
        failed=len(errors),
    ) from first
