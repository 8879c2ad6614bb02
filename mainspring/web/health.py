"""The answer that says the server is there."""

from __future__ import annotations

import msgspec

from mainspring.base.clock import iso, now


class Health(msgspec.Struct, frozen=True):
    """That the server answers, and when it did."""

    status: str
    at: str


def health() -> Health:
    """Return the answer of ``/health``."""
    return Health("ok", iso(now()))
