"""Running the control server: the pages, and the worker that keeps ticking."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from mainspring.base.errors import StorageError
from mainspring.serving.connection import Connection
from mainspring.web.app import build
from mainspring.web.token import establish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mainspring.store.workspace import Workspace


def serve(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    work: Callable[[threading.Event], None],
    say: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C; ``work`` runs beside it in a thread once it answers, and stops when its event is set.

    Says ``listening on http://HOST:PORT`` when it answers. On stop, requests in flight are answered and ``work`` is
    waited for.

    Raises:
        StorageError: the address cannot be had.
    """
    token_hash, made = establish(workspace, host)
    bound = _bind(host, port)
    shown = f"[{host}]" if ":" in host else host
    if made is not None:
        say(f"token (shown once): {made}")

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """End at SIGTERM or SIGINT as told, and not by the signal itself, which uvicorn would raise again."""
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                say(f"listening on http://{shown}:{bound.getsockname()[1]}")
                worker.start()

    stop = threading.Event()
    worker = threading.Thread(target=work, args=(stop,), name="worker")
    config = uvicorn.Config(
        build(workspace, token_hash=token_hash),
        http=Connection,
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    try:
        Server(config).run(sockets=[bound])
    finally:
        stop.set()
        if worker.ident is not None:
            worker.join()
        bound.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        hint = "choose another port with --port, or 0 for any free one"
        raise StorageError(f"cannot listen on {host}:{port}: {error.strerror}", hint=hint) from error
    return bound
