"""What the face says of itself, and of what MLflow has beyond tracking and registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainspring.web.mlflow.dispatch import Endpoint
from mainspring.web.mlflow.wire import Nothing

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

MISSING = {
    "traces": "traces",
    "unified-traces": "traces",
    "get-online-trace-details": "traces",
    "issues": "traces' issues",
    "label-schemas": "labelling of traces",
    "review-queues": "labelling of traces",
    "scorers": "scorers",
    "datasets": "evaluation datasets",
    "gateway": "the gateway",
    "prompt-optimization": "prompt optimisation",
    "workspaces": "MLflow's workspaces",
    "artifacts/presigned-upload-url": "presigned URLs",
    "artifacts/presigned-download-url": "presigned URLs",
    "presigned": "presigned URLs",
    "demo": "MLflow's demo",
    "jobs": "jobs",
}
"""What is not here, by the beginning of its paths; answered with NOT_IMPLEMENTED."""


def info(_workspace: Workspace, _request: Nothing) -> dict[str, Any]:
    """Say what kind of server this is, as clients ask before they send large files."""
    return {
        "store_type": "Mainspring",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
    }


ENDPOINTS = [Endpoint("GET", "server-info", Nothing, info)]
