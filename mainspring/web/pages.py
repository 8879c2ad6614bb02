"""The pages for people, and the API of our own beside MLflow's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from litestar import Litestar, MediaType, Response, get
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

from mainspring.base.errors import StorageError
from mainspring.web.health import Health, health
from mainspring.web.overview import Overview, overview

if TYPE_CHECKING:
    from litestar import Request

    from mainspring.store.workspace import Workspace

HERE = Path(__file__).parent


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
    def alive() -> Health:
        """Say that the server is there."""
        return health()

    return Litestar(
        route_handlers=[
            page,
            data,
            alive,
            create_static_files_router(path="/static", directories=[HERE / "static"]),
        ],
        template_config=TemplateConfig(directory=HERE / "templates", engine=JinjaTemplateEngine),
        request_max_body_size=1_000_000,
        exception_handlers={StorageError: _away},
        logging_config=None,
    )


def _away(_: Request[Any, Any, Any], error: StorageError) -> Response[str]:
    return Response(f"{error.message}\n{error.hint or ''}\n", status_code=503, media_type=MediaType.TEXT)
