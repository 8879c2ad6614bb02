"""The application of the control server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from litestar import Litestar, MediaType, get
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

from mainspring.base.clock import iso, now
from mainspring.tracking.experiments import ensure_default
from mainspring.web.gatekeeper import Gatekeeper
from mainspring.web.mlflow.application import Before
from mainspring.web.overview import Overview, overview

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

HERE = Path(__file__).parent


def build(workspace: Workspace, *, token_hash: str | None) -> Gatekeeper:
    """Return the application of a workspace; everything but ``/health`` asks for the token when there is one.

    The gatekeeper stands before the router, so that not even what does not exist is told to strangers.
    """
    app = Before(routes(workspace), workspace)
    return Gatekeeper(app, hosts=workspace.settings.serving.allowed_hosts, token_hash=token_hash)


def routes(workspace: Workspace) -> Litestar:
    """Return the pages and the API, unguarded."""

    @get("/", media_type=MediaType.HTML, sync_to_thread=True, include_in_schema=False)
    def page() -> Template:
        """What is released and watched, for people."""
        return Template("overview.html", context={"view": overview(workspace)})

    @get("/api/overview", sync_to_thread=True)
    def data() -> Overview:
        """What is released and watched, for programs."""
        return overview(workspace)

    @get("/health", sync_to_thread=False)
    def health() -> dict[str, str]:
        """Say that the server is there."""
        return {"status": "ok", "at": iso(now())}

    ensure_default(workspace)
    return Litestar(
        route_handlers=[
            page,
            data,
            health,
            create_static_files_router(path="/static", directories=[HERE / "static"]),
        ],
        template_config=TemplateConfig(directory=HERE / "templates", engine=JinjaTemplateEngine),
        request_max_body_size=1_000_000,
        logging_config=None,
    )
