"""Endpoints of webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.versioning import webhooks
from mainspring.versioning.delivery import try_webhook
from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.registered_models import checked_most, paged

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.webhooks import Webhook

_MOST = 1000


class Event(msgspec.Struct):
    """What happens to what."""

    entity: str
    action: str

    @property
    def name(self) -> str:
        """``model_version.created``."""
        return f"{self.entity}.{self.action}".lower()


class Create(msgspec.Struct):
    """A new webhook."""

    name: str
    url: str
    events: list[Event]
    description: str | None = None
    secret: str | None = None
    status: Literal["ACTIVE", "DISABLED"] = "ACTIVE"


class ById(msgspec.Struct):
    """The webhook with an id."""

    webhook_id: str


class List(msgspec.Struct):
    """A page of webhooks."""

    max_results: int = 100
    page_token: str = ""


class Update(ById):
    """What changes of a webhook."""

    name: str | None = None
    url: str | None = None
    events: list[Event] = []
    description: str | None = None
    secret: str | None = None
    status: Literal["ACTIVE", "DISABLED"] | None = None


class Test(ById):
    """An event to try a webhook with."""

    event: Event | None = None


def wire(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook as the protocol writes it, without its secret."""
    answer = {
        "webhook_id": webhook.id,
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [_event(event) for event in webhook.events],
        "status": webhook.status.upper(),
        "creation_timestamp": webhook.created_at,
        "last_updated_timestamp": webhook.updated_at,
    }
    return {key: value for key, value in answer.items() if value is not None}


def _event(event: str) -> dict[str, str]:
    entity, _, action = event.upper().partition(".")
    return {"entity": entity, "action": action}


def create(workspace: Workspace, request: Create) -> dict[str, Any]:
    """Record a webhook."""
    made = webhooks.create_webhook(
        workspace,
        request.name,
        request.url,
        [event.name for event in request.events],
        description=request.description,
        secret=request.secret or None,
        status="active" if request.status == "ACTIVE" else "disabled",
    )
    return {"webhook": wire(made)}


def listed(workspace: Workspace, request: List) -> dict[str, Any]:
    """List webhooks."""
    most = checked_most(request.max_results, _MOST)
    found = webhooks.list_webhooks(workspace, after=request.page_token, most=most + 1)
    token = found[most - 1].id if len(found) > most else None
    return paged("webhooks", [wire(webhook) for webhook in found[:most]], token)


def get(workspace: Workspace, request: ById) -> dict[str, Any]:
    """Return a webhook."""
    return {"webhook": wire(webhooks.get_webhook(workspace, request.webhook_id))}


def update(workspace: Workspace, request: Update) -> dict[str, Any]:
    """Change a webhook."""
    changed = webhooks.update_webhook(
        workspace,
        request.webhook_id,
        name=request.name or None,
        description=request.description,
        url=request.url or None,
        events=[event.name for event in request.events] or None,
        secret=request.secret,
        status=None if request.status is None else "active" if request.status == "ACTIVE" else "disabled",
    )
    return {"webhook": wire(changed)}


def delete(workspace: Workspace, request: ById) -> None:
    """Remove a webhook."""
    webhooks.delete_webhook(workspace, request.webhook_id)


def test(workspace: Workspace, request: Test) -> dict[str, Any]:
    """Send an example to a webhook."""
    answer = try_webhook(workspace, request.webhook_id, request.event.name if request.event else None)
    result = {
        "success": answer.taken,
        "response_status": answer.status,
        "response_body": answer.body if answer.status is not None else None,
        "error_message": answer.error,
    }
    return {"result": {key: value for key, value in result.items() if value is not None}}


ENDPOINTS = [
    Endpoint("POST", "webhooks", Create, create),
    Endpoint("GET", "webhooks", List, listed),
    Endpoint("GET", "webhooks/{webhook_id}", ById, get),
    Endpoint("PATCH", "webhooks/{webhook_id}", Update, update),
    Endpoint("DELETE", "webhooks/{webhook_id}", ById, delete),
    Endpoint("POST", "webhooks/{webhook_id}/test", Test, test),
]
