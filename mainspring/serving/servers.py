"""Which prediction servers of a workspace run, and which routes each of their workers uses: told by small files."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace

_POLL_SECONDS = 0.02
_STARTING_SECONDS = 300.0
JOURNAL = ".journal"
READY, BEAT, HUNG = "ready", "alive", "hung"
"""What workers say to their supervisor: that they answer, every second that they live, and that a model hung."""
BEAT_SECONDS = 1.0
_Kind = TypeVar("_Kind", bound=msgspec.Struct)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A running server; ``born`` is when its process began, so a number given to a new process does not deceive."""

    id: str
    pid: int
    born: float
    host: str
    port: int
    workers: int


class EndpointState(msgspec.Struct, frozen=True, kw_only=True):
    """The generation of routes that a worker uses, and why it does not use a newer one."""

    generation: int
    problem: str | None = None


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, and what it serves."""

    pid: int
    endpoints: dict[str, EndpointState]


def folder(workspace: Workspace) -> Path:
    """Return where servers leave word."""
    return workspace.state / "servers"


def memory(id: str) -> Path:
    """Return the folder of what a server's processes share: in memory where there is such a place, since the pages of a
    mapped file kill whoever touches them when the disk is full."""
    shared = Path("/dev/shm")  # noqa: S108 - the folder below it has an unguessable name and is ours alone
    root = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    return root / f"mainspring-{id}"


def announce(home: Path, *, host: str, port: int, workers: int) -> Server:
    """Tell that this process is a server."""
    born = psutil.Process().create_time()
    server = Server(id=home.name, pid=os.getpid(), born=born, host=host, port=port, workers=workers)
    _put(home / "server.json", msgspec.json.encode(server))
    return server


def tell(home: Path, index: int, state: WorkerState) -> None:
    """Tell what a worker serves."""
    _put(home / f"worker-{index}.json", msgspec.json.encode(state))


def running(workspace: Workspace) -> list[Server]:
    """Return the servers that run on this machine."""
    return [server for _, server in _known(workspace) if server is not None and _alive(server)]


def workers(workspace: Workspace) -> dict[str, WorkerState]:
    """Return the state of every live worker of every running server, by a name for it."""
    states = {}
    for server in running(workspace):
        for index in range(server.workers):
            state = _get(folder(workspace) / server.id / f"worker-{index}.json", WorkerState)
            if state is not None and psutil.pid_exists(state.pid):
                states[f"{server.id}/{index}"] = state
    return states


def problems(workspace: Workspace, endpoint: str, generation: int) -> list[str]:
    """Return why live workers do not use a generation of routes, if they cannot."""
    found = [state.endpoints.get(endpoint) for state in workers(workspace).values()]
    return [
        state.problem
        for state in found
        if state is not None and state.problem is not None and state.generation < generation
    ]


def wait_for(workspace: Workspace, endpoint: str, generation: int, *, seconds: float = 10.0) -> tuple[int, int]:
    """Wait until every live worker uses a generation of routes, or knows that it cannot; return (those that do, all)."""
    deadline = time.monotonic() + seconds
    while True:
        states = [state.endpoints.get(endpoint) for state in workers(workspace).values()]
        there = sum(state is not None and state.generation >= generation for state in states)
        broken = sum(state is not None and state.problem is not None for state in states)
        if there + broken >= len(states) or time.monotonic() > deadline:
            return there, len(states)
        time.sleep(_POLL_SECONDS)


def sweep(workspace: Workspace, heir: Path) -> None:
    """Remove what servers that are gone left behind; journals of predictions go to the ``heir``, another server's folder."""
    for home, server in _known(workspace):
        if home == heir or (_alive(server) if server is not None else _young(home)):
            continue
        for journal in home.glob(f"*{JOURNAL}"):
            with contextlib.suppress(FileNotFoundError):
                journal.rename(heir / journal.name)
        leave(home)


def leave(home: Path) -> None:
    """Remove what a server left, but not the journals of predictions that are in no segment yet."""
    forget(home)
    if not any(home.glob(f"*{JOURNAL}")):
        shutil.rmtree(home, ignore_errors=True)


def forget(home: Path) -> None:
    """Remove what the processes of a server shared."""
    shutil.rmtree(memory(home.name), ignore_errors=True)


def _young(home: Path) -> bool:
    """Say whether a server without a word of its own may be one that is just starting."""
    try:
        return time.time() - home.stat().st_mtime < _STARTING_SECONDS
    except FileNotFoundError:
        return True


def _known(workspace: Workspace) -> Iterator[tuple[Path, Server | None]]:
    for home in sorted(folder(workspace).glob("*")):
        yield home, _get(home / "server.json", Server)


def _alive(server: Server) -> bool:
    try:
        return abs(psutil.Process(server.pid).create_time() - server.born) < 1
    except psutil.Error:
        return False


def _put(path: Path, data: bytes) -> None:
    """Replace a file without waiting for the disk: it is worth nothing after a restart."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _get(path: Path, kind: type[_Kind]) -> _Kind | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
