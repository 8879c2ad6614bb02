"""A worker process of the prediction server: ``python -m mainspring.serving.worker``, started by the supervisor.

It says on its standard output when it answers, that it lives, and when a model hung in it. It stops cleanly on SIGTERM,
and also when its standard input ends, that is, when the supervisor is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import uvicorn
import uvloop

from mainspring.base import logs
from mainspring.base.errors import MainspringError
from mainspring.serving import metrics, servers
from mainspring.serving.admission import TOKEN_VARIABLE, Admission
from mainspring.serving.application import Application
from mainspring.serving.connection import Connection
from mainspring.serving.endpoints import Endpoints
from mainspring.serving.inference import Inference
from mainspring.serving.journal import Journal, recover
from mainspring.serving.labels import LabelWriter
from mainspring.serving.recorder import Recorder
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Generator

log = logging.getLogger("mainspring.serving.worker")

GRACE_SECONDS = 10
LEAVE_SECONDS = 0.5
"""How long a caller who says nothing keeps the server from closing."""
KEEP_ALIVE_SECONDS = 65
_LAST_CALL_SECONDS = 20.0
MOST_FILES = 65_536
"""Open files, so callers at once, where the machine allows as many; a shell's usual 1024 are soon taken by slow ones."""
_BACKLOG = 2048


class HttpServer(uvicorn.Server):
    """The HTTP server, without its own idea of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the worker."""
        yield


class Worker:
    """All that one worker process holds."""

    def __init__(self, workspace: Workspace, home: Path, index: int) -> None:
        self._home = home
        self._index = index
        name = str(index)
        settings = workspace.settings.serving
        writer = f"{home.name[-8:]}.{index}"
        self.endpoints = Endpoints(workspace, name, changed=self._tell)
        self._workspace = workspace
        self._writer = writer
        journal = Journal(home, f"{writer}-{os.getpid()}")
        self.recorder = Recorder(workspace, writer, journal=journal, dropped=metrics.records_dropped)
        self.inference = Inference(settings, self.recorder, hung=lambda: _say(servers.HUNG))
        self.labels = LabelWriter(workspace, writer)
        self.application = Application(
            self.endpoints,
            self.inference,
            self.labels,
            Admission(settings.allowed_hosts, os.environ.get(TOKEN_VARIABLE)),
            max_body=settings.max_body_bytes,
            max_rows=settings.max_rows,
        )

    async def run(self, listener: socket.socket) -> None:
        """Serve until told to stop; then finish what was begun and write what was recorded."""
        server = HttpServer(
            uvicorn.Config(
                self.application,
                http=Connection,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        _follow_supervisor(loop, stopping)
        await asyncio.to_thread(self._recover)
        self.recorder.start()
        self.inference.start()
        await self.endpoints.settle()
        self._tell()
        beside = [loop.create_task(self.endpoints.watch()), loop.create_task(self._measure())]
        serving = loop.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            _say(servers.READY)
        await self._until(stopping, serving)
        await self._let_go(server)
        await serving
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await self.inference.close()
        await self.recorder.close()
        await self.labels.close()
        self.endpoints.close()

    async def _until(self, stopping: asyncio.Event, serving: asyncio.Task[None]) -> None:
        told = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({told, serving}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()

    async def _let_go(self, server: HttpServer) -> None:
        """Take no more callers; answer what is still asked on the connections there are, each of them for the last time."""
        self.application.leaving = True
        for listening in server.servers if server.started else ():
            listening.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                while server.server_state.connections:
                    await asyncio.sleep(0.01)
        server.should_exit = True

    def _recover(self) -> None:
        """Write what the worker before this one had answered when it was killed."""
        left = self._home.glob(f"{self._writer}-*{servers.JOURNAL}")
        try:
            rows = recover(self._workspace, left, writer=self._writer)
        except (MainspringError, OSError) as error:
            log.error("predictions of the worker before this one wait in %s: %s", self._home, error)
        else:
            if rows:
                log.warning("%d predictions of the worker before this one were written from its journal", rows)

    def _tell(self) -> None:
        generations, problems = self.endpoints.generations, self.endpoints.problems
        states = {
            name: servers.EndpointState(generation=generations.get(name, 0), problem=problems.get(name))
            for name in generations.keys() | problems.keys()
        }
        with contextlib.suppress(OSError):
            servers.tell(self._home, self._index, servers.WorkerState(pid=os.getpid(), endpoints=states))

    async def _measure(self) -> None:
        process = psutil.Process()
        while True:
            metrics.memory(str(self._index), process.memory_info().rss)
            await asyncio.sleep(servers.BEAT_SECONDS)
            _say(servers.BEAT)


def _say(word: str) -> None:
    """Tell the supervisor; one that is gone has no need to know."""
    with contextlib.suppress(OSError):
        os.write(1, f"{word}\n".encode())


def bind(host: str, port: int) -> socket.socket:
    """Return a socket of our own on an address that other workers share; the kernel spreads connections over them."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _follow_supervisor(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Stop when standard input ends; if the loop hangs, stop anyway."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stopping.set)
        threading.Event().wait(_LAST_CALL_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


def main() -> None:
    """Run a worker as its arguments say."""
    parser = argparse.ArgumentParser(prog="python -m mainspring.serving.worker")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--environment")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logs.configure(os.environ.get("MAINSPRING_LOG_LEVEL", "WARNING"))
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what strangers send is counted, not told line by line
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if 0 < most < MOST_FILES else MOST_FILES, most))
    workspace = Workspace(arguments.workspace, environment=arguments.environment)
    listener = bind(arguments.host, arguments.port)

    async def run() -> bool:
        worker = Worker(workspace, arguments.home, arguments.index)
        await worker.run(listener)
        return worker.inference.stuck

    supervisor = os.getppid()
    hanging = uvloop.run(run())
    if os.getppid() != supervisor:
        servers.forget(arguments.home)
    if hanging:
        logging.shutdown()
        os._exit(0)  # all is written; the interpreter would wait for the thread that hangs


if __name__ == "__main__":
    main()
