"""The application of the control server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from mainspring.tracking.experiments import ensure_default
from mainspring.web.gatekeeper import Gatekeeper
from mainspring.web.health import health
from mainspring.web.mlflow.application import Before
from mainspring.web.mlflow.dispatch import respond

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import Receive, Scope, Send

    from mainspring.store.workspace import Workspace


def build(workspace: Workspace, *, token_hash: str | None) -> Gatekeeper:
    """Return the application of a workspace; everything but ``/health`` asks for the token when there is one.

    The gatekeeper stands before the router, so that not even what does not exist is told to strangers.
    """
    ensure_default(workspace)
    app = Before(Pages(workspace), workspace)
    return Gatekeeper(app, hosts=workspace.settings.serving.allowed_hosts, token_hash=token_hash)


class Pages:
    """The pages, made when the first is asked for: what they need is half of a start, and tracking clients never ask.

    ``/health`` is answered without them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._making = asyncio.Lock()
        self._routes: Litestar | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        kind: str = scope["type"]
        if kind == "lifespan":  # nothing is to be done at the start and at the end
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})  # type: ignore[typeddict-item]  # Litestar's message types are closed TypedDicts
            return
        if scope["path"] == "/health" and scope.get("method") == "GET":
            await respond(send, 200, msgspec.json.encode(health()))
            return
        async with self._making:
            if self._routes is None:
                self._routes = await asyncio.to_thread(self._make)
        await self._routes(scope, receive, send)

    def _make(self) -> Litestar:
        from mainspring.web.pages import routes

        return routes(self._workspace)
