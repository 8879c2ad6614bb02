"""Telling webhooks what was planned for them: signed, tried again until it arrives or has failed too often.

An event may arrive twice, when the process dies between sending it and recording that; its id stays the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import logging
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from mainspring.base.clock import iso, now
from mainspring.base.errors import MainspringError, StorageError
from mainspring.base.ids import new_id
from mainspring.versioning.records import webhooks as webhook_rows
from mainspring.versioning.webhooks import EVENTS, allowed_address, checked_url, found_row

if TYPE_CHECKING:
    from sqlalchemy import Row

    from mainspring.store.workspace import Workspace

ATTEMPTS = 6
TIMEOUT_SECONDS = 10.0
_FIRST_PAUSE, _LEASE, _KEPT = 5_000, 60_000, 7 * 86_400_000
_TOGETHER = 100
_SHOWN = 1000
_EXAMPLES: dict[str, dict[str, Any]] = {
    "registered_model.created": {"name": "example", "tags": {"team": "example"}, "description": "An example"},
    "model_version.created": {
        "name": "example",
        "version": "1",
        "source": "models:/m-1",
        "run_id": None,
        "tags": {},
        "description": "An example",
    },
    "model_version_tag.set": {"name": "example", "version": "1", "key": "example", "value": "yes"},
    "model_version_tag.deleted": {"name": "example", "version": "1", "key": "example"},
    "model_version_alias.created": {"name": "example", "alias": "example", "version": "1"},
    "model_version_alias.deleted": {"name": "example", "alias": "example"},
}
_busy = threading.Lock()
_logger = logging.getLogger(__name__)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook's host said; ``status`` is empty when it said nothing, and ``error`` why."""

    status: int | None = None
    body: str = ""
    error: str | None = None

    @property
    def taken(self) -> bool:
        """Whether it took the event."""
        return self.status is not None and self.status < 400

    @property
    def worth_another_try(self) -> bool:
        """Whether it may take the event later."""
        return self.status is None or self.status == 429 or self.status >= 500


def deliver(workspace: Workspace) -> int:
    """Send every event whose time has come; return how many arrived. Never raises for what a host does."""
    arrived = 0
    while rows := _due(workspace):
        for row in rows:
            with workspace.database.write() as connection:
                held = webhook_rows.find(connection, row.webhook_id)
                mine = webhook_rows.claim(connection, row, now() + _LEASE)
            if not mine or held is None:
                continue
            answer = send(workspace, held, row.event, row.payload, delivery_id=row.id)
            _record(workspace, row, answer)
            arrived += answer.taken
    return arrived


def deliver_in_background(workspace: Workspace) -> None:
    """Start to send what is due, unless that is going on already; a workspace that allows no host costs nothing."""
    if workspace.settings.tracking.webhook_hosts and not _busy.locked():
        threading.Thread(target=_deliver_alone, args=(workspace,), name="webhooks", daemon=True).start()


def _deliver_alone(workspace: Workspace) -> None:
    try:
        while _due(workspace):
            if not _busy.acquire(blocking=False):
                return
            try:
                deliver(workspace)
            finally:
                _busy.release()
    except StorageError as error:
        _logger.warning("webhooks wait until the database is there again: %s", error.message)


def try_webhook(workspace: Workspace, webhook_id: str, event: str | None = None) -> Answer:
    """Send an example of an event to a webhook now, and return what its host says.

    Raises:
        NotFound: there is no such webhook.
    """
    with workspace.database.read() as connection:
        row = found_row(connection, webhook_id)
    chosen = event if event in EVENTS else row.events[0]
    return send(workspace, row, chosen, _EXAMPLES[chosen], delivery_id=new_id())


def send(workspace: Workspace, webhook: Row[Any], event: str, payload: dict[str, Any], *, delivery_id: str) -> Answer:
    """Post an event to the webhook of a row; whatever goes wrong is in the answer. Redirects are not followed."""
    entity, _, action = event.partition(".")
    body = msgspec.json.encode({"entity": entity, "action": action, "timestamp": iso(now()), "data": payload})
    moment = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "mainspring",
        "X-MLflow-Delivery-Id": delivery_id,
        "X-MLflow-Timestamp": moment,
    }
    if webhook.secret:
        headers["X-MLflow-Signature"] = signature(webhook.secret, delivery_id, moment, body)
    try:
        url = urlsplit(checked_url(workspace, webhook.url))
        connection = _connection(workspace, url.scheme, url.hostname or "", url.port)
        try:
            connection.request("POST", f"{url.path or '/'}{'?' + url.query if url.query else ''}", body, headers)
            answer = connection.getresponse()
            return Answer(status=answer.status, body=answer.read(_SHOWN).decode(errors="replace"))
        finally:
            connection.close()
    except MainspringError as error:
        return Answer(error=error.message)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(error=f"{type(error).__name__}: {error}"[:_SHOWN])


def signature(secret: str, delivery_id: str, moment: str, body: bytes) -> str:
    """Return what proves that an event comes from who knows the secret: HMAC-SHA256 of id, moment and body.

    >>> signature("s", "d", "1", b"{}")
    'v1,IU+2+KHu4+2P4cNMuwvd3lx0u3yUZ/KaEHscpFOsm4Y='
    """
    signed = hmac.new(secret.encode(), f"{delivery_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def _due(workspace: Workspace) -> list[Row[Any]]:
    with workspace.database.read() as connection:
        return list(webhook_rows.due(connection, now(), _TOGETHER))


def _record(workspace: Workspace, row: Row[Any], answer: Answer) -> None:
    again = not answer.taken and answer.worth_another_try and row.attempts + 1 < ATTEMPTS
    with workspace.database.write() as connection:
        webhook_rows.settle(
            connection,
            row.id,
            due_at=now() + _FIRST_PAUSE * 4**row.attempts if again else None,
            delivered_at=now() if answer.taken else None,
            error=None if answer.taken else answer.error or f"it answered {answer.status}",
        )
        webhook_rows.drop_settled(connection, now() - _KEPT)


def _connection(workspace: Workspace, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    """Return a connection to an address of the host that was checked, so that no second lookup leads elsewhere."""
    place = port or (443 if scheme == "https" else 80)
    found = socket.getaddrinfo(host, place, type=socket.SOCK_STREAM)
    addresses = [str(info[4][0]) for info in found if allowed_address(workspace, host, str(info[4][0]))]
    if not addresses:
        raise OSError(f"'{host}' leads to a private address, which tracking.webhook_hosts does not list")
    sock = socket.create_connection((addresses[0], place), timeout=TIMEOUT_SECONDS)
    if scheme == "https":
        try:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
    connection = http.client.HTTPConnection(host, place, timeout=TIMEOUT_SECONDS)
    connection.sock = sock
    return connection
