"""The registry of an MLflow server: models with their versions, numbers, aliases, stages and tags."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData, MainspringError, NotFound
from mainspring.base.hashing import digest
from mainspring.tracking.imports.arrival import FROM_TAG, STATE_TAG, place
from mainspring.tracking.imports.mlflow_server import ServerRefusal
from mainspring.tracking.sources import Source, located
from mainspring.versioning import catalogue, labels, registry
from mainspring.versioning.registration import record_files, supply_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.imports.mlflow_server import MlflowServer
    from mainspring.tracking.imports.report import Progress, Report
    from mainspring.versioning.catalogue import ModelEntry

_PAGE = 500
_STAGES = {"None": "development", "Staging": "staging", "Production": "production", "Archived": "archived"}


def take_registry(
    workspace: Workspace, server: MlflowServer, report: Report, progress: Progress, places: Mapping[str, str]
) -> None:
    """Take registered models and their versions; numbers are kept, also where versions in between were deleted.

    ``places`` says which folders of the server are the files of runs and logged models that are here by now.
    """
    models = list(server.pages("GET", "registered-models/search", "registered_models", max_results=_PAGE))
    told: dict[str, list[dict[str, Any]]] = {model["name"]: [] for model in models}
    for version in server.pages("GET", "model-versions/search", "model_versions", max_results=_PAGE):
        told.setdefault(version["name"], []).append(version)
    registry = _Registry(workspace, server, report, places)
    for done, model in enumerate(models):
        progress("registered models", done, len(models))
        versions = sorted(told[model["name"]], key=lambda item: int(item["version"]))
        try:
            registry.take(model, versions)
        except MainspringError as error:
            report.leave(f"registered model '{model['name']}'", error.message)
    progress("registered models", len(models), len(models))


@dataclass(frozen=True)
class _Registry:
    """What registered models and versions are taken with."""

    workspace: Workspace
    server: MlflowServer
    report: Report
    places: Mapping[str, str]

    def take(self, told: dict[str, Any], versions: list[dict[str, Any]]) -> None:
        name = told["name"]
        state = digest([told, versions])
        held = _held(self.workspace, name)
        if held is not None and FROM_TAG not in held.tags:
            self.report.leave(f"registered model '{name}'", "there is a model of this name here; rename one of them")
            return
        if held is not None and held.tags.get(STATE_TAG) == state:
            self.report.count("registered models", fresh=False)
            for version in versions:
                self.report.count("model versions", fresh=self.supply(version))
            return
        tags = _tags(told)
        tags = self.report.fitting(f"registered model '{name}'", tags, labels.checked_key, labels.checked_text)
        if held is None:
            labels.create_model(
                self.workspace,
                name,
                description=told.get("description") or None,
                tags=tags | {FROM_TAG: self.report.source},
                created_at=int(told["creation_timestamp"]),
            )
        else:
            labels.describe_model(self.workspace, name, told.get("description") or None)
            labels.set_model_tags(self.workspace, name, tags)
        for version in versions:
            self.take_version(version)
        _set_stages(self.workspace, self.report, name, versions)
        for item in told.get("aliases", ()):
            labels.set_alias(self.workspace, name, item["alias"], str(item["version"]))
        labels.set_model_tags(self.workspace, name, {STATE_TAG: state})
        self.report.count("registered models", fresh=True)

    def take_version(self, told: dict[str, Any]) -> None:
        name, number = told["name"], int(told["version"])
        tags = self.report.fitting(_whose(told), _tags(told), labels.checked_key, labels.checked_text)
        description = told.get("description") or None
        try:
            catalogue.get_version(self.workspace, name, str(number))
        except NotFound:
            pass
        else:
            labels.set_version_tags(self.workspace, name, str(number), tags)
            labels.describe_version(self.workspace, name, str(number), description)
            self.report.count("model versions", fresh=self.supply(told))
            return
        run_id = told.get("run_id") or None
        if run_id is not None:
            with self.workspace.database.read() as connection:
                run_id = place(connection, "mlflow", run_id)[0]
        found = self.files(told)
        record_files(
            self.workspace,
            name,
            found.entries,
            source=told.get("source") or "",
            size=found.size,
            run_id=run_id,
            logged_model_id=told.get("model_id") or None,
            run_link=told.get("run_link") or None,
            description=description,
            tags=tags,
            actor=told.get("user_id") or None,
            number=number,
            created_at=int(told["creation_timestamp"]),
        )
        self.report.count("model versions", fresh=True)

    def supply(self, told: dict[str, Any]) -> bool:
        """Give a version that came without its files those that are here by now; say whether there were any."""
        held = catalogue.get_version(self.workspace, told["name"], str(told["version"])).version
        if held.artifact:
            return False
        found = self.files(told)
        return bool(found.entries) and supply_files(self.workspace, held, found.entries, found.size)

    def files(self, told: dict[str, Any]) -> Source:
        """Return the files of a version; what prevents that is reported."""
        source = told.get("source") or ""
        try:
            found = self.located(told)
        except (InvalidData, NotFound) as error:
            self.report.leave(f"{_whose(told)}, files", error.message)
            return Source([], 0, None, None)
        if not found.entries:
            self.report.leave(f"{_whose(told)}, files", f"nothing of '{source}' was taken; only where it is")
        return found

    def located(self, told: dict[str, Any]) -> Source:
        """Return the files at the source of a version.

        A version that was copied names the one it was copied from, which may have another name by now, or come later
        here: then the place counts that the server sends its clients to.
        """
        source, tags = told.get("source") or "", _tags(told)
        if re.fullmatch(r"models:/[^/]+/[^/]+", source):
            with suppress(InvalidData, NotFound, ServerRefusal):
                asked = {"name": told["name"], "version": told["version"]}
                answer = self.server.ask("GET", "model-versions/get-download-uri", **asked)
                return located(self.workspace, self.here(str(answer.get("artifact_uri"))), tags)
        return located(self.workspace, self.here(source), tags)

    def here(self, source: str) -> str:
        """Return what a place of the server is called here: the files of a run or of a logged model, if it is that."""
        above, below = source.rstrip("/"), ""
        while above:
            if above in self.places:
                return self.places[above] + below
            above, slash, last = above.rpartition("/")
            below = f"{slash}{last}{below}"
        return source


def _whose(told: dict[str, Any]) -> str:
    return f"version {told['version']} of '{told['name']}'"


def _tags(told: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item.get("value", "") for item in told.get("tags", ())}


def _held(workspace: Workspace, name: str) -> ModelEntry | None:
    try:
        return catalogue.get_model(workspace, name)
    except NotFound:
        return None


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
