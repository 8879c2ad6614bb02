"""Experiments that Comet's client recorded offline, from the archives it wrote."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData, NotFound
from mainspring.base.hashing import md5_file
from mainspring.tracking.imports.arrival import Arrival, ensure_group, place, take
from mainspring.tracking.imports.curves import Curves
from mainspring.tracking.imports.report import Progress, Report, silent
from mainspring.versioning.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mainspring.store.objects import Stored
    from mainspring.store.workspace import Workspace

_ABOUT, _MESSAGES = "experiment.json", "messages.json"
_GENERATED = "auto-generated-in-the-backend"
_MOVING = ("curr_step", "curr_epoch")
"""Params that the client logs anew at every step; they are the steps of the metrics."""
_KINDS = {
    *("metric_msg", "parameter_msg", "log_other", "file_name", "file_upload", "system_details", "standard_output"),
    *("installed_packages", "os_packages"),
}


class _Told:
    """What the messages of an experiment say."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.tags: dict[str, Any] = {}
        self.curves = Curves()
        self.uploads: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}
        self.actor = ""
        self.unread: dict[str, int] = {}

    def note(self, kind: str, payload: dict[str, Any]) -> None:
        """Take a message; one of an unknown kind is counted."""
        if kind in _KINDS:
            getattr(self, f"_{kind}")(payload)
        else:
            self.unread[kind] = self.unread.get(kind, 0) + 1

    def _metric_msg(self, payload: dict[str, Any]) -> None:
        metric = payload["metric"]
        step = metric.get("step")
        try:
            value = float(metric["metricValue"])
        except (TypeError, ValueError):
            self.unread["metric that is no number"] = self.unread.get("metric that is no number", 0) + 1
            return
        at = int(payload.get("local_timestamp") or 0)
        self.curves.add(metric["metricName"], None if step is None else int(step), at, value)

    def _parameter_msg(self, payload: dict[str, Any]) -> None:
        param = payload["param"]
        if param["paramName"] not in _MOVING or param.get("source") != "auto-logged":
            self.params[param["paramName"]] = param["paramValue"]

    def _log_other(self, payload: dict[str, Any]) -> None:
        self.tags[payload["key"]] = payload["value"]

    def _file_name(self, payload: dict[str, Any]) -> None:
        self.tags["comet.file_name"] = payload["file_name"]

    def _system_details(self, payload: dict[str, Any]) -> None:
        self.actor = str(payload.get("user") or "")
        self.tags["comet.python"] = payload.get("python_version")
        self.tags["comet.host"] = payload.get("hostname")

    def _standard_output(self, payload: dict[str, Any]) -> None:
        self.texts.setdefault("output.log", []).append(payload["output"])

    def _installed_packages(self, payload: dict[str, Any]) -> None:
        self.texts["requirements.txt"] = [f"{name}\n" for name in payload["installed_packages"]]

    def _os_packages(self, payload: dict[str, Any]) -> None:
        self.texts["os-packages.txt"] = [f"{name}\n" for name in payload["os_packages"]]

    def _file_upload(self, payload: dict[str, Any]) -> None:
        about = payload.get("additional_params") or {}
        kind = str(about.get("type") or payload.get("upload_type") or "asset")
        name = about.get("fileName") or about.get("figName") or about.get("assetId") or payload["file_path"]
        if name == _GENERATED:
            name = f"{about.get('assetId') or payload['file_path']}.{about.get('extension') or 'txt'}"
        if about.get("extension") and "." not in str(name).rpartition("/")[2]:
            name = f"{name}.{about['extension']}"
        self.uploads[f"{kind}/{str(name).strip('/')}"] = payload["file_path"]


def import_comet(workspace: Workspace, path: Path, progress: Progress = silent) -> Report:
    """Take an offline archive, or all of a folder. What is here already as the files have it is left alone.

    Raises:
        NotFound: there is no such file, or no archive in the folder.
        InvalidData: the file is no archive of Comet's client.
    """
    archives = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not archives or not all(archive.is_file() for archive in archives):
        raise NotFound(f"there is no offline archive of Comet at {path}", hint="give the .zip that the client wrote")
    report = Report(source="comet")
    for done, archive in enumerate(archives):
        progress("runs", done, len(archives))
        try:
            _take(workspace, report, archive)
        except InvalidData as error:
            if not path.is_dir():
                raise
            report.leave(str(archive), error.message)
    progress("runs", len(archives), len(archives))
    return report


def _take(workspace: Workspace, report: Report, archive: Path) -> None:
    state = md5_file(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            about = json.loads(opened.read(_ABOUT))
            with workspace.database.read() as connection:
                run_id, held = place(connection, "comet", about["offline_id"])
            if held == state:
                report.count("runs", fresh=False)
                return
            told = _Told()
            for message in _messages(opened):
                told.note(str(message.get("type")), message.get("payload") or {})
            files = _files(workspace, opened, told, report, run_id)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise InvalidData(f"{archive} cannot be read as an offline archive of Comet's client: {error}") from error
    for kind, count in told.unread.items():
        report.leave(f"run {run_id}", f"{count} × '{kind}', which there is no place for")
    name = str(told.tags.pop("Name", None) or about["offline_id"])
    group, fresh = ensure_group(workspace, about.get("project_name") or "general")
    if fresh:
        report.count("experiments", fresh=True)
    tags = told.tags | {"comet.workspace": about.get("workspace"), "comet.tags": ",".join(about.get("tags") or ())}
    arrival = Arrival(
        id=run_id,
        experiment_id=group.id,
        source=f"comet {about['offline_id']}",
        state=state,
        name=name,
        status="failed" if about.get("customer_error_reported") else "finished",
        started_at=int(about.get("start_time") or 0),
        ended_at=int(about["stop_time"]) if about.get("stop_time") else None,
        actor=told.actor,
        params=told.params,
        tags={key: value for key, value in tags.items() if value not in ("", None)},
        curves=told.curves.columns(),
        files=files,
    )
    take(workspace, arrival, report)
    report.count("runs", fresh=True)


def _messages(opened: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    with opened.open(_MESSAGES) as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _files(
    workspace: Workspace, opened: zipfile.ZipFile, told: _Told, report: Report, run_id: str
) -> dict[str, Stored]:
    with scratch(workspace) as folder:
        got = {}
        for number, (name, member) in enumerate(told.uploads.items()):
            try:
                source = opened.open(member)
            except KeyError:
                report.leave(f"run {run_id}, asset '{name}'", "the archive does not hold it")
                continue
            with source, (folder / str(number)).open("wb") as target:
                shutil.copyfileobj(source, target)
            got[name] = folder / str(number)
        for name, pieces in told.texts.items():
            got[name] = folder / name
            got[name].write_text("".join(pieces), encoding="utf-8", errors="replace")
        return dict(zip(got, workspace.objects.put_files(got.values()), strict=True))
