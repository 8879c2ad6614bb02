"""Many requests in flight at once."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from concurrent.futures import Future
    from queue import SimpleQueue

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_FLIGHT = 64
_PATIENCE_SECONDS = 2
_LOOK = 64
_LOOK_SECONDS = 0.05
_QUICK_SECONDS = 0.001
"""Work that takes less is not worth a thread."""
_REST_SECONDS = 0.005


def in_flight(
    work: Callable[[Item], Result], items: Sequence[Item], *, requests: int = IN_FLIGHT
) -> Generator[tuple[Item, Result]]:
    """Do ``work`` for all items in so many threads and give ``(item, result)`` as they come, in any order.

    The first error is raised, and nothing further is begun. Whoever stops early closes the generator, which waits two
    seconds at most for what is on the way; what is still going on then is given up.
    """
    import threading  # loaded, as the next, where something is on the way
    from queue import SimpleQueue

    source = iter(items)
    turn = threading.Lock()
    stopped = threading.Event()
    results: SimpleQueue[tuple[Item, Result] | BaseException | None] = SimpleQueue()

    def serve() -> None:
        while not stopped.is_set():
            with turn:
                try:
                    item = next(source)
                except StopIteration:
                    break
            try:
                results.put((item, work(item)))
            except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asked
                results.put(error)
                break
        results.put(None)

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(requests, len(items)))]
    try:
        for thread in threads:
            thread.start()
        working = len(threads)
        while working:
            for said in gathered(results):
                if said is None:
                    working -= 1
                elif isinstance(said, BaseException):
                    raise said
                else:
                    yield said
    finally:
        stopped.set()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))


def soon(
    work: Callable[[Item], Result], items: Sequence[Item], *, requests: int = IN_FLIGHT
) -> Generator[tuple[Item, Result]]:
    """Do as ``in_flight``, but one after the other as long as each, as a file of this machine, takes no time worth a thread."""
    taken, looked = 0.0, 0
    for done, item in enumerate(items, 1):
        begun = time.perf_counter()
        result = work(item)
        taken += time.perf_counter() - begun
        yield item, result
        if done - looked == _LOOK or taken > _LOOK_SECONDS:
            if taken > _QUICK_SECONDS * (done - looked):
                yield from in_flight(work, items[done:], requests=requests)
                return
            taken, looked = 0.0, done


def gathered(results: SimpleQueue[Result]) -> Iterator[Result]:
    """Wait for a result, and give it with those that come right after it: to be woken for each slows the threads down."""
    first = results.get()
    time.sleep(_REST_SECONDS)
    yield first
    while not results.empty():
        yield results.get()


def ahead(work: Callable[[Item], Result], items: Sequence[Item], *, requests: int) -> Iterator[Result]:
    """Give the results of ``work`` in the order of the items, with so many on the way and no more."""
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(requests) as threads:
        try:
            for item in items:
                if len(waiting) == requests:
                    yield waiting.popleft().result()
                waiting.append(threads.submit(work, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
