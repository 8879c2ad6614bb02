"""What a step logged when it ran, logged again into every run in which it is remembered."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import MainspringError
from mainspring.base.hashing import md5_bytes
from mainspring.tracking.limits import param_text, tag_text
from mainspring.tracking.run import active_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mainspring.store.objects import Objects
    from mainspring.tracking.run import Run


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's value at a step, as text, which can hold NaN and infinity."""

    key: str
    value: str
    step: int = 0
    low: float | None = None
    high: float | None = None
    n: int | None = None


class Logged(msgspec.Struct, kw_only=True):
    """Everything that one call of a step logged into its run; files by name and address."""

    points: list[Point] = []
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    files: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.points or self.params or self.tags or self.files)

    def add(self, other: Logged) -> None:
        """Take in what a step within this one logged."""
        self.points += other.points
        self.params |= other.params
        self.tags |= other.tags
        self.files |= other.files


_listening: ContextVar[Logged | None] = ContextVar("mainspring_logged", default=None)


@contextmanager
def listening() -> Iterator[Logged]:
    """Note what this block logs into the active run."""
    run = active_run()
    if run is not None and "log_metric" not in vars(run):
        _listen(run)
    heard, outer = Logged(), _listening.get()
    token = _listening.set(heard)
    try:
        yield heard
    finally:
        _listening.reset(token)
        if outer is not None:
            outer.add(heard)


def replay(logged: Logged, objects: Objects) -> None:
    """Log it again, into the active run if there is one."""
    run = active_run()
    if run is None:
        return
    for point in logged.points:
        run.log_metric(point.key, _estimate(point), point.step)
    run.log_params(logged.params)
    run.set_tags(logged.tags)
    for name, md5 in logged.files.items():
        run.log_bytes(objects.read_bytes(md5), name)


def encode(logged: Logged) -> bytes:
    """Return it as JSON."""
    return msgspec.json.encode(logged)


def decode(data: bytes) -> Logged:
    """Return what ``encode`` wrote.

    Raises:
        MainspringError: it is nothing that ``encode`` writes.
    """
    try:
        return msgspec.json.decode(data, type=Logged)
    except msgspec.MsgspecError as error:
        raise MainspringError(f"what a step logged cannot be read: {error}") from None


def _listen(run: Run) -> None:
    """Put an ear before the methods of this one run that everything it logs goes through."""
    for name, note in (
        ("log_metric", _note_metric),
        ("log_metrics", _note_metrics),
        ("log_params", _note_params),
        ("set_tags", _note_tags),
        ("log_bytes", _note_bytes),
    ):
        setattr(run, name, _heard(getattr(run, name), note))


def _heard(method: Any, note: Any) -> Any:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        answer = method(*args, **kwargs)
        heard = _listening.get()
        if heard is not None:
            note(heard, *args, **kwargs)
        return answer

    return call


def _note_metric(heard: Logged, key: str, value: Any, step: int = 0, **_: Any) -> None:
    number = float(getattr(value, "value", value))
    bounds = {name: getattr(value, name, None) for name in ("low", "high", "n")}
    heard.points.append(Point(key=key, value=repr(number), step=step, **bounds))


def _note_metrics(heard: Logged, metrics: Mapping[str, Any], step: int = 0, **_: Any) -> None:
    for key, value in metrics.items():
        _note_metric(heard, key, value, step)


def _note_params(heard: Logged, params: Mapping[str, object]) -> None:
    heard.params |= {key: param_text(key, value) for key, value in params.items()}


def _note_tags(heard: Logged, tags: Mapping[str, object]) -> None:
    heard.tags |= {key: tag_text(key, value) for key, value in tags.items()}


def _note_bytes(heard: Logged, data: bytes, name: str, **_: Any) -> None:
    heard.files[name] = md5_bytes(data)


class _Estimate(msgspec.Struct, frozen=True):
    value: float
    low: float | None
    high: float | None
    n: int | None


def _estimate(point: Point) -> Any:
    value = float(point.value)
    return value if point.low is None and point.n is None else _Estimate(value, point.low, point.high, point.n)
