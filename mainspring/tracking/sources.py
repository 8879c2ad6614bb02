"""Model versions made of what runs and logged models stored, or of what lies elsewhere.

The bytes are taken into the version at once: it stays whole when the run that made them is deleted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from mainspring.base.errors import InvalidData
from mainspring.store.listings import Entry
from mainspring.tracking.limits import artifact_path
from mainspring.tracking.records import files as file_rows
from mainspring.tracking.records import logged_models as model_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.versioning import catalogue, registry
from mainspring.versioning.semver import check_catalogue_name
from mainspring.versioning.trees import list_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.catalogue import VersionEntry

_REMOTE = {
    *("s3", "s3a", "s3n", "gs", "wasb", "wasbs", "abfs", "abfss", "adl", "azureml", "hdfs", "viewfs", "dbfs"),
    *("r2", "b2", "oss", "cos", "ftp", "sftp"),
}
_LONGEST = 2000
_PROMPTS = ("prompt-template", "dummy-source")
_PROMPT_TAG = "mlflow.prompt.is_prompt"


class Source(NamedTuple):
    """What a version is made of: files that are stored, and the run and the logged model that they come from."""

    entries: list[Entry]
    size: int
    run_id: str | None
    model_id: str | None


def register_source(
    workspace: Workspace,
    name: str,
    source: str,
    *,
    run_id: str | None = None,
    model_id: str | None = None,
    run_link: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    actor: str | None = None,
) -> VersionEntry:
    """Record the next version of a model from ``runs:/RUN/PATH``, ``models:/m-ID``, ``models:/NAME/VERSION``,
    ``mlflow-artifacts:/…`` or an address of another store, which is kept as text.

    Where nothing is stored at the source yet, the version holds nothing, and says only where its bytes may come to be.

    Raises:
        NotFound: there is no such model, or no such version at the source.
        InvalidData: that is no source, it leads nowhere, or not to what ``run_id`` and ``model_id`` say.
    """
    check_catalogue_name(name)
    found = located(workspace, source, tags or {})
    for said, known, what in ((run_id, found.run_id, "run_id"), (model_id, found.model_id, "model_id")):
        if said and known and said != known:
            raise _invalid(source, f"it belongs to {known}, not to the {what} {said}")
    from mainspring.versioning.registration import record_files  # late: what evaluates models is heavy

    made = record_files(
        workspace,
        name,
        found.entries,
        source=source,
        size=found.size,
        run_id=found.run_id or run_id,
        logged_model_id=found.model_id or model_id,
        run_link=run_link,
        description=description,
        tags=tags,
        actor=actor,
    )
    return catalogue.get_version(workspace, name, str(made.number))


def located(workspace: Workspace, source: str, tags: Mapping[str, str]) -> Source:
    """Return the stored files that a source leads to; none if they are elsewhere.

    Raises:
        NotFound, InvalidData: as ``register_source``.
    """
    if source in _PROMPTS and tags.get(_PROMPT_TAG, "").lower() == "true":
        return Source([], 0, None, None)
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]+):(/.*)", source)
    scheme, place = (match[1].lower(), match[2]) if match else ("", "")
    if len(source) > _LONGEST or not source.isprintable():
        raise _invalid(source, "it is too long, or holds characters that cannot be printed")
    if scheme in _REMOTE:
        return _remote(source)
    if scheme not in ("runs", "models", "mlflow-artifacts") or place.startswith("//") or match is None:
        raise _invalid(source, "only runs:/, models:/, mlflow-artifacts:/ and the addresses of object stores can be")
    parts = place.strip("/").split("/")
    if scheme == "models" and len(parts) == 2 and not parts[0].startswith("m-"):
        return _of_version(workspace, parts[0], parts[1])
    if scheme == "models" and len(parts) == 1 and "@" in parts[0]:
        return _of_version(workspace, *parts[0].split("@", 1))
    if scheme == "mlflow-artifacts" and len(parts) == 3 and parts[0] == "models":
        return _of_version(workspace, parts[1], parts[2])
    path = _path(source, parts, scheme)
    with workspace.database.read() as connection:
        if scheme == "models":
            return _of_model(connection, source, parts[0], path)
        if scheme == "runs":
            return _of_run(connection, source, parts[0], path)
        if parts[1] == "models":
            return _of_model(connection, source, parts[2], path, experiment_id=parts[0])
        return _of_run(connection, source, parts[1], path, experiment_id=parts[0])


def _path(source: str, parts: list[str], scheme: str) -> str:
    """Return the path of the files inside of their run or logged model."""
    start = 1
    if scheme == "mlflow-artifacts":
        start = 4 if len(parts) > 1 and parts[1] == "models" else 3
        if len(parts) < start or parts[start - 1] != "artifacts":
            raise _invalid(source, "it is not below the artifacts of a run or of a logged model")
    rest = parts[start:]
    if not rest:
        return ""
    try:
        return artifact_path("/".join(rest))
    except InvalidData as error:
        raise _invalid(source, error.message) from None


def _remote(source: str) -> Source:
    if "\\" in source or re.search(r"(^|/|%2f)(\.|%2e){2}($|/|%2f|\?|#)|%00|%25", source, re.IGNORECASE):
        raise _invalid(source, "it leaves its folder")
    return Source([], 0, None, None)


def _of_version(workspace: Workspace, name: str, wanted: str) -> Source:
    word = {"none": "development"}.get(wanted.lower(), wanted.lower())
    if word == "latest":
        found = catalogue.get_version_by_alias(workspace, name, word).version
    else:
        found = registry.resolve(workspace, f"{name}@{word if word in registry.STAGES else wanted}")
    files = list_files(workspace, found)
    entries = [Entry(file.path, file.md5) for file in files]
    return Source(entries, sum(file.size for file in files), found.run_id, found.logged_model_id)


def _of_run(connection: Connection, source: str, run_id: str, path: str, *, experiment_id: str | None = None) -> Source:
    held = run_rows.experiment_of(connection, run_id)
    if held is None or experiment_id not in (None, held):
        raise _invalid(source, "there is no such run")
    entries, size = _below(file_rows.of(connection, run_id), path)
    if not entries and path:
        logged = model_rows.named(connection, run_id, path)
        if logged is not None:
            entries, size = _below(file_rows.of(connection, logged), "")
            return Source(entries, size, run_id, logged)
    return Source(entries, size, run_id, None)


def _of_model(
    connection: Connection, source: str, model_id: str, path: str, *, experiment_id: str | None = None
) -> Source:
    rows = model_rows.by_ids(connection, [model_id])
    if not rows or rows[0].deleted_at is not None or experiment_id not in (None, rows[0].experiment_id):
        raise _invalid(source, "there is no such logged model")
    entries, size = _below(file_rows.of(connection, model_id), path)
    return Source(entries, size, rows[0].run_id, model_id)


def _below(rows: Iterable[Row[Any]], path: str) -> tuple[list[Entry], int]:
    """Return the files at or below a path, named from there."""
    entries: list[Entry] = []
    size = 0
    for row in rows:
        if row.path == path:
            entries.append(Entry(row.path.rpartition("/")[2], row.md5))
        elif not path or row.path.startswith(f"{path}/"):
            entries.append(Entry(row.path[len(path) + 1 :] if path else row.path, row.md5))
        else:
            continue
        size += row.size
    return entries, size


def _invalid(source: str, why: str) -> InvalidData:
    return InvalidData(
        f"Invalid model version source: '{source[:200]}': {why}", hint="see docs/versioning.md for what can be"
    )
