"""Webhooks: addresses that are told what happens in the registry.

What happens and what is to be told of it are written in one transaction; ``delivery`` sends it afterwards. Only hosts of
the setting ``tracking.webhook_hosts`` are ever called.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import InvalidData, NotFound, Refused
from mainspring.base.ids import new_id
from mainspring.versioning.records import webhooks as webhook_rows
from mainspring.versioning.records.rows import as_struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace

Event = Literal[
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
]
Status = Literal["active", "disabled"]
EVENTS: tuple[str, ...] = get_args(Event)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LONGEST_URL = 2000


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address, and the events that it is told. The secret that signs them stays in its row, which ``delivery`` reads."""

    id: str
    name: str
    description: str | None
    url: str
    events: list[Event]
    status: Status
    created_at: int
    updated_at: int


def create_webhook(
    workspace: Workspace,
    name: str,
    url: str,
    events: Sequence[str],
    *,
    description: str | None = None,
    secret: str | None = None,
    status: Status = "active",
) -> Webhook:
    """Record a webhook.

    Raises:
        Refused: the settings do not allow its host.
        InvalidData: its name, address or events cannot be.
    """
    at = now()
    row = {
        "id": new_id(),
        "name": _checked_name(name),
        "description": description,
        "url": checked_url(workspace, url),
        "events": _checked_events(events),
        "secret": secret,
        "status": status,
        "created_at": at,
        "updated_at": at,
    }
    with workspace.database.write() as connection:
        webhook_rows.add(connection, row)
    return msgspec.convert({name: row[name] for name in Webhook.__struct_fields__}, Webhook)


def get_webhook(workspace: Workspace, webhook_id: str) -> Webhook:
    """Return a webhook.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        return _found(connection, webhook_id)


def list_webhooks(workspace: Workspace, *, after: str = "", most: int = 100) -> list[Webhook]:
    """Return webhooks, oldest first, from behind the one with the id ``after``."""
    with workspace.database.read() as connection:
        return [as_struct(row, Webhook) for row in webhook_rows.rows(connection, after=after, most=most)]


def update_webhook(
    workspace: Workspace,
    webhook_id: str,
    *,
    name: str | None = None,
    description: str | None = None,
    url: str | None = None,
    events: Sequence[str] | None = None,
    secret: str | None = None,
    status: Status | None = None,
) -> Webhook:
    """Change what is given of a webhook.

    Raises:
        NotFound: there is none.
        Refused, InvalidData: as ``create_webhook``.
    """
    given = {
        "name": None if name is None else _checked_name(name),
        "description": description,
        "url": None if url is None else checked_url(workspace, url),
        "events": None if events is None else _checked_events(events),
        "secret": secret,
        "status": status,
    }
    changed = {key: value for key, value in given.items() if value is not None}
    with workspace.database.write() as connection:
        _found(connection, webhook_id)
        webhook_rows.change(connection, webhook_id, updated_at=now(), **changed)
        return _found(connection, webhook_id)


def delete_webhook(workspace: Workspace, webhook_id: str) -> None:
    """Remove a webhook; what it was not told yet, it is never told.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.write() as connection:
        _found(connection, webhook_id)
        webhook_rows.remove(connection, webhook_id)


def announce(connection: Connection, event: Event, payload: dict[str, Any]) -> None:
    """Plan to tell an event to the webhooks that ask for it, inside the caller's transaction."""
    at = now()
    planned = [
        {
            "id": new_id(),
            "webhook_id": row.id,
            "event": event,
            "payload": payload,
            "created_at": at,
            "due_at": at,
            "attempts": 0,
        }
        for row in webhook_rows.rows(connection, status="active")
        if event in row.events
    ]
    if planned:
        webhook_rows.plan(connection, planned)


def announce_model(
    connection: Connection, name: str, *, tags: Mapping[str, str] | None = None, description: str | None = None
) -> None:
    """Plan to tell that a model was registered, inside the caller's transaction."""
    announce(
        connection, "registered_model.created", {"name": name, "tags": dict(tags or {}), "description": description}
    )


def announce_version(connection: Connection, version_id: str) -> None:
    """Plan to tell that a version was registered, inside the caller's transaction."""
    announce(connection, "model_version.created", webhook_rows.version_told(connection, version_id))


def checked_url(workspace: Workspace, url: str) -> str:
    """Return the address of a webhook.

    Raises:
        InvalidData: it is no address of http or https.
        Refused: its host is not in the settings.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or len(url) > _LONGEST_URL or not url.isprintable():
        raise InvalidData("a webhook's url has to be an address of http or https", hint="https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise InvalidData("a webhook's url cannot hold a password", hint="give a secret, which signs what is sent")
    if not allowed_host(workspace, host):
        raise Refused(
            f"the host '{host}' is not one that webhooks may call",
            hint="whoever runs the server lists it in mainspring.yaml, under `tracking.webhook_hosts`",
            host=host,
        )
    return url


def allowed_host(workspace: Workspace, host: str) -> bool:
    """Say whether the settings name a host."""
    return host.lower() in {listed.lower() for listed in workspace.settings.tracking.webhook_hosts}


def allowed_address(workspace: Workspace, host: str, address: str) -> bool:
    """Say whether a host may be called at an address that it resolves to: public ones; others if they are listed.

    A name that is listed and leads to a private address needs the address, or its network, in the list as well.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    if found.is_global and not found.is_multicast:
        return True
    if host == "localhost" and found.is_loopback:
        return True
    for listed in workspace.settings.tracking.webhook_hosts:
        try:
            if found in ipaddress.ip_network(listed, strict=False):
                return True
        except ValueError:
            continue
    return False


def found_row(connection: Connection, webhook_id: str) -> Row[Any]:
    """Return the row of a webhook, its secret in it.

    Raises:
        NotFound: there is none.
    """
    row = webhook_rows.find(connection, webhook_id)
    if row is None:
        raise NotFound(f"there is no webhook '{webhook_id}'", webhook=webhook_id)
    return row


def _found(connection: Connection, webhook_id: str) -> Webhook:
    return as_struct(found_row(connection, webhook_id), Webhook)


def _checked_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InvalidData(
            f"'{name[:80]}' cannot be a webhook's name",
            hint="letters, digits, dots, dashes and underscores, at most 63, beginning and ending with a letter or digit",
        )
    return name


def _checked_events(events: Sequence[str]) -> list[str]:
    if not events:
        raise InvalidData("a webhook needs events", hint=f"some of {', '.join(EVENTS)}")
    for event in events:
        if event not in EVENTS:
            raise InvalidData(f"'{event}' is no event of this registry", hint=f"events: {', '.join(EVENTS)}")
    return list(dict.fromkeys(events))
