"""Endpoints that search: runs, experiments, logged models, datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import InvalidData, UsageError
from mainspring.tracking import query
from mainspring.tracking.filters import Dataset
from mainspring.tracking.query import ModelOrder
from mainspring.web.mlflow import experiments, logged_models, runs
from mainspring.web.mlflow.dispatch import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.query import Page

_VIEWS = {"ACTIVE_ONLY": "active", "1": "active", "DELETED_ONLY": "deleted", "2": "deleted", "ALL": "all", "3": "all"}
_DATASET_EXPERIMENTS = 20


class Search(msgspec.Struct):
    """What all searches have."""

    filter: str | None = None
    page_token: str | None = None


class SearchRuns(Search):
    """A search for runs."""

    experiment_ids: list[str] = []
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = []


class SearchExperiments(Search):
    """A search for experiments."""

    view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = []


class DatasetFilter(msgspec.Struct):
    """A dataset that metrics of logged models were measured on."""

    dataset_name: str = ""
    dataset_digest: str = ""


class ModelOrderBy(DatasetFilter):
    """What to order logged models by."""

    field_name: str = ""
    ascending: bool | None = None


class SearchModels(Search):
    """A search for logged models."""

    experiment_ids: list[str] = []
    datasets: list[DatasetFilter] = []
    max_results: int | None = None
    order_by: list[ModelOrderBy] = []


class SearchDatasets(msgspec.Struct):
    """A search for the datasets that experiments read."""

    experiment_ids: list[str] = []


def search_runs(workspace: Workspace, request: SearchRuns) -> dict[str, Any]:
    """Return a page of runs."""
    page = query.search_runs(
        workspace,
        request.experiment_ids,
        filter=request.filter or "",
        order_by=request.order_by,
        view=_view(request.run_view_type),
        limit=request.max_results,
        page=request.page_token or None,
    )
    return _answer("runs", page, runs.wire)


def search_experiments(workspace: Workspace, request: SearchExperiments) -> dict[str, Any]:
    """Return a page of experiments."""
    page = query.search_experiments(
        workspace,
        filter=request.filter or "",
        order_by=request.order_by,
        view=_view(request.view_type),
        limit=request.max_results,
        page=request.page_token or None,
    )
    return _answer("experiments", page, experiments.wire)


def search_models(workspace: Workspace, request: SearchModels) -> dict[str, Any]:
    """Return a page of logged models."""
    if not request.experiment_ids:
        raise UsageError("Missing value for required parameter 'experiment_ids'.")
    page = query.search_logged_models(
        workspace,
        request.experiment_ids,
        filter=request.filter or "",
        datasets=[_dataset(item) for item in request.datasets],
        order_by=[
            ModelOrder(field=item.field_name, ascending=item.ascending is not False, dataset=_dataset(item))
            for item in request.order_by
        ],
        limit=request.max_results or 100,
        page=request.page_token or None,
    )
    return _answer("models", page, logged_models.wire)


def search_datasets(workspace: Workspace, request: SearchDatasets) -> dict[str, Any]:
    """Return the datasets that experiments read."""
    if not 1 <= len(request.experiment_ids) <= _DATASET_EXPERIMENTS:
        raise InvalidData(f"give 1 to {_DATASET_EXPERIMENTS} 'experiment_ids', not {len(request.experiment_ids)}")
    found = [msgspec.structs.asdict(item) for item in query.search_datasets(workspace, request.experiment_ids)]
    return {"dataset_summaries": [{name: text for name, text in item.items() if text} for item in found]}


def _answer(name: str, page: Page[Any], wire: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {name: [wire(item) for item in page.items]}
    return answer if page.next is None else answer | {"next_page_token": page.next}


def _view(given: str | int) -> str:
    view = _VIEWS.get(str(given))
    if view is None:
        raise UsageError(f"'{given}' is no view", hint="use one of ACTIVE_ONLY, DELETED_ONLY, ALL")
    return view


def _dataset(item: DatasetFilter) -> Dataset:
    return Dataset(item.dataset_name, item.dataset_digest)


ENDPOINTS = [
    Endpoint("POST", "runs/search", SearchRuns, search_runs),
    Endpoint("GET", "experiments/search", SearchExperiments, search_experiments),
    Endpoint("POST", "experiments/search", SearchExperiments, search_experiments),
    Endpoint("POST", "logged-models/search", SearchModels, search_models),
    Endpoint("POST", "experiments/search-datasets", SearchDatasets, search_datasets),
]
