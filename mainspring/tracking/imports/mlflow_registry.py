"""The registry of an MLflow server: models with their versions, numbers, aliases, stages and tags."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData, MainspringError, NotFound
from mainspring.base.hashing import digest
from mainspring.tracking.imports.arrival import FROM_TAG, STATE_TAG, place
from mainspring.tracking.imports.mlflow_server import ServerRefusal
from mainspring.tracking.sources import Source, located
from mainspring.versioning import catalogue, labels, registry
from mainspring.versioning.registration import record_files

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.imports.mlflow_server import MlflowServer
    from mainspring.tracking.imports.report import Progress, Report
    from mainspring.versioning.catalogue import ModelEntry

_PAGE = 500
_STAGES = {"None": "development", "Staging": "staging", "Production": "production", "Archived": "archived"}


def take_registry(workspace: Workspace, server: MlflowServer, report: Report, progress: Progress) -> None:
    """Take registered models and their versions; numbers are kept, also where versions in between were deleted."""
    models = list(server.pages("GET", "registered-models/search", "registered_models", max_results=_PAGE))
    told: dict[str, list[dict[str, Any]]] = {model["name"]: [] for model in models}
    for version in server.pages("GET", "model-versions/search", "model_versions", max_results=_PAGE):
        told.setdefault(version["name"], []).append(version)
    for done, model in enumerate(models):
        progress("registered models", done, len(models))
        versions = sorted(told[model["name"]], key=lambda item: int(item["version"]))
        try:
            _take(workspace, server, report, model, versions)
        except MainspringError as error:
            report.leave(f"registered model '{model['name']}'", error.message)
    progress("registered models", len(models), len(models))


def _take(
    workspace: Workspace, server: MlflowServer, report: Report, told: dict[str, Any], versions: list[dict[str, Any]]
) -> None:
    name = told["name"]
    state = digest([told, versions])
    held = _held(workspace, name)
    if held is not None and FROM_TAG not in held.tags:
        report.leave(f"registered model '{name}'", "there is a model of this name here; rename one of them")
        return
    if held is not None and held.tags.get(STATE_TAG) == state:
        report.count("registered models", fresh=False)
        for _ in versions:
            report.count("model versions", fresh=False)
        return
    tags = {item["key"]: item.get("value", "") for item in told.get("tags", ())}
    tags = report.fitting(f"registered model '{name}'", tags, labels.checked_key, labels.checked_text)
    if held is None:
        labels.create_model(
            workspace,
            name,
            description=told.get("description") or None,
            tags=tags | {FROM_TAG: report.source},
            created_at=int(told["creation_timestamp"]),
        )
    else:
        labels.describe_model(workspace, name, told.get("description") or None)
        labels.set_model_tags(workspace, name, tags)
    for version in versions:
        _take_version(workspace, server, report, version)
    _set_stages(workspace, report, name, versions)
    for item in told.get("aliases", ()):
        labels.set_alias(workspace, name, item["alias"], str(item["version"]))
    labels.set_model_tags(workspace, name, {STATE_TAG: state})
    report.count("registered models", fresh=True)


def _held(workspace: Workspace, name: str) -> ModelEntry | None:
    try:
        return catalogue.get_model(workspace, name)
    except NotFound:
        return None


def _take_version(workspace: Workspace, server: MlflowServer, report: Report, told: dict[str, Any]) -> None:
    name, number = told["name"], int(told["version"])
    whose = f"version {number} of '{name}'"
    given = {item["key"]: item.get("value", "") for item in told.get("tags", ())}
    tags = report.fitting(whose, given, labels.checked_key, labels.checked_text)
    description = told.get("description") or None
    try:
        catalogue.get_version(workspace, name, str(number))
    except NotFound:
        pass
    else:
        labels.set_version_tags(workspace, name, str(number), tags)
        labels.describe_version(workspace, name, str(number), description)
        report.count("model versions", fresh=False)
        return
    run_id = told.get("run_id") or None
    if run_id is not None:
        with workspace.database.read() as connection:
            run_id = place(connection, "mlflow", run_id)[0]
    source, entries, size = told.get("source") or "", [], 0
    try:
        found = _found(workspace, server, told, tags)
    except (InvalidData, NotFound) as error:
        report.leave(f"{whose}, files", error.message)
    else:
        entries, size = found.entries, found.size
        if not entries:
            report.leave(f"{whose}, files", f"nothing of '{source}' was taken; only where it is")
    record_files(
        workspace,
        name,
        entries,
        source=source,
        size=size,
        run_id=run_id,
        logged_model_id=told.get("model_id") or None,
        run_link=told.get("run_link") or None,
        description=description,
        tags=tags,
        actor=told.get("user_id") or None,
        number=number,
        created_at=int(told["creation_timestamp"]),
    )
    report.count("model versions", fresh=True)


def _found(workspace: Workspace, server: MlflowServer, told: dict[str, Any], tags: dict[str, str]) -> Source:
    """Return the files of a version.

    A version that was copied names the one it was copied from, which may have another name by now, or come later here:
    then the place counts that the server sends its clients to.
    """
    source = told.get("source") or ""
    if re.fullmatch(r"models:/[^/]+/[^/]+", source):
        with suppress(InvalidData, NotFound, ServerRefusal):
            asked = {"name": told["name"], "version": told["version"]}
            answer = server.ask("GET", "model-versions/get-download-uri", **asked)
            return located(workspace, str(answer.get("artifact_uri")), tags)
    return located(workspace, source, tags)


def _set_stages(workspace: Workspace, report: Report, name: str, versions: list[dict[str, Any]]) -> None:
    """Bring versions to their stages; of several in production the newest is, for a model has one."""
    wanted = {str(item["version"]): _STAGES.get(item.get("current_stage", "None"), "development") for item in versions}
    in_production = [number for number, stage in wanted.items() if stage == "production"]
    for number in in_production[:-1]:
        wanted[number] = "archived"
        report.leave(
            f"version {number} of '{name}', stage Production",
            f"version {in_production[-1]} is in production too and newer; this one is archived",
        )
    for number, stage in wanted.items():
        found = catalogue.get_version(workspace, name, number).version
        if found.stage != stage:
            reason = f"imported from {report.source}"
            registry.transition(workspace, name, found.version, stage, reason=reason)
