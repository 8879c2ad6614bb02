"""What goes wrong in a request, told as RFC 9457 problem documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from mainspring.base.errors import MainspringError


class Problem(MainspringError):
    """An answer that is not the one asked for; ``status`` is the HTTP status.

    >>> Problem(404, "there is no model 'm'").document()["title"]
    'Not Found'
    """

    code = "problem"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **details: object,
    ) -> None:
        super().__init__(message, hint=hint, **details)
        self.status = status
        self.headers = headers

    def document(self) -> dict[str, Any]:
        """Return the members of the problem document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
        }
        if self.hint:
            document["hint"] = self.hint
        return document | self.details

    def body(self) -> bytes:
        """Return the document as JSON. Clients of V2 find the message under ``error`` as well."""
        return msgspec.json.encode(self.document() | {"error": self.message}, enc_hook=str)


CLOSE = ((b"connection", b"close"),)
"""Header for answers given before the request was read to its end."""
