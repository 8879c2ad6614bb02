"""Who may ask: the Host and Origin allow-lists, and the bearer token."""

from __future__ import annotations

import hmac
import ipaddress
import os
from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.serving.problem import CLOSE, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

TOKEN_VARIABLE = "MAINSPRING_TOKEN"  # noqa: S105 - the name of a variable, no secret
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_OPEN = frozenset({"/ping", "/health", "/v2/health/live", "/v2/health/ready"})
_HINT = "add the name to serving.allowed_hosts in mainspring.yaml"


def is_loopback(host: str) -> bool:
    """Say whether an address can only be reached from this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(host: str) -> None:
    """Refuse to listen where others can reach us, unless they have to show a token.

    Raises:
        UsageError: the address is not a loopback one and there is no token.
    """
    if not is_loopback(host) and not os.environ.get(TOKEN_VARIABLE):
        raise UsageError(
            f"refusing to listen on {host} without a token: anybody who reaches it could ask for predictions",
            hint=f"export {TOKEN_VARIABLE}=… (clients send it as `Authorization: Bearer …`), or use --host 127.0.0.1",
            host=host,
        )


class Admission:
    """Decides on the headers of a request whether it is listened to at all."""

    def __init__(self, hosts: Iterable[str], token: str | None) -> None:
        self._hosts = frozenset(name.lower() for name in (*_LOCAL, *hosts))
        self._token = token.encode() if token else None

    def check(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Let a request in, or refuse it.

        Raises:
            Problem: 421 for a Host that is not ours, 403 for a foreign Origin, 401 without the token.
        """
        host = headers.get(b"host", b"").decode("latin-1")
        if _name(host) not in self._hosts:
            raise Problem(421, f"this server does not answer for the host '{host[:100]}'", hint=_HINT, headers=CLOSE)
        origin = headers.get(b"origin")
        if origin is not None and _name(origin.decode("latin-1").partition("://")[2]) not in self._hosts:
            raise Problem(403, "requests from pages of other sites are refused", hint=_HINT, headers=CLOSE)
        if self._token is not None and path not in _OPEN:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
                raise Problem(
                    401,
                    "a bearer token is needed",
                    hint="send the header `Authorization: Bearer TOKEN`",
                    headers=((b"www-authenticate", b'Bearer realm="mainspring"'), *CLOSE),
                )


def _name(host: str) -> str:
    """Return a host without its port.

    >>> _name("localhost:8000"), _name("[::1]:8000"), _name("::1")
    ('localhost', '[::1]', '::1')
    """
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0] if host.count(":") == 1 else host
