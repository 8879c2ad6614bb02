"""Workspaces to measure in, and what a call costs in CPU time: of this process, and of PostgreSQL's where that is asked."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.store.workspace import Workspace
from mainspring.tracking.experiments import create_experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KINDS = ("sqlite", "postgresql")


class Measured:
    """A workspace, and the CPU time that it takes."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.experiment = create_experiment(workspace, "large").id
        self._server: list[Path] = []
        if workspace.database.engine.dialect.name == "postgresql":
            # one connection, and none of its queries shared out among processes: one process of the server does it all
            with workspace.database.read() as connection:
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            self._server = [Path(f"/proc/{pid}/schedstat")]

    def cpu(self) -> float:
        """Return the CPU seconds spent up to now."""
        return time.process_time() + sum(int(path.read_text().split()[0]) for path in self._server) / 1e9

    def cost(self, call: Callable[[], Any], times: int) -> float:
        """Return the median of the CPU milliseconds of a call, after one that is not counted."""
        call()
        taken = []
        for _ in range(times):
            before = self.cpu()
            call()
            taken.append(self.cpu() - before)
        return statistics.median(taken) * 1e3

    def insert(self, table: str, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        """Write rows past the verbs, many at once."""
        names = ", ".join(columns)
        with self.workspace.database.write() as connection:
            cursor = connection.connection.cursor()
            if self._server:
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                marks = ", ".join("?" * len(columns))
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)

    def settle(self) -> None:
        """Do what a server does by itself some time after many rows were written."""
        if self._server:
            with self.workspace.database.engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")


@contextmanager
def measured(kind: str) -> Iterator[Measured]:
    """Give an empty workspace on SQLite, or on a PostgreSQL that is started for it."""
    if kind == "sqlite":
        with _workspace("") as workspace:
            yield Measured(workspace)
        return
    from tests import postgres

    with postgres.running() as server, server.database() as url:
        url += "&options=-c%20max_parallel_workers_per_gather%3D0"
        with _workspace(f"state:\n  database: {url}\n") as workspace:
            yield Measured(workspace)


@contextmanager
def _workspace(state: str) -> Iterator[Workspace]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mainspring.yaml").write_text(f"project: bench\n{state}")
        workspace = Workspace(Path(folder))
        try:
            yield workspace
        finally:
            workspace.close()
