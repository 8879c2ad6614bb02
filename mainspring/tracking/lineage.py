"""What runs read and made: datasets and logged models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData, NotFound
from mainspring.tracking.limits import check_key
from mainspring.tracking.records import inputs as input_rows
from mainspring.tracking.records import logged_models as model_rows
from mainspring.tracking.records import runs as run_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mainspring.store.workspace import Workspace

CONTEXT_TAG = "mlflow.data.context"
_LONGEST = {"name": 500, "digest": 36, "source_type": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}


class ReadDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as a client describes it; ``digest`` is what the client took of its content."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: dict[str, str] = {}


def log_inputs(
    workspace: Workspace, run_id: str, *, datasets: Sequence[ReadDataset] = (), model_ids: Sequence[str] = ()
) -> None:
    """Record datasets and logged models that a run read, all of them or none.

    A dataset that the run named before stays as it was then; one without a context may get it now.

    Raises:
        NotFound: there is no such run, or no such logged model.
        Conflict: the run was deleted.
        InvalidData: a field is empty or too long.
    """
    rows = [dataset_row(run_id, dataset) for dataset in datasets]
    with workspace.database.write() as connection:
        _check(connection, run_id, model_ids)
        for row in rows:
            input_rows.put(connection, row, replace=False)
        for model_id in model_ids:
            input_rows.put_model(connection, run_id, model_id)


def log_outputs(workspace: Workspace, run_id: str, models: Sequence[tuple[str, int]]) -> None:
    """Record logged models that a run made, each at a step, all of them or none.

    Raises:
        NotFound: there is no such run, or no such logged model.
        Conflict: the run was deleted.
    """
    with workspace.database.write() as connection:
        _check(connection, run_id, [model_id for model_id, _ in models])
        for model_id, step in models:
            input_rows.put_output(connection, run_id, model_id, step)


def log_data(workspace: Workspace, run_id: str, contents: Mapping[str, str]) -> None:
    """Record files and folders of the workspace that a run wrote: relative POSIX path → md5, of folders that of their listing.

    Raises:
        NotFound: there is no such run.
        Conflict: the run was deleted.
    """
    rows = [_output(run_id, path, md5=md5) for path, md5 in contents.items() if len(path) <= _LONGEST["name"]]
    _put_data(workspace, run_id, rows)


def log_commit(workspace: Workspace, run_id: str, path: str, table_id: str, version: int) -> None:
    """Record that a run committed a version of a Delta table, which lies at a path or an address.

    Raises:
        NotFound, Conflict: as ``log_data``.
    """
    row = _output(run_id, path[: _LONGEST["name"]], table_id=table_id, table_version=version)
    _put_data(workspace, run_id, [row])


def _output(
    run_id: str, path: str, *, md5: str = "", table_id: str | None = None, table_version: int = -1
) -> dict[str, Any]:
    return {"run_id": run_id, "path": path, "md5": md5, "table_id": table_id, "table_version": table_version}


def _put_data(workspace: Workspace, run_id: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with workspace.database.write() as connection:
            run_rows.check_active(connection, run_id)
            input_rows.put_data(connection, rows)


def dataset_row(run_id: str, dataset: ReadDataset) -> dict[str, Any]:
    """Return the row that says that a run read a dataset.

    Raises:
        InvalidData: a field is empty or too long.
    """
    for name, longest in _LONGEST.items():
        value = getattr(dataset, name)
        if value is not None and len(value) > longest:
            raise InvalidData(f"the {name} of the dataset '{dataset.name[:40]}' is longer than {longest} characters")
    if not (dataset.name and dataset.digest):
        raise InvalidData("a dataset needs a name and a digest")
    for key in dataset.tags:
        check_key(key, "tag")
    return {
        "run_id": run_id,
        "dataset": dataset.name,
        "md5": dataset.digest,
        "path": dataset.source,
        "context": dataset.tags.get(CONTEXT_TAG, "")[:64],
        "source_type": dataset.source_type,
        "schema": dataset.schema,
        "profile": dataset.profile,
        "tags": dataset.tags,
    }


def _check(connection: Connection, run_id: str, model_ids: Sequence[str]) -> None:
    run_rows.check_active(connection, run_id)
    known = {row.id for row in model_rows.by_ids(connection, model_ids)}
    for model_id in model_ids:
        if model_id not in known:
            raise NotFound(f"there is no logged model '{model_id}'", model=model_id)
