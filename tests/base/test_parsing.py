"""Parsing in several threads at once."""

from __future__ import annotations

import ast
import gc
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mainspring.base.parsing import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = f"[{', '.join(f'({number}, [{number}])' for number in range(30))}]"


class Cycle:
    """What only the garbage collector finds, and whose end lets other threads go on."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.fixture
def interrupted() -> Iterator[None]:
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(20)
    sys.setswitchinterval(1e-6)
    yield
    gc.set_threshold(*before)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("interrupted")
def test_threads_that_interrupt_each_other_all_get_their_tree() -> None:
    wrong: list[object] = []

    def work() -> None:
        try:
            for _ in range(100):
                garbage = [Cycle() for _ in range(3)]
                del garbage
                assert len(parsed(lambda: ast.literal_eval(SOURCE))) == 30
        except BaseException as error:  # whatever ended the thread
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_another_error_is_told_at_once() -> None:
    calls = []

    def broken() -> None:
        calls.append(1)
        raise SystemError("error return without exception set")

    with pytest.raises(SystemError, match="without exception"):
        parsed(broken)
    assert calls == [1]
