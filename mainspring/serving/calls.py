"""Calls of models that take their time: one after the other on a thread, none for longer than its limit."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mainspring.serving.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.serving.payload import Columns
    from mainspring.serving.predictor import Answer, Predictor

log = logging.getLogger(__name__)

MAX_WAITING = 256
"""Requests that may wait for a slow model; the next is told to come again."""
_AGAIN = ((b"retry-after", b"1"),)


class Hung(Problem):
    """A model that did not answer in time: 504."""


class Calls:
    """A thread that calls models for the event loop.

    No thread can be ended from outside: one whose call hangs is left behind, and the next call gets a new one.

    Attributes:
        hung: calls that were given up; each of them may keep a thread until the process ends.
    """

    def __init__(self, name: str, seconds: float, given_up: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self._seconds = seconds
        self._given_up = given_up
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.hung = 0

    async def call(self, predictor: Predictor, values: Columns) -> Answer:
        """Return the answer to rows that ``predictor.reader.read`` returned. Whatever the model raises comes through.

        Raises:
            Hung: 504, the call took longer than the limit.
            Problem: 503, too many requests wait, or this one waited longer than the limit.
        """
        if self._waiting >= MAX_WAITING:
            raise Problem(503, "too many requests wait for this model", headers=_AGAIN)
        self._waiting += 1
        try:
            await self._wait()
            try:
                return await self._run(predictor, values)
            finally:
                self._turn.release()
        finally:
            self._waiting -= 1

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._turn.acquire()
        except TimeoutError:
            said = f"the request waited {self._seconds:g} s for its turn at the model"
            raise Problem(503, said, headers=_AGAIN) from None

    async def _run(self, predictor: Predictor, values: Columns) -> Answer:
        future = asyncio.get_running_loop().run_in_executor(self._thread, predictor.predict, values)
        await asyncio.wait({future}, timeout=self._seconds)
        if future.done():
            return future.result()
        future.add_done_callback(lambda late: late.cancelled() or late.exception())  # heard, though nobody waits
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self.hung += 1
        log.error("version %s did not answer within %g s; its thread is left behind", predictor.version, self._seconds)
        self._given_up()
        raise Hung(504, f"version {predictor.version} did not answer within {self._seconds:g} s")

    def close(self) -> None:
        """Wait for the call that runs, unless it hangs."""
        self._thread.shutdown(wait=True)
