"""The MLflow face as one ASGI application, and the prefixes that it answers under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.web.mlflow import (
    artifacts,
    experiments,
    inputs,
    logged_models,
    metrics,
    model_versions,
    registered_models,
    runs,
    searches,
    server,
    webhooks,
)
from mainspring.web.mlflow.dispatch import Endpoint, Face

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

    from mainspring.store.workspace import Workspace

PREFIXES = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/")

ARTIFACT_PREFIXES = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")


def is_called(scope: Scope) -> bool:
    """Return whether a request is for the face, which checks its paths itself and answers in MLflow's words."""
    return scope["raw_path"].decode("latin-1").startswith((*PREFIXES, *ARTIFACT_PREFIXES))


def endpoints() -> list[Endpoint]:
    """Return every endpoint of the face."""
    families = (
        experiments,
        runs,
        metrics,
        inputs,
        logged_models,
        artifacts,
        searches,
        registered_models,
        model_versions,
        webhooks,
        server,
    )
    return [endpoint for family in families for endpoint in family.ENDPOINTS]


class Before:
    """Answers what begins with a prefix of the face, and passes everything else on to ``app``.

    The router of the pages would decode paths first, and matches prefixes that only begin alike.
    """

    def __init__(self, app: ASGIApp, workspace: Workspace) -> None:
        self.app = app
        protocol = Face(workspace, endpoints(), missing=server.MISSING)
        proxy = Face(workspace, artifacts.PROXY, artifacts.STREAMS, server.MISSING)
        self._faces = dict.fromkeys(PREFIXES, protocol) | dict.fromkeys(ARTIFACT_PREFIXES, proxy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        kind: str = scope["type"]
        if kind == "http" and scope["path"].startswith(("/api/2", "/api/3", "/ajax-api/")):
            path = scope["raw_path"].decode("latin-1").partition("?")[0]
            for prefix, face in self._faces.items():
                if path.startswith(prefix):
                    await face(scope, receive, send, path[len(prefix) :])
                    return
        await self.app(scope, receive, send)
