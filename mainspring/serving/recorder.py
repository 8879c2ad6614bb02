"""What was answered, kept: predictions buffered by each worker and written as Parquet segments.

What was answered is in a journal before the answer leaves, so a worker that is killed outright (kill -9) loses none: who
comes after it writes what it left. Only a machine that goes down whole loses, at most, what was answered since the last
flush: half a second, or 5000 rows. Labels are not buffered: see ``labels``.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mainspring.base.errors import StorageError
from mainspring.serving import segments
from mainspring.serving.answered import frame_of, grouped

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.serving.answered import Record
    from mainspring.serving.journal import Journal
    from mainspring.store.workspace import Workspace

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
FLUSH_ROWS = 5_000
CAPACITY = 50_000
"""Rows kept in memory while the disk refuses them; beyond that the newest are dropped and counted."""


class Recorder:
    """Takes records without waiting, and writes them in a thread of its own."""

    def __init__(
        self,
        workspace: Workspace,
        writer: str,
        *,
        journal: Journal | None = None,
        dropped: Callable[[str, int], None] = lambda endpoint, rows: None,  # noqa: ARG005 - names of the interface
    ) -> None:
        self._workspace = workspace
        self._writer = writer
        self._journal = journal
        self._dropped = dropped
        self._waiting: list[Record] = []
        self._rows = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._flushing = asyncio.Lock()

    def start(self) -> None:
        """Begin to write what is added."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, record: Record) -> None:
        """Take a record; never waits, never fails."""
        rows = len(record.ids)
        if self._rows + rows > CAPACITY:
            self._dropped(record.endpoint, rows)
            return
        self._waiting.append(record)
        self._rows += rows
        if self._journal is not None:
            self._journal.append(record)
        if self._rows >= FLUSH_ROWS and not self._failing:
            self._wake.set()

    async def close(self) -> None:
        """Write what is left and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()
        for record in self._waiting:
            self._dropped(record.endpoint, len(record.ids))
        if self._journal is not None:
            self._journal.close(keep=bool(self._waiting))
        self._thread.shutdown()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write what was added until now. What the disk refuses is kept and tried again."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        taken, self._waiting = self._waiting, []
        if not taken:
            return
        sealed = self._journal.seal() if self._journal is not None and not self._failing else []
        loop = asyncio.get_running_loop()
        refused = await loop.run_in_executor(self._thread, self._write, grouped(taken))
        if self._journal is not None and not refused:
            self._journal.forget(sealed)
        self._rows -= sum(len(record.ids) for record in taken) - sum(len(record.ids) for record in refused)
        self._waiting[:0] = refused

    def _write(self, groups: list[list[Record]]) -> list[Record]:
        refused: list[Record] = []
        said: StorageError | None = None
        for group in groups:
            root = segments.folder(self._workspace, segments.PREDICTIONS, group[0].endpoint)
            try:
                segments.write(root, frame_of(group), at=group[0].at, writer=self._writer)
            except StorageError as error:
                said = error
                refused += group
            except Exception:  # a record that cannot be written must not stop the others
                log.exception("predictions of %s could not be recorded", group[0].endpoint)
                self._dropped(group[0].endpoint, sum(len(record.ids) for record in group))
        if said is not None and not self._failing:
            log.error("predictions are answered, but not recorded: %s; %s", said.message, said.hint)
        elif said is None and self._failing:
            log.warning("predictions are recorded again")
        self._failing = said is not None
        return refused
