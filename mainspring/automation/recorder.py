"""Carrying out steps within a recorded execution: look up, run, store, record."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from mainspring.automation import memory, outputs, records, results
from mainspring.automation.active import acting
from mainspring.automation.attempts import Attempted, attempt, explained
from mainspring.automation.closure import code_hash
from mainspring.automation.fanout import Done, Pool
from mainspring.automation.progress import Reporter
from mainspring.automation.records import ExecutionRow, StepRow
from mainspring.automation.replay import listening, replay
from mainspring.automation.resources import require
from mainspring.automation.seeds import passed
from mainspring.automation.values import Unhashable, hash_value
from mainspring.base.clock import now
from mainspring.base.errors import MainspringError, StepFailed
from mainspring.base.hashing import digest
from mainspring.base.ids import new_id
from mainspring.base.owner import describe
from mainspring.tracking.run import active_run
from mainspring.versioning import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.automation.active import Work
    from mainspring.automation.leases import Lease
    from mainspring.automation.records import ResultRow
    from mainspring.automation.replay import Logged
    from mainspring.automation.results import StoredResult
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.recording import Run

KEY_FORMAT = 1
"""Part of every key; a later version that hashes differently counts it up."""
_LATEST = 1.0


def key_of(work: Work, root: Path, seed: int) -> str:
    """Return what a call's result is remembered under: name, code, arguments, environment and seed.

    Raises:
        Unhashable: an argument has no content that could be told apart; names it.
    """
    code = partial(code_hash, root=root)
    inputs = {}
    for name, value in work.arguments.items():
        try:
            inputs[name] = hash_value(value, code)
        except Unhashable as error:
            raise Unhashable(f"step '{work.name}', argument '{name}': {error.message}", hint=error.hint) from error
    means = work.code if isinstance(work.code, str) else code(work.code)
    return digest([KEY_FORMAT, work.name, means, inputs, _environment_key(), seed])


@lru_cache(maxsize=1)
def _environment_key() -> str:
    return environment.key()


class Recorder:
    """The runner of one execution.

    A step that ended is on record, its result before it, in one transaction; a step that was remembered is recorded
    with the next transaction. May be used from several threads.
    """

    only_plans = False

    def __init__(
        self,
        workspace: Workspace,
        execution_id: str,
        *,
        cache: bool = True,
        lease: Lease | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self.workspace = workspace
        self.root = workspace.root
        self.execution_id = execution_id
        self.cache = cache
        self.lease = lease
        self.reporter = reporter or Reporter()
        self.seed = workspace.settings.seed
        self.ran = 0
        self.cached = 0
        self._position = 0
        self._buffer: list[StepRow] = []
        self._flushed = time.monotonic()
        self._lock = threading.RLock()
        self._outstanding: list[Future[Any]] = []
        self._pool = Pool(self.root, workspace.objects.root, workspace.state / "scratch", self.seed)

    def perform(self, work: Work) -> Any:
        """Return the remembered result of the work, or run it and remember what it returns.

        Raises:
            StepFailed: the user's code raised, every time.
        """
        position, key = self._next(), self._key(work)
        found, value = self._recall(work, key, position)
        return value if found else self._run(work, key, position)

    def fan_out(self, works: list[Work]) -> list[Future[Any]]:
        """Start calls that are not remembered in other processes; each is recorded when it ends."""
        if len(works) > 1:
            self.reporter.fanned_out(works[0].name, len(works))
        futures = [self._start(work) for work in works]
        self._outstanding += futures
        return futures

    def close(self, *, at_once: bool = False) -> None:
        """Wait for calls that are under way (unless ``at_once``), end the processes, record what is left."""
        if not at_once:
            for future in self._outstanding:
                future.exception()
        self._pool.close(now=at_once)
        self.flush()

    def flush(self) -> None:
        """Record the steps that were remembered."""
        with self._lock:
            if self._buffer:
                self._write(None, [])

    def _key(self, work: Work) -> str:
        if work.cache:
            return key_of(work, self.root, self.seed)
        return digest([work.name, self.execution_id, self._position])

    def _next(self) -> int:
        with self._lock:
            self._position += 1
            return self._position

    def _recall(self, work: Work, key: str, position: int) -> tuple[bool, Any]:
        if not (self.cache and work.cache):
            return False, None
        begun = time.perf_counter()
        try:
            remembered = memory.recall(self.workspace, key)
        except results.Unreadable as error:
            self.reporter.note(f"▸ {work.name} … its remembered result is unusable ({error.message}); it runs again")
            return False, None
        if remembered is None:
            return False, None
        with self._lock:
            self.cached += 1
            self._buffer.append(self._row(work, key, position, "cached", 0, now(), time.perf_counter() - begun, None))
            if time.monotonic() - self._flushed > _LATEST:
                self._write(None, [])
        passed()
        if remembered.logged is not None:
            replay(remembered.logged, self.workspace.objects)
        outputs.log(active_run(), remembered.value, remembered.stored)
        self.reporter.ended(work.name, "cached")
        return True, remembered.value

    def _run(self, work: Work, key: str, position: int) -> Any:
        require(work.name, work.resources)
        self.reporter.started(work.name)
        started_at, begun = now(), time.perf_counter()
        try:
            with listening() as logged:
                attempted = attempt(
                    _label(work),
                    work.compute,
                    retries=work.retries,
                    delay=work.retry_delay,
                    seed=self.seed,
                    root=self.root,
                )
        except BaseException:
            seconds = time.perf_counter() - begun
            row = self._row(work, key, position, "interrupted", 1, started_at, seconds, "interrupted")
            self._end(row, None, None)
            raise
        value, stored, error = attempted.value, None, attempted.error
        if error is None and work.cache:
            try:
                stored = results.store(self.workspace.objects, value, self.root)
                if stored.format == "pickle":  # what comes out is what will come out when it is remembered
                    value = results.load(self.workspace.objects, stored, self.root)
            except MainspringError as unstored:
                stored, error = None, explained(unstored, self.root, f"step '{work.name}'")
        self._end_attempted(work, key, position, attempted, stored, logged, error)
        if error is not None:
            raise error
        outputs.log(active_run(), value, stored)
        return value

    def _end_attempted(
        self,
        work: Work,
        key: str,
        position: int,
        attempted: Attempted,
        stored: StoredResult | None,
        logged: Logged | None,
        error: MainspringError | None,
    ) -> None:
        status = "finished" if error is None else "failed"
        told = attempted.record if error is None or error is attempted.error else error.message
        row = self._row(work, key, position, status, attempted.attempts, attempted.started_at, attempted.seconds, told)
        self._end(row, stored, logged)

    def _end(self, row: StepRow, stored: StoredResult | None, logged: Logged | None) -> None:
        kept = [] if stored is None else memory.rows(self.workspace, row, stored, logged)
        with self._lock:
            self.ran += 1
            self._write(row, kept)
        self.reporter.ended(row.name, row.status, row.seconds, row.attempts)

    def _write(self, row: StepRow | None, kept: list[ResultRow]) -> None:
        with self.workspace.database.direct(write=True) as connection:
            if self.lease is not None:
                self.lease.check(connection)
            if kept:
                records.put_results(connection, kept)
            records.add_steps(connection, self._buffer if row is None else [*self._buffer, row])
        self._buffer.clear()
        self._flushed = time.monotonic()

    def _row(
        self,
        work: Work,
        key: str,
        position: int,
        status: str,
        attempts: int,
        at: int,
        seconds: float,
        error: str | None,
    ) -> StepRow:
        return StepRow(
            execution_id=self.execution_id,
            position=position,
            name=work.name,
            key=key,
            status=status,
            attempts=attempts,
            started_at=at,
            seconds=seconds,
            error=error,
        )

    def _start(self, work: Work) -> Future[Any]:
        answer: Future[Any] = Future()
        position, key = self._next(), self._key(work)
        found, value = self._recall(work, key, position)
        if found:
            answer.set_result(value)
        elif work.importable is None or not work.cache:
            try:
                answer.set_result(self._run(work, key, position))
            except StepFailed as error:
                answer.set_exception(error)
        else:
            require(work.name, work.resources)
            self.reporter.started(work.name)
            arrived = partial(self._arrived, answer, active_run(), work, key, position)
            self._pool.submit(work, _label(work)).add_done_callback(arrived)
        return answer

    def _arrived(
        self, answer: Future[Any], run: Run | None, work: Work, key: str, position: int, sent: Future[Done]
    ) -> None:
        """Record what came back from another process, then hand it on."""
        try:
            if sent.cancelled():
                answer.cancel()
                return
            done = sent.result()
            self._end_attempted(work, key, position, done.attempted, done.stored, done.logged, done.attempted.error)
            if done.stored is None:
                answer.set_exception(_told(done.attempted.error))
            else:
                value = results.load(self.workspace.objects, done.stored, self.root)
                outputs.log(run, value, done.stored)
                answer.set_result(value)
        except Exception as error:  # noqa: BLE001 - it has to reach whoever waits for the answer
            answer.set_exception(_broken(work.name, error))


def _label(work: Work) -> str:
    return f"{work.name}" if not work.item else f"{work.name} {hash_value(dict(work.arguments))}"


def _told(error: StepFailed | None) -> StepFailed:
    assert error is not None
    if error.__cause__ is None and "traceback" in error.details:
        error.__cause__ = RuntimeError(f"in another process:\n{error.details['traceback']}")
    return error


def _broken(name: str, error: Exception) -> MainspringError:
    if isinstance(error, MainspringError):
        return error
    hint = "most often memory ran out: set MAINSPRING_PROCESSES lower; finished calls are kept, run it again"
    broken = StepFailed(f"a process that ran step '{name}' ended without an answer: {error}", hint=hint, step=name)
    broken.__cause__ = error
    return broken


@contextmanager
def recording(
    workspace: Workspace, pipeline: str = "notebook", *, cache: bool = True, reporter: Reporter | None = None
) -> Iterator[Recorder]:
    """Record and remember the steps that are called in this block, outside of any pipeline.

    ``with recording(workspace): features(flights)``
    """
    at = now()
    row = ExecutionRow(
        id=new_id(),
        pipeline=pipeline,
        status="running",
        event_id=None,
        run_id=None,
        parameters={},
        outcome=None,
        started_at=at,
        ended_at=None,
        owner=describe(),
        heartbeat_at=at,
        error=None,
    )
    with workspace.database.write() as connection:
        records.add_execution(connection, row)
    recorder = Recorder(workspace, row.id, cache=cache, reporter=reporter)
    status, told = "failed", "the block was left by an error"
    try:
        with acting(recorder):
            yield recorder
        status, told = "finished", ""
    except KeyboardInterrupt:
        status, told = "interrupted", "interrupted"
        raise
    finally:
        recorder.close(at_once=status != "finished")
        with workspace.database.write() as connection:
            records.change_execution(connection, row.id, status=status, ended_at=now(), error=told or None)
