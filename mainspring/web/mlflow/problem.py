"""Errors as MLflow's clients know them: an error code and a message, with the HTTP status that goes with the code."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import msgspec

from mainspring.base import errors
from mainspring.versioning.catalogue import AliasNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

_logger = logging.getLogger(__name__)

_CODES: Sequence[tuple[type[errors.MainspringError], int, str]] = (
    (AliasNotFound, 400, "INVALID_PARAMETER_VALUE"),
    (errors.NotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (errors.AlreadyExists, 400, "RESOURCE_ALREADY_EXISTS"),
    (errors.Refused, 403, "PERMISSION_DENIED"),
    (errors.Corrupted, 500, "DATA_LOSS"),
    (errors.StorageError, 503, "TEMPORARILY_UNAVAILABLE"),
)
"""The first that fits; every other error is the client's: INVALID_PARAMETER_VALUE."""


class NotImplementedHere(errors.MainspringError):
    """A family of endpoints that this server does not have."""

    code = "not_implemented"


class Problem(msgspec.Struct, frozen=True):
    """An error on the wire."""

    status: int
    error_code: str
    message: str

    def body(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.encode({"error_code": self.error_code, "message": self.message})


def explain(error: Exception) -> Problem:
    """Return what the client is told of an error; what nobody foresaw is logged with its trace."""
    if isinstance(error, NotImplementedHere):
        return Problem(501, "NOT_IMPLEMENTED", error.message)
    if isinstance(error, errors.MainspringError):
        text = f"{error.message} ({error.hint})" if error.hint else error.message
        for kind, status, code in _CODES:
            if isinstance(error, kind):
                return Problem(status, code, text)
        return Problem(400, "INVALID_PARAMETER_VALUE", text)
    if isinstance(error, msgspec.ValidationError):
        return Problem(400, "INVALID_PARAMETER_VALUE", _decoded(str(error)))
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return Problem(400, "BAD_REQUEST", f"the request is no JSON: {error}")
    if isinstance(error, RecursionError):
        return Problem(400, "BAD_REQUEST", "the request is nested too deeply")
    _logger.error("a request failed", exc_info=error)
    return Problem(500, "INTERNAL_ERROR", "the server failed; its log says why")


def _decoded(text: str) -> str:
    """Return msgspec's words for a request that is not what the endpoint takes, in those of MLflow where there are some.

    >>> _decoded("Object missing required field `run_id`")
    "Missing value for required parameter 'run_id'."
    """
    missing = re.search(r"missing required field `(\w+)`(?: - at `\$\.(.+)`)?", text)
    if missing:
        place = f"{missing[2]}.{missing[1]}" if missing[2] else missing[1]
        return f"Missing value for required parameter '{place}'."
    place, _, problem = text.partition(" - at `$.")
    return f"Invalid value for parameter '{problem.rstrip('`')}': {place}" if problem else f"Invalid request: {text}"
