"""The one exception root, and the kinds of failure the platform tells apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class MainspringError(Exception):
    """Something the user can act on.

    Every door (CLI, HTTP, Python) translates it once: ``message`` says what happened and to what, ``hint`` what to do,
    ``details`` carries the offending things.

    >>> error = NotFound("there is no model 'fraud'", hint="see `mainspring models list`", model="fraud")
    >>> error.code, error.message, error.details
    ('not_found', "there is no model 'fraud'", {'model': 'fraud'})
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(MainspringError):
    """The request itself is wrong: a bad argument, a bad setting, a bad reference."""

    code = "usage"
    exit_code = 2


class SettingsError(UsageError):
    """``mainspring.yaml`` or an overlay does not say what it has to say."""

    code = "settings"


class NotFound(MainspringError):
    """A named thing does not exist."""

    code = "not_found"


class Conflict(MainspringError):
    """The thing exists already, or somebody else changed it first."""

    code = "conflict"


class AlreadyExists(Conflict):
    """A name is taken."""

    code = "already_exists"


class Refused(MainspringError):
    """The answer is no: a gate, a policy or a validation stands in the way."""

    code = "refused"
    exit_code = 1


class InvalidData(MainspringError):
    """Data that cannot be read, or that is not what its schema says."""

    code = "invalid_data"


class Corrupted(MainspringError):
    """Stored bytes differ from what was stored. They are never served."""

    code = "corrupted"


class StorageError(MainspringError):
    """A disk, database or object store did not do what was asked."""

    code = "storage"


class ExternalToolError(MainspringError):
    """A program that is needed (git, a user's script) is missing or failed."""

    code = "external_tool"


class StepFailed(MainspringError):
    """The user's own code raised."""

    code = "step_failed"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a question naming the closest known word, or None.

    >>> did_you_mean("acuracy", ["accuracy", "f1"])
    "did you mean 'accuracy'?"
    """
    from difflib import get_close_matches  # loaded when something is wrong

    close = get_close_matches(word, list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else None
