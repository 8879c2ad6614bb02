"""What an execution would do: which steps are remembered, which would run, and which nobody can know yet."""

from __future__ import annotations

import typing
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgspec

from mainspring.automation import memory, results
from mainspring.automation.active import Work, acting
from mainspring.automation.attempts import explained
from mainspring.automation.binding import choose, value_of
from mainspring.automation.entrypoint import load
from mainspring.automation.recorder import key_of
from mainspring.base.errors import MainspringError, NotFound
from mainspring.base.randomness import set_seed
from mainspring.base.settings.load import FILE_NAME
from mainspring.store.workspace import Workspace
from mainspring.tracking.run import start_run
from mainspring.versioning.contents import read_contents
from mainspring.versioning.data import Dataset, DatasetVersion, locate, open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step and what would become of it; ``depends_on`` names the steps whose results it waits for."""

    position: int
    name: str
    status: Literal["cached", "run", "depends", "unknown"]
    depends_on: list[str] = []
    key: str | None = None


REST = "(the rest of the pipeline)"


def plan(
    workspace: Workspace, *, entrypoint: str | None = None, parameters: Mapping[str, Any] | None = None
) -> list[PlannedStep]:
    """Go through a pipeline without running any step that is not remembered. Records nothing.

    Remembered results are used, so ``if`` and ``for`` go the way they would; where the pipeline needs to look into a
    result that is not there yet, the plan ends with a step of status ``unknown``.

    Raises:
        UsageError, StepFailed: as ``execute``, where the failure does not come from what is not known.
    """
    pipeline = load(workspace, entrypoint)
    settings = workspace.settings
    configured = settings.pipeline is not None and entrypoint in (None, settings.pipeline.entrypoint)
    datasets, chosen = choose(settings, pipeline, parameters or {}, configured=configured)
    arguments = {name: value_of(_dataset(workspace, name), pipeline.annotation(name)) for name in datasets} | chosen
    planner = _Planner(workspace)
    set_seed(settings.seed)
    bound = pipeline.signature.bind_partial()
    bound.arguments.update({name: arguments[name] for name in pipeline.signature.parameters if name in arguments})
    try:
        with acting(planner), _nowhere():
            pipeline.function(*bound.args, **bound.kwargs)
    except Exception as error:
        if not planner.open:
            raise explained(error, workspace.root, f"pipeline '{pipeline.name}'") from error
        planner.add(REST, "unknown", depends_on=planner.open[-1:])
    return planner.steps


@contextmanager
def _nowhere() -> Iterator[None]:
    """Give what the pipeline logs a run that is thrown away."""
    with TemporaryDirectory(prefix="mainspring-plan-") as folder:
        Path(folder, FILE_NAME).write_text("project: plan\n", encoding="utf-8")
        workspace = Workspace(Path(folder))
        try:
            with start_run(workspace, snapshot=False):
                yield
        finally:
            workspace.close()


@dataclass(frozen=True)
class Unknown:
    """Stands for a result that is not there yet; whatever is made of it is not known either."""

    step: str
    parts: int | None = None

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unknown(self.step)

    def __getitem__(self, key: object) -> Unknown:
        return Unknown(self.step)

    def __call__(self, *_: object, **__: object) -> Unknown:
        return Unknown(self.step)

    def __iter__(self) -> Iterator[Unknown]:
        if self.parts is None:
            self._stop()
        return iter([Unknown(self.step)] * (self.parts or 0))

    def _combine(self, *_: object) -> Unknown:
        return Unknown(self.step)

    def _stop(self, *_: object) -> NoReturn:
        raise NotKnownYet(f"the result of step '{self.step}' is not known yet", hint="run the pipeline")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _combine
    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __abs__ = _combine
    __bool__ = __len__ = __int__ = __float__ = __index__ = _stop
    __array__ = _stop


class NotKnownYet(MainspringError):
    """A pipeline looks into a result that a plan does not have."""

    code = "not_known_yet"


class _Planner:
    """The runner of a plan."""

    only_plans = True

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.root = workspace.root
        self.steps: list[PlannedStep] = []
        self.open: list[str] = []

    def perform(self, work: Work) -> Any:
        """Return the remembered result, or something that stands for it."""
        waits = list(dict.fromkeys(_unknown(work.arguments)))
        if waits:
            return self._unknown(work, "depends", waits, None)
        key = key_of(work, self.root, self.workspace.settings.seed) if work.cache else None
        try:
            remembered = memory.recall(self.workspace, key) if key is not None else None
        except results.Unreadable:
            remembered = None
        if remembered is not None:
            self.add(work.name, "cached", key=key)
            return remembered.value
        return self._unknown(work, "run", [], key)

    def fan_out(self, works: list[Work]) -> list[Future[Any]]:
        """As ``perform``, for each."""
        futures: list[Future[Any]] = []
        for work in works:
            future: Future[Any] = Future()
            future.set_result(self.perform(work))
            futures.append(future)
        return futures

    def add(
        self,
        name: str,
        status: Literal["cached", "run", "depends", "unknown"],
        *,
        depends_on: list[str] | None = None,
        key: str | None = None,
    ) -> None:
        """Note a step."""
        position = len(self.steps) + 1
        self.steps.append(
            PlannedStep(position=position, name=name, status=status, depends_on=depends_on or [], key=key)
        )

    def _unknown(self, work: Work, status: Literal["run", "depends"], waits: list[str], key: str | None) -> Unknown:
        self.add(work.name, status, depends_on=waits, key=key)
        self.open.append(work.name)
        return Unknown(work.name, _parts(work.code))


def _parts(code: Any) -> int | None:
    """Return how many results a function's annotation promises, if it promises a tuple."""
    try:
        answer = typing.get_type_hints(code).get("return")
    except (NameError, TypeError, AttributeError):
        return None
    kinds = typing.get_args(answer)
    return len(kinds) if typing.get_origin(answer) is tuple and Ellipsis not in kinds else None


def _unknown(value: Any) -> Iterator[str]:
    if isinstance(value, Unknown):
        yield value.step
    elif isinstance(value, dict):
        for item in value.values():
            yield from _unknown(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _unknown(item)


def _dataset(workspace: Workspace, name: str) -> Dataset:
    try:
        return open_dataset(workspace, name, add=False)
    except NotFound:
        _, path = locate(workspace, name)
        if not path.exists():
            raise
    contents = read_contents(workspace, path)
    version = DatasetVersion(
        id="",
        dataset=name,
        number=0,
        path=path.relative_to(workspace.root).as_posix(),
        md5=contents.md5,
        size=contents.size,
        files=len(contents.files),
        created_at=0,
        actor="",
    )
    return Dataset(name=name, path=path, version=version, time=workspace.settings.datasets[name].time)
