"""The MLflow face as one ASGI application, and the prefixes that it answers under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import asgi
from litestar.types import Receive, Scope, Send

from mainspring.web.mlflow import experiments, inputs, logged_models, metrics, runs
from mainspring.web.mlflow.dispatch import Endpoint, Face

if TYPE_CHECKING:
    from litestar.handlers import ASGIRouteHandler

    from mainspring.store.workspace import Workspace

PREFIXES = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/")


def endpoints() -> list[Endpoint]:
    """Return every endpoint of the face."""
    families = (experiments, runs, metrics, inputs, logged_models)
    return [endpoint for family in families for endpoint in family.ENDPOINTS]


def mounted(workspace: Workspace) -> ASGIRouteHandler:
    """Return the face as a handler of the control server."""
    face = Face(workspace, endpoints())

    @asgi([prefix.rstrip("/") for prefix in PREFIXES], is_mount=True, copy_scope=False)
    async def mlflow(scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope["raw_path"].decode("latin-1").partition("?")[0]
        prefix = next((item for item in PREFIXES if raw.startswith(item)), raw)  # an encoded prefix is none of ours
        await face(scope, receive, send, raw[len(prefix) :])

    return mlflow
