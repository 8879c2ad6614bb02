"""Calls of steps in other processes: fresh ones, never forked, that end with the process that started them."""

from __future__ import annotations

import functools
import importlib
import os
import pickle
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.automation import results
from mainspring.automation.attempts import Attempted, attempt, explained
from mainspring.automation.replay import Logged, listening
from mainspring.automation.resources import at_once, processors
from mainspring.base.errors import UsageError
from mainspring.base.files import write_atomic
from mainspring.base.hashing import md5_bytes
from mainspring.store.objects import Objects
from mainspring.tracking.run import active_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from mainspring.automation.active import Work
    from mainspring.automation.results import StoredResult


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call, ready to be sent."""

    name: str
    label: str
    importable: tuple[str, str]
    arguments: bytes
    shared: Path | None
    retries: int
    retry_delay: float
    seed: int
    root: Path
    objects: Path


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a call ended in the other process; its result is stored already."""

    stored: StoredResult | None
    attempted: Attempted
    logged: Logged | None = None


@dataclass
class Pool:
    """Processes that make calls; started when first needed."""

    root: Path
    objects: Path
    scratch: Path
    seed: int
    _executors: dict[int, ProcessPoolExecutor] = field(default_factory=dict)
    _files: set[Path] = field(default_factory=set)

    def submit(self, work: Work, label: str) -> Future[Done]:
        """Send a call.

        Raises:
            UsageError: an argument cannot be sent to another process.
        """
        assert work.importable is not None
        task = Task(
            name=work.name,
            label=label,
            importable=work.importable,
            arguments=_sent(work.name, (work.positional, dict(work.named))),
            shared=self._share(work.name, work.shared),
            retries=work.retries,
            retry_delay=work.retry_delay,
            seed=self.seed,
            root=self.root,
            objects=self.objects,
        )
        count = at_once(work.resources)
        if count not in self._executors:
            logging = active_run()
            self._executors[count] = _executor(count, logging.environment() if logging is not None else {})
        return self._executors[count].submit(run, task)

    def close(self, *, now: bool = False) -> None:
        """End the processes; ``now`` does not wait for calls that are under way."""
        for executor in self._executors.values():
            running = list((executor._processes or {}).values())
            executor.shutdown(wait=not now, cancel_futures=True)
            if now:
                for process in running:
                    process.terminate()
        for file in self._files:
            file.unlink(missing_ok=True)

    def _share(self, name: str, shared: Mapping[str, Any]) -> Path | None:
        """Write what all calls have in common once, instead of sending it with each."""
        if not shared:
            return None
        identity = tuple(id(value) for value in shared.values())
        if getattr(self, "_last", None) is None or self._last[0] != identity:
            data = _sent(name, dict(shared))
            path = self.scratch / f"{md5_bytes(data)}.pickle"
            write_atomic(path, data)
            self._files.add(path)
            self._last: tuple[tuple[int, ...], Path, Mapping[str, Any]] = (identity, path, shared)
        return self._last[1]


def run(task: Task) -> Done:
    """Make a call in this process and store what it returned."""
    root = task.root
    with listening() as logged:
        attempted = attempt(
            task.label,
            functools.partial(_call, task),
            retries=task.retries,
            delay=task.retry_delay,
            seed=task.seed,
            root=root,
        )
    if attempted.error is not None:
        return Done(stored=None, attempted=attempted)
    try:
        stored = results.store(Objects(task.objects), attempted.value, root)
    except Exception as error:  # noqa: BLE001 - whatever it is, the process that asked has to hear of it
        failed = explained(error, root, f"step '{task.name}'")
        return Done(stored=None, attempted=_without_value(attempted, failed))
    return Done(stored=stored, attempted=_without_value(attempted, None), logged=logged)


def _without_value(attempted: Attempted, error: Any) -> Attempted:
    return Attempted(
        value=None,
        error=error,
        attempts=attempted.attempts,
        started_at=attempted.started_at,
        seconds=attempted.seconds,
        failures=attempted.failures,
    )


def _call(task: Task) -> Any:
    module, path = task.importable
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    positional, named = pickle.loads(task.arguments)  # noqa: S301 - sent by the process that started this one
    shared = _read_shared(task.shared) if task.shared else {}
    return found.function(*positional, **named, **shared)


@functools.lru_cache(maxsize=1)
def _read_shared(path: Path) -> dict[str, Any]:
    shared: dict[str, Any] = pickle.loads(path.read_bytes())  # noqa: S301 - written by the process that started this one
    return shared


def _sent(name: str, value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:
        hint = "pass data, or functions defined at the top of a module; not lambdas, open files or connections"
        raise UsageError(f"an argument of step '{name}' cannot be sent to a process: {error}", hint=hint) from error


def _executor(count: int, variables: dict[str, str]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        count,
        mp_context=get_context("spawn"),
        initializer=_prepare,
        initargs=(os.getpid(), count, list(sys.path), variables),
    )


def _prepare(parent: int, count: int, path: list[str], variables: dict[str, str]) -> None:
    """Make this process one of many: its share of the threads, deaf to Ctrl-C, gone when its parent is.

    ``variables`` let what it logs go to the run of the process that started it.
    """
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path[:] = path
    threads = str(max(1, processors() // count))
    for variable in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, threads)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
