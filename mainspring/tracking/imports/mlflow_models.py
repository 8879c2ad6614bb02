"""Logged models of an MLflow server, taken over one by one, each with its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mainspring.base import clock
from mainspring.base.errors import InvalidData
from mainspring.base.hashing import digest
from mainspring.tracking.imports.arrival import FROM_TAG, STATE_TAG
from mainspring.tracking.imports.mlflow_server import ServerRefusal
from mainspring.tracking.limits import artifact_path, check_key, param_text, tag_text
from mainspring.tracking.logged_models import check_model_name
from mainspring.tracking.records import files as file_rows
from mainspring.tracking.records import logged_models as model_rows
from mainspring.versioning.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.imports.mlflow_server import MlflowServer
    from mainspring.tracking.imports.report import Report

_ID = re.compile("m-[0-9a-zA-Z]{1,34}")
_STATUSES = {"LOGGED_MODEL_READY": "ready", "LOGGED_MODEL_UPLOAD_FAILED": "failed"}


def model_state(told: dict[str, Any]) -> str:
    """Return a digest of what the server says of a logged model."""
    return digest(told)


def known_models(workspace: Workspace, model_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the states in which logged models were taken, for those that are here."""
    with workspace.database.read() as connection:
        held = [row.id for row in model_rows.by_ids(connection, model_ids)]
        return {model_id: tags.get(STATE_TAG) for model_id, tags in model_rows.tags_of(connection, held).items()}


def take_model(
    workspace: Workspace,
    server: MlflowServer,
    report: Report,
    told: dict[str, Any],
    experiment_id: str,
    local_run: Callable[[str], str],
) -> bool:
    """Write a logged model in one transaction; say whether that was possible."""
    info, data = told["info"], told.get("data") or {}
    whose = f"logged model {info['model_id']}"
    with workspace.database.read() as connection:
        held = model_rows.by_ids(connection, [info["model_id"]])
        ours = held and FROM_TAG in model_rows.tags_of(connection, [info["model_id"]])[info["model_id"]]
    if not _ID.fullmatch(info["model_id"]) or (held and not ours):
        report.leave(whose, "its id is taken here, or is none that could be")
        return False
    try:
        name = check_model_name(info["name"])
    except InvalidData as error:
        report.leave(whose, error.message)
        return False
    files, complete = _files(workspace, server, report, info)
    given = {item["key"]: item.get("value", "") for item in data.get("params", ())}
    labels = {item["key"]: item.get("value", "") for item in info.get("tags", ())}
    params = report.fitting(whose, given, lambda key: check_key(key, "param"), param_text)
    tags = report.fitting(whose, labels, lambda key: check_key(key, "tag"), tag_text)
    tags |= {FROM_TAG: report.source} | ({STATE_TAG: model_state(told)} if complete else {})
    about = _about(info)
    row = _row(info, name, experiment_id, local_run)
    metrics = [_metric(info["model_id"], item, local_run) for item in data.get("metrics", ())]
    with workspace.database.write() as connection:
        if held:
            model_rows.change(connection, row["id"], **about)
        else:
            model_rows.add(connection, row | about)
        model_rows.add_params(connection, row["id"], params)
        model_rows.put_tags(connection, row["id"], tags)
        if metrics:
            model_rows.put_metrics(connection, metrics)
        if files:
            at = clock.now()
            rows = [
                {"path": path, "md5": item.md5, "size": item.size, "created_at": at} for path, item in files.items()
            ]
            file_rows.put(connection, row["id"], rows)
    return True


def _about(info: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that may change."""
    return {
        "status": _STATUSES.get(info.get("status", ""), "pending"),
        "status_message": info.get("status_message") or None,
        "updated_at": int(info["last_updated_timestamp_ms"]),
    }


def _row(info: dict[str, Any], name: str, experiment_id: str, local_run: Callable[[str], str]) -> dict[str, Any]:
    """Return the columns that stay."""
    run_id = info.get("source_run_id")
    return {
        "id": info["model_id"],
        "experiment_id": experiment_id,
        "name": name,
        "type": info.get("model_type") or "",
        "run_id": local_run(run_id) if run_id else None,
        "created_at": int(info["creation_timestamp_ms"]),
    }


def _metric(model_id: str, told: dict[str, Any], local_run: Callable[[str], str]) -> dict[str, Any]:
    value = float(told.get("value", 0))
    return {
        "model_id": model_id,
        "run_id": local_run(told["run_id"]),
        "key": told["key"],
        "dataset": told.get("dataset_name") or "",
        "digest": told.get("dataset_digest") or "",
        "step": int(told.get("step", 0)),
        "at": int(told.get("timestamp", 0)),
        "value": None if value != value else value,
    }


def _files(
    workspace: Workspace, server: MlflowServer, report: Report, info: dict[str, Any]
) -> tuple[dict[str, Stored], bool]:
    model_id, root = info["model_id"], info.get("artifact_uri") or ""
    complete = True
    with scratch(workspace) as folder:
        got = {}
        try:
            for number, path in enumerate(server.files_of_model(model_id)):
                server.fetch_of_model(model_id, root, path, folder / str(number))
                got[artifact_path(path)] = folder / str(number)
        except (ServerRefusal, InvalidData) as error:
            why = error.unread(root) if isinstance(error, ServerRefusal) else f"could not be read: {error.message}"
            report.leave(f"logged model {model_id}, files", why)
            complete = False
        return dict(zip(got, workspace.objects.put_files(got.values()), strict=True)), complete
