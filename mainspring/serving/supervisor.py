"""The prediction server: one supervisor, N workers with a socket each, and a guard that watches releases."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from prometheus_client.multiprocess import mark_process_dead

from mainspring.base.clock import milliseconds
from mainspring.base.errors import MainspringError, StorageError, UsageError
from mainspring.base.files import disk_error
from mainspring.base.ids import new_id
from mainspring.serving import servers
from mainspring.serving.admission import check_bind
from mainspring.serving.journal import recover
from mainspring.serving.publication import reconcile
from mainspring.serving.worker import bind

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

log = logging.getLogger(__name__)

START_SECONDS = 120.0
_STOP_SECONDS = 25.0
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_SETTLED_SECONDS = 30.0
_SILENT_SECONDS = 5.0
"""How much longer than a model may take a worker may show no sign of life."""
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "POLARS_MAX_THREADS",
    ),
    "1",
)


def serve(
    workspace: Workspace, *, host: str = "127.0.0.1", port: int = 8080, workers: int | None = None, guard: bool = True
) -> None:
    """Serve every endpoint of a workspace until SIGTERM or SIGINT; then stop cleanly.

    Prints one line, ``listening on http://HOST:PORT``, when all workers answer; port 0 takes any free one. A worker that
    crashes is started again. The guard moves releases on and rolls bad ones back, whether or not anything else runs.

    Raises:
        UsageError: not a loopback address and no token, an address that is taken, or no such address.
        StorageError: the workers could not start.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot serve", hint="use --workers 1 or more")
    check_bind(host)
    with contextlib.closing(_reserve(host, port)) as reserved:
        _heal(workspace)
        home = _home(workspace)
        try:
            servers.sweep(workspace, home)
            _recover(workspace, home)
            supervisor = Supervisor(
                workspace, home, host, reserved.getsockname()[1], workers or _processors(), guard=guard
            )
            asyncio.run(supervisor.run())
        finally:
            _recover(workspace, home)
            servers.leave(home)


def _processors() -> int:
    return min(len(os.sched_getaffinity(0)), 8) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _reserve(host: str, port: int) -> socket.socket:
    """Hold a port for the workers; a port on which somebody listens already is refused, even if it could be shared."""
    try:
        if port:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host.strip("[]"), port))
        return bind(host.strip("[]"), port)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error}", hint="choose another --port; 0 takes any free one"
        ) from error


def _home(workspace: Workspace) -> Path:
    home = servers.folder(workspace) / new_id()
    try:
        home.mkdir(parents=True, mode=0o700)
        servers.memory(home.name).mkdir(mode=0o700)
    except OSError as error:
        raise disk_error(error, home) from error
    return home


def _recover(workspace: Workspace, home: Path) -> None:
    """Write what workers that were killed had answered; the workers of this server do not run now."""
    try:
        rows = recover(workspace, home.glob(f"*{servers.JOURNAL}"), writer=home.name[-8:])
    except (MainspringError, OSError) as error:
        log.error("predictions of a server that was killed wait in %s: %s", home, error)
        return
    if rows:
        log.warning("%d predictions of workers that were killed were written from their journals", rows)


def _heal(workspace: Workspace) -> None:
    try:
        reconcile(workspace)
    except MainspringError as error:
        log.error("routes are taken as they are, the records cannot be read: %s", error.message)


class Supervisor:
    """Keeps the processes of a server running."""

    def __init__(self, workspace: Workspace, home: Path, host: str, port: int, workers: int, *, guard: bool) -> None:
        self._workspace = workspace
        self._home = home
        self._shared = servers.memory(home.name)
        self._host = host
        self._port = port
        self._workers = workers
        self._guard = guard
        self._silence = milliseconds(workspace.settings.serving.timeout) / 1000 + _SILENT_SECONDS
        self._stopping = asyncio.Event()
        self._processes: set[asyncio.subprocess.Process] = set()
        self._turn = asyncio.Lock()
        self._renewals: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start everything, tell that it listens, and wait for the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        ready = [loop.create_future() for _ in range(self._workers)]
        kept = [
            loop.create_task(self._keep(self._worker_command(index), ready[index])) for index in range(self._workers)
        ]
        if self._guard:
            kept.append(loop.create_task(self._keep(self._guard_command(), loop.create_future())))
        try:
            if await self._all_ready(ready):
                shown = f"[{self._host}]" if ":" in self._host.strip("[]") else self._host
                servers.announce(self._home, host=self._host, port=self._port, workers=self._workers)
                sys.stdout.write(f"listening on http://{shown}:{self._port}\n")
                sys.stdout.flush()
                await self._stopping.wait()
        finally:
            self._stopping.set()
            await self._stop(kept)

    async def _all_ready(self, ready: list[asyncio.Future[bool]]) -> bool:
        """Return True when all workers answer, False when told to stop before."""
        stopping: asyncio.Future[Any] = asyncio.ensure_future(self._stopping.wait())
        everybody: asyncio.Future[Any] = asyncio.gather(*ready)
        await asyncio.wait({stopping, everybody}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._stopping.is_set():
            everybody.cancel()
            await asyncio.gather(everybody, return_exceptions=True)
            return False
        stopping.cancel()
        if everybody.done() and all(everybody.result()):
            return True
        raise StorageError("a worker of the prediction server could not start", hint="its own words are above")

    async def _keep(self, command: list[str], ready: asyncio.Future[bool]) -> None:
        delay = _FIRST_DELAY
        environment = os.environ | _ONE_THREAD | {"PROMETHEUS_MULTIPROC_DIR": str(self._shared)}
        back = asyncio.Event()
        while not self._stopping.is_set():
            start = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment
            )
            self._processes.add(process)
            await self._listen(process, ready, back)
            code = await process.wait()
            self._processes.discard(process)
            mark_process_dead(process.pid, str(self._shared))  # type: ignore[no-untyped-call] # has no types
            if self._stopping.is_set():
                return
            if time.monotonic() - start > _SETTLED_SECONDS:
                delay = _FIRST_DELAY
            log.error("%s ended with code %d; it is started again in %.1f s", command[2], code, delay)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _listen(
        self, process: asyncio.subprocess.Process, ready: asyncio.Future[bool], back: asyncio.Event
    ) -> None:
        """Hear what a process says until it ends; a worker that falls silent hangs as a whole, and is killed."""
        assert process.stdout is not None
        silence: float | None = None
        renewed = False
        while True:
            try:
                async with asyncio.timeout(silence):
                    word = (await process.stdout.readline()).decode(errors="replace").strip("\n")
            except TimeoutError:
                log.error("worker process %d showed no sign of life for %g s and is killed", process.pid, self._silence)
                silence = None
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                continue
            if not word:
                break
            if word == servers.READY:
                silence = self._silence
                back.set()
                if not ready.done():
                    ready.set_result(True)
            elif word == servers.HUNG and not renewed:
                renewed = True
                renewal = asyncio.get_running_loop().create_task(self._renew(process, back))
                self._renewals.add(renewal)
                renewal.add_done_callback(self._renewals.discard)
        if not ready.done():
            ready.set_result(False)

    async def _renew(self, process: asyncio.subprocess.Process, back: asyncio.Event) -> None:
        """Replace a worker in which a model hangs: it finishes what it was asked. One at a time, so that others answer."""
        async with self._turn:
            if process.returncode is not None:
                return
            back.clear()
            log.error("a model hangs in worker process %d, which is replaced", process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    await back.wait()

    async def _stop(self, kept: list[asyncio.Task[None]]) -> None:
        """Ask all processes to stop, wait, and end those that do not."""
        for renewal in self._renewals:
            renewal.cancel()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        _, late = await asyncio.wait(kept, timeout=_STOP_SECONDS)
        if late:
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.wait(late)

    def _worker_command(self, index: int) -> list[str]:
        return [
            *self._module("mainspring.serving.worker"),
            *("--home", str(self._home), "--index", str(index)),
            *("--host", self._host.strip("[]"), "--port", str(self._port)),
        ]

    def _guard_command(self) -> list[str]:
        return self._module("mainspring.serving.guard")

    def _module(self, name: str) -> list[str]:
        command = [sys.executable, "-m", name, "--workspace", str(self._workspace.root)]
        if self._workspace.environment:
            command += ["--environment", self._workspace.environment]
        return command
