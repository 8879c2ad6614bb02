"""The first door: it answers by itself what is asked all the time, before the command line is built, which takes longer.

These are commands that handle data, where nothing but names and ``--json`` stands after them. Whatever else stands on the
line is left to the ordinary door, whose commands call the same functions.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING

from mainspring.cli import streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_DATASETS = ("add", "checkout", "status")
_EXCHANGES = ("fetch", "pull", "push")
_MOST_NAMES = {"status": 0, "checkout": 2}
_LEAST_NAMES = {"checkout": 1}
_UNWRITTEN = 3
_GARBAGE = 200_000
"""So many new containers are looked through for cycles at once: what is read of ten thousand files has none, and is large."""


def main() -> None:
    """Run a command line and exit with its code."""
    streams.speak_utf8()
    streams.prepare()
    usual = gc.get_threshold()
    gc.set_threshold(_GARBAGE)
    command = _quick(sys.argv[1:])
    if command is None:
        gc.set_threshold(*usual)
        from mainspring.cli.main import main as ordinary

        ordinary()
        return
    _load_msgspec()
    from mainspring.cli.endings import ended

    _leave(ended(command))


def _leave(code: int) -> NoReturn:
    """End the process without taking apart all that was loaded, which is a tenth of what a quick look costs.

    What is registered to happen at the end happens. Threads are not waited for: commands leave none at work.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            continue
        except OSError as error:
            code = code or _UNWRITTEN
            os.write(2, f"error: the output cannot be written: {error.strerror}\n".encode())
    os._exit(code)


def _load_msgspec() -> None:
    """Load msgspec without ``typing_extensions``, which takes as long as all the rest of it.

    It looks there first for what the standard library has since Python 3.11, and takes that where the other is missing.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # so an import of it fails
    try:
        import msgspec as _  # noqa: F401 - loaded for those who import it next
    finally:
        del sys.modules["typing_extensions"]


def _quick(words: list[str]) -> Callable[[], None] | None:
    """Return the command that a line asks for, or None."""
    if len(words) < 2 or words[0] != "data" or words[1] not in (*_DATASETS, *_EXCHANGES):
        return None
    verb, names = words[1], [word for word in words[2:] if word != "--json"]
    json = "--json" in words
    known = not any(name.startswith("-") for name in names)
    if not known or not _LEAST_NAMES.get(verb, 0) <= len(names) <= _MOST_NAMES.get(verb, len(names)):
        return None
    if verb in _EXCHANGES:
        from mainspring.cli import exchange

        return lambda: getattr(exchange, verb)(names, json=json)
    from mainspring.cli import datasets

    if verb == "add":
        return lambda: datasets.add(names, json=json)
    return lambda: getattr(datasets, verb)(*names, json=json)
