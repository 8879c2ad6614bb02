"""The standard streams as the commands need them: there, and able to show any name that a file may have."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

_UTF8 = frozenset({"utf-8", "utf8"})


def prepare() -> None:
    """Make the standard streams fit for use.

    One that is closed leads nowhere from now on: else the next file that is opened would take its number, and what is meant
    for the stream would be written into that file. What a terminal cannot show is escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - open as long as the process lives
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open, too
        elif isinstance(stream, io.TextIOWrapper) and (stream.errors == "strict" or stream.encoding not in _UTF8):
            stream.reconfigure(errors="backslashreplace")


def speak_utf8() -> None:
    """Begin anew where names of files are not read as UTF-8: pointers and listings would hold others than those on disk.

    The terminal keeps the encoding that its locale says.
    """
    if sys.getfilesystemencoding().lower() not in _UTF8 and not sys.flags.utf8_mode:
        _begin_anew()


def _begin_anew() -> NoReturn:
    spoken = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    variables = {"PYTHONIOENCODING": f"{spoken}:backslashreplace"} | os.environ | {"PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], variables)  # noqa: S606 - no shell is meant


def shows(text: str) -> bool:
    """Say whether standard output can say a text as it is."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
