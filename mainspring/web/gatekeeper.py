"""What every request passes first: the Host it names, the token it shows; and the headers every answer carries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mainspring.web.mlflow.application import is_called
from mainspring.web.mlflow.problem import Problem
from mainspring.web.token import LOOPBACK, matches

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
OPEN_PATHS = ("/health",)
LONGEST_PATH = 255
"""In bytes; no page has a longer one, and no file system a longer name."""


class Gatekeeper:
    """Denies by default: a Host or Origin that is not listed gets 403, a request without the token 401."""

    def __init__(self, app: ASGIApp, *, hosts: list[str], token_hash: str | None) -> None:
        self.app = app
        self.hosts = {*LOOPBACK, *hosts}
        self.token_hash = token_hash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        kind: str = scope["type"]
        if kind != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        for_clients = is_called(scope)
        refusal = self._refusal(None if for_clients else scope["path"], headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        if refusal is None:
            await self.app(scope, receive, send_with_headers)
            return
        status, text = refusal
        body, form = f"{text}\n".encode(), b"text/plain"
        if for_clients:
            code = "UNAUTHENTICATED" if status == 401 else "PERMISSION_DENIED"
            body, form = Problem(status, code, text).body(), b"application/json"
        challenge = [(b"www-authenticate", b"Bearer")] if status == 401 else []
        start = {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", form), *challenge],
        }
        await send_with_headers(start)  # type: ignore[arg-type]  # Litestar's message types are closed TypedDicts
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _refusal(self, path: str | None, headers: dict[bytes, str]) -> tuple[int, str] | None:
        """Return status and reason; ``path`` is that of a page, None for what checks its own."""
        if _name(f"//{headers.get(b'host', '')}") not in self.hosts:
            return 403, "this server does not answer to that Host"
        if (origin := headers.get(b"origin")) is not None and _name(origin) not in self.hosts:
            return 403, "requests from that Origin are not taken"
        if path is not None and (not path.isprintable() or len(path.encode()) > LONGEST_PATH):
            return 404, "there is nothing here"
        if self.token_hash is None or path in OPEN_PATHS:
            return None
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not matches(token.strip(), self.token_hash):
            return 401, "show the token: Authorization: Bearer … (MLflow's clients take it from MLFLOW_TRACKING_TOKEN)"
        return None


def _name(address: str) -> str | None:
    """Return the host that an address names, if it is a plain one: no user, no path, a port that is a number."""
    try:
        parts = urlsplit(address)
        plain = address.isprintable() and not parts.path and "@" not in parts.netloc and "\\" not in parts.netloc
        return parts.hostname if plain and (parts.port is None or parts.port) else None
    except ValueError:
        return None
