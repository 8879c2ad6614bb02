"""A worker process of the prediction server: ``python -m mainspring.serving.worker``, started by the supervisor.

It says ``ready`` on its standard output when it answers, stops cleanly on SIGTERM, and also when its standard input
ends, that is, when the supervisor is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import uvicorn
import uvloop

from mainspring.base import logs
from mainspring.serving import metrics, servers
from mainspring.serving.admission import TOKEN_VARIABLE, Admission
from mainspring.serving.application import Application
from mainspring.serving.connection import Connection
from mainspring.serving.endpoints import Endpoints
from mainspring.serving.inference import Inference
from mainspring.serving.labels import LabelWriter
from mainspring.serving.recorder import Recorder
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Generator

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 65
_LAST_CALL_SECONDS = 20.0
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
        self.recorder = Recorder(workspace, writer, dropped=metrics.records_dropped)
        self.inference = Inference(settings, self.recorder)
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
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, setattr, server, "should_exit", True)
        _follow_supervisor(loop, server)
        self.recorder.start()
        self.inference.start()
        await self.endpoints.settle()
        self._tell()
        beside = [loop.create_task(self.endpoints.watch()), loop.create_task(self._measure())]
        serving = loop.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
        await serving
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await self.inference.close()
        await self.recorder.close()
        await self.labels.close()
        self.endpoints.close()

    def _tell(self) -> None:
        names = self.endpoints.live.keys() | self.endpoints.problems.keys()
        states = {
            name: servers.EndpointState(
                generation=self.endpoints.live[name].table.generation if name in self.endpoints.live else 0,
                problem=self.endpoints.problems.get(name),
            )
            for name in names
        }
        with contextlib.suppress(OSError):
            servers.tell(self._home, self._index, servers.WorkerState(pid=os.getpid(), endpoints=states))

    async def _measure(self) -> None:
        process = psutil.Process()
        while True:
            metrics.memory(str(self._index), process.memory_info().rss)
            await asyncio.sleep(1)


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


def _follow_supervisor(loop: asyncio.AbstractEventLoop, server: uvicorn.Server) -> None:
    """Stop when standard input ends; if the loop hangs, stop anyway."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(setattr, server, "should_exit", True)
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
    workspace = Workspace(arguments.workspace, environment=arguments.environment)
    listener = bind(arguments.host, arguments.port)

    async def run() -> None:
        await Worker(workspace, arguments.home, arguments.index).run(listener)

    uvloop.run(run())


if __name__ == "__main__":
    main()
