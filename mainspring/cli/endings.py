"""How commands end: the one place where errors become text and exit codes."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from mainspring.base.errors import MainspringError
from mainspring.base.files import explained

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130
"""What shells return for Ctrl-C, and Typer when it meets one first."""
_BROKEN = 3


def ended(command: Callable[[], int | None], *, debug: bool = False) -> int:
    """Run a command and return its exit code; errors are printed, never raised (but with ``debug``)."""
    try:
        return command() or 0
    except KeyboardInterrupt:
        return interrupted()
    except BrokenPipeError:
        return 0
    except Exception as error:
        if debug:
            raise
        code = int(getattr(error, "exit_code", _BROKEN))
        with suppress(OSError):  # nobody can read it
            _tell(error)
        return code


def interrupted() -> int:
    """Say what Ctrl-C means, and return its exit code."""
    sys.stderr.write("\ninterrupted: what was finished is recorded; run the same command again to go on\n")
    return INTERRUPTED


def _tell(error: Exception) -> None:
    show = getattr(error, "show", None)
    if show is not None and hasattr(error, "exit_code"):  # a usage error of the command line itself
        show()
        return
    known = explained(error) if isinstance(error, OSError) else error
    if isinstance(known, MainspringError):
        from mainspring.cli.output import print_error

        print_error(known)
        return
    from mainspring.cli.harmless import harmless

    sys.stderr.write(f"error: something broke inside mainspring: {type(error).__name__}: {harmless(str(error))}\n")
    sys.stderr.write("hint: run the same command with --debug for the traceback, and please report it\n")
