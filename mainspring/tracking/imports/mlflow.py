"""Everything that a live MLflow server holds: experiments, runs with whole histories and files, logged models, registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.errors import InvalidData
from mainspring.base.hashing import digest
from mainspring.tracking.imports.arrival import Arrival, ensure_group, place, take
from mainspring.tracking.imports.mlflow_models import known_models, model_state, take_model
from mainspring.tracking.imports.mlflow_registry import take_registry
from mainspring.tracking.imports.mlflow_server import MlflowServer, ServerRefusal
from mainspring.tracking.imports.report import Progress, Report, silent
from mainspring.tracking.limits import check_key, long_tag_text
from mainspring.tracking.lineage import ReadDataset
from mainspring.tracking.points import Columns
from mainspring.versioning.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.runs import Status

_PAGE = 500
_POINTS = 25_000
_TAG_LENGTH = 20_000
_STATUSES: dict[str, Status] = {
    "RUNNING": "running",
    "SCHEDULED": "scheduled",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "killed",
}


def import_mlflow(workspace: Workspace, address: str, progress: Progress = silent) -> Report:
    """Take what a server holds. What is here already as the server has it is left alone.

    Each run, each logged model and each version comes whole or not at all: after an interruption the next import goes
    on. Runs, experiments and logged models keep their ids where these are free.

    Raises:
        UsageError: the address is none.
        ExternalToolError: the server cannot be reached, or refuses.
    """
    server = MlflowServer(address)
    report = Report(source=f"mlflow {server.address}")
    try:
        _Import(workspace, server, report, progress).everything()
    finally:
        server.close()
    return report


class _Import:
    """One import, with the ids that things got here; ``places`` says which folders of the server they are."""

    def __init__(self, workspace: Workspace, server: MlflowServer, report: Report, progress: Progress) -> None:
        self.workspace = workspace
        self.server = server
        self.report = report
        self.progress = progress
        self.models: set[str] = set()
        self.places: dict[str, str] = {}
        self.runs = 0

    def everything(self) -> None:
        found = list(self.server.pages("POST", "experiments/search", "experiments", max_results=_PAGE, view_type="ALL"))
        for done, experiment in enumerate(found):
            self.progress("experiments", done, len(found))
            self.experiment(experiment)
        self.progress("experiments", len(found), len(found))
        take_registry(self.workspace, self.server, self.report, self.progress, self.places)

    def experiment(self, told: dict[str, Any]) -> None:
        whose = f"experiment '{told['name']}'"
        tags = {tag["key"]: tag.get("value", "") for tag in told.get("tags", ())}
        deleted = told.get("lifecycle_stage") == "deleted"
        try:
            group, fresh = ensure_group(
                self.workspace,
                told["name"],
                foreign_id=told["experiment_id"],
                origin=f"{self.report.source} {told['experiment_id']}",
                created_at=_whole(told.get("creation_time")),
                deleted=deleted,
                tags=self.report.fitting(
                    whose,
                    tags,
                    lambda key: check_key(key, "tag"),
                    lambda key, text: long_tag_text(key, text, _TAG_LENGTH),
                ),
            )
        except InvalidData as error:
            self.report.leave(whose, error.message)
            return
        self.report.count("experiments", fresh=fresh)
        self.logged_models(told["experiment_id"], group.id)
        searched = {"experiment_ids": [told["experiment_id"]], "run_view_type": "ALL", "max_results": _PAGE}
        for run in self.server.pages("POST", "runs/search", "runs", **searched, order_by=["attributes.start_time ASC"]):
            self.run(run, group.id)
            self.runs += 1
            self.progress("runs", self.runs, None)

    def logged_models(self, foreign_id: str, experiment_id: str) -> None:
        searched = {"experiment_ids": [foreign_id], "max_results": 50}
        try:
            found = list(self.server.pages("POST", "logged-models/search", "models", **searched))
        except ServerRefusal as refusal:
            if refusal.status not in (404, 405):
                raise
            return  # a server from before logged models
        held = known_models(self.workspace, [model["info"]["model_id"] for model in found])
        for model in found:
            model_id = model["info"]["model_id"]
            fresh = held.get(model_id) != model_state(model)
            if not fresh or take_model(self.workspace, self.server, self.report, model, experiment_id, self.local_run):
                self.models.add(model_id)
                self.places[model["info"].get("artifact_uri") or model_id] = f"models:/{model_id}"
                self.report.count("logged models", fresh=fresh)

    def local_run(self, foreign_id: str) -> str:
        with self.workspace.database.read() as connection:
            return place(connection, "mlflow", foreign_id)[0]

    def run(self, told: dict[str, Any], experiment_id: str) -> None:
        info, data = told["info"], told.get("data") or {}
        state = digest(told)
        with self.workspace.database.read() as connection:
            run_id, held = place(connection, "mlflow", info["run_id"])
        there = f"runs:/{info['run_id']}"
        self.places |= dict.fromkeys((there, info.get("artifact_uri") or there), f"runs:/{run_id}")
        if held == state:
            self.report.count("runs", fresh=False)
            return
        missing = len(self.report.left_out)
        curves = {item["key"]: self.curve(info["run_id"], item["key"]) for item in data.get("metrics", ())}
        files = self.files(info)
        complete = not any(": could not be read" in line for line in self.report.left_out[missing:])
        lineage = self.lineage(told)
        tags = {tag["key"]: tag.get("value", "") for tag in data.get("tags", ())}
        arrival = Arrival(
            id=run_id,
            experiment_id=experiment_id,
            source=f"{self.report.source} {info['run_id']}",
            state=state if complete else None,
            name=info.get("run_name") or tags.get("mlflow.runName") or info["run_id"],
            status=_STATUSES.get(info.get("status", ""), "finished"),
            started_at=_whole(info.get("start_time")) or 0,
            ended_at=_whole(info.get("end_time")) or None,
            actor=info.get("user_id") or tags.get("mlflow.user", ""),
            deleted=info.get("lifecycle_stage") == "deleted",
            params={param["key"]: param.get("value", "") for param in data.get("params", ())},
            tags=tags,
            curves=curves,
            files=files,
            **lineage,
        )
        take(self.workspace, arrival, self.report)
        self.report.count("runs", fresh=True)

    def curve(self, run_id: str, key: str) -> Columns:
        call = {"run_id": run_id, "metric_key": key, "max_results": _POINTS}
        steps, at, values = [], [], []
        for point in self.server.pages("GET", "metrics/get-history", "metrics", **call):
            steps.append(int(point.get("step", 0)))
            at.append(int(point.get("timestamp", 0)))
            values.append(float(point.get("value", 0)))
        return Columns(np.array(steps, np.int64), np.array(at, np.int64), np.array(values, np.float64))

    def files(self, info: dict[str, Any]) -> dict[str, Stored]:
        run_id, root = info["run_id"], info.get("artifact_uri") or ""
        with scratch(self.workspace) as folder:
            got = {}
            for number, path in enumerate(self.paths(run_id, root)):
                target = folder / str(number)
                try:
                    self.server.fetch_of_run(run_id, root, path, target)
                except ServerRefusal as refusal:
                    self.report.leave(f"run {run_id}, artifact '{path}'", refusal.unread(root))
                else:
                    got[path] = target
            return dict(zip(got, self.workspace.objects.put_files(got.values()), strict=True))

    def paths(self, run_id: str, root: str) -> Iterator[str]:
        try:
            yield from self.server.files_of_run(run_id)
        except ServerRefusal as refusal:
            self.report.leave(f"run {run_id}, artifacts", refusal.unread(root))

    def lineage(self, told: dict[str, Any]) -> dict[str, Any]:
        inputs, outputs = told.get("inputs") or {}, told.get("outputs") or {}
        datasets = []
        for item in inputs.get("dataset_inputs", ()):
            dataset = item["dataset"]
            datasets.append(
                ReadDataset(
                    name=dataset["name"],
                    digest=dataset["digest"],
                    source_type=dataset.get("source_type", ""),
                    source=dataset.get("source", ""),
                    schema=dataset.get("schema"),
                    profile=dataset.get("profile"),
                    tags={tag["key"]: tag.get("value", "") for tag in item.get("tags", ())},
                )
            )
        read = [item["model_id"] for item in inputs.get("model_inputs", ()) if item["model_id"] in self.models]
        made = [
            (item["model_id"], int(item.get("step", 0)))
            for item in outputs.get("model_outputs", ())
            if item["model_id"] in self.models
        ]
        return {"datasets": datasets, "models_read": read, "models_made": made}


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
