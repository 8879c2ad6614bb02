"""The token that opens the control server to others than this machine; only its hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.base.files import write_atomic

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST = 16


def establish(workspace: Workspace, host: str) -> tuple[str | None, str | None]:
    """Return the hash that requests must match (None: no token is asked for) and the token, if it was made just now.

    On loopback none is asked for. Elsewhere it is ``MAINSPRING_TOKEN``, or a random one made at the first start.

    Raises:
        UsageError: ``MAINSPRING_TOKEN`` is too short to be safe.
    """
    given = os.environ.get("MAINSPRING_TOKEN")
    if given is not None and len(given) < _SHORTEST:
        raise UsageError(f"MAINSPRING_TOKEN has fewer than {_SHORTEST} characters", hint="use a long random one")
    if given is not None:
        return _hash(given), None
    if host in LOOPBACK:
        return None, None
    kept = workspace.state / "token.sha256"
    if kept.is_file():
        return kept.read_text().strip(), None
    made = secrets.token_urlsafe(32)
    write_atomic(kept, _hash(made).encode(), mode=0o600)
    return _hash(made), made


def matches(token: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_hash(token), expected)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
