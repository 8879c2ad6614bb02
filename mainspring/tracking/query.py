"""Asking for runs, experiments and logged models with a filter and an order, page by page.

The language is in `mainspring.base.filters`, what can be asked about in `mainspring.tracking.filters`. A page begins after
the row that the last one ended with: rows that others write meanwhile neither shift nor repeat what was there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from mainspring.base.errors import NotFound, UsageError, did_you_mean
from mainspring.base.filters import Order, parse_filter, parse_order
from mainspring.store.search import fingerprint, page_token, read_page_token
from mainspring.tracking import experiments as experiment_verbs
from mainspring.tracking import logged_models, search
from mainspring.tracking.filters import EXPERIMENTS, LOGGED_MODELS, RUNS, Dataset
from mainspring.tracking.records import experiment_search, model_search, run_search
from mainspring.tracking.records import experiments as experiment_rows
from mainspring.tracking.records import runs as run_rows
from mainspring.tracking.records.model_search import ModelSort
from mainspring.tracking.records.run_clauses import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace
    from mainspring.tracking.experiments import Experiment
    from mainspring.tracking.logged_models import LoggedModel
    from mainspring.tracking.search import RunInfo

MOST = 50_000
"""Items of a page, at most."""
VIEWS = ("active", "deleted", "all")
STATUSES = ("scheduled", "running", "finished", "failed", "killed", "lost")
_MOST_ORDERS = 20
_MOST_EXPERIMENTS = 10_000
_ASKED_AT_ONCE = 1000

Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some of what was asked for, and the token of the next page; None on the last."""

    items: list[Item]
    next: str | None


class DatasetUse(msgspec.Struct, frozen=True):
    """A dataset that runs of an experiment read, and what for."""

    experiment_id: str
    name: str
    digest: str
    context: str


class ModelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to sort logged models by: an attribute, or ``metrics.NAME``, on one dataset if one is named."""

    field: str
    ascending: bool = True
    dataset: Dataset = Dataset("", "")


def search_runs(
    workspace: Workspace,
    experiment_ids: Sequence[str] | None,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    view: str = "active",
    limit: int = 1000,
    page: str | None = None,
) -> Page[RunInfo]:
    """Return runs of experiments (None: of all) that pass a filter. Read-only.

    ``order_by`` are texts such as ``metrics.auc DESC``; NaN comes after numbers, and what is missing last, in either
    direction; newer runs come first among equals. ``view`` is ``active``, ``deleted`` (runs that were deleted, alone or
    with their experiment) or ``all``. ``page`` is the token of the last page. Unknown experiments have no runs.

    Raises:
        UsageError: the filter, the order, the view, the limit or the token is none.
    """
    filters = parse_filter(filter, RUNS)
    orders = [parse_order(text, RUNS) for text in order_by]
    _check([(order.entity, order.key) for order in orders], view, limit)
    asked = None if experiment_ids is None else sorted(set(experiment_ids))
    if asked is not None and len(asked) > _MOST_EXPERIMENTS:
        raise UsageError(f"at most {_MOST_EXPERIMENTS} experiments can be searched at once", hint="ask several times")
    question = fingerprint("runs", asked, filters, orders, view)
    keys = run_search.sort_keys(orders)
    start = read_page_token(page, question, keys) if page else None
    with workspace.database.read() as connection:
        scope = run_search.scope(connection, asked, view)
        found = run_search.page(connection, Question(scope, filters, orders), most=limit + 1, start=start)
        infos = search.infos(connection, run_rows.by_ids(connection, [row[0] for row in found[:limit]]))
    return Page(infos, page_token(question, found[limit - 1][1:]) if len(found) > limit else None)


def list_runs(
    workspace: Workspace,
    experiment: str | None = None,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    status: str | None = None,
    view: str = "active",
    limit: int | None = 100,
) -> list[RunInfo]:
    """Return runs, newest first unless ``order_by`` says otherwise; ``view`` as in ``search_runs``. Read-only.

    ``status`` tells runs that are ``lost`` (running, but their process is gone) from those that are ``running``;
    a filter on the status does not. Without ``limit`` all of them.

    Raises:
        UsageError: the filter, the order, the status or the limit is none.
        NotFound: there is no such experiment.
    """
    if status is not None and status not in STATUSES:
        raise UsageError(f"'{status}' is no status of a run", hint=f"use one of {', '.join(STATUSES)}")
    if limit is not None and limit < 0:
        raise UsageError("a limit cannot be negative")
    ids = None if experiment is None else [_experiment_id(workspace, experiment)]
    if status is not None:
        held = "RUNNING" if status == "lost" else status.upper()
        filter = f"{filter} AND status = '{held}'"
    found: list[RunInfo] = []
    token: str | None = ""
    while token is not None and (limit is None or len(found) < limit):
        size = _ASKED_AT_ONCE if limit is None else min(limit, _ASKED_AT_ONCE)
        page = search_runs(workspace, ids, filter=filter, order_by=order_by, view=view, limit=size, page=token or None)
        found += [run for run in page.items if status is None or run.status == status]
        token = page.next
    return found[:limit]


def search_experiments(
    workspace: Workspace,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    view: str = "active",
    limit: int = 1000,
    page: str | None = None,
) -> Page[Experiment]:
    """Return experiments that pass a filter, newest first unless ``order_by`` says otherwise. Read-only.

    Raises:
        UsageError: as ``search_runs``.
    """
    filters = parse_filter(filter, EXPERIMENTS)
    orders = [parse_order(text, EXPERIMENTS) for text in order_by]
    _check([(order.entity, order.key) for order in orders], view, limit)
    question = fingerprint("experiments", filters, orders, view)
    keys = experiment_search.sort_keys(orders)
    start = read_page_token(page, question, keys) if page else None
    with workspace.database.read() as connection:
        found = experiment_search.page(connection, filters, keys, view=view, most=limit + 1, start=start)
        items = experiment_verbs.shown(connection, [row for row, _ in found[:limit]])
    return Page(items, page_token(question, found[limit - 1][1]) if len(found) > limit else None)


def search_logged_models(
    workspace: Workspace,
    experiment_ids: Sequence[str],
    *,
    filter: str = "",
    datasets: Sequence[Dataset] = (),
    order_by: Sequence[ModelOrder] = (),
    limit: int = 100,
    page: str | None = None,
) -> Page[LoggedModel]:
    """Return logged models of experiments that pass a filter, newest first unless ``order_by`` says otherwise. Read-only.

    With ``datasets`` a metric counts only where it was measured on one of them, and a model without such a metric is left
    out.

    Raises:
        UsageError: as ``search_runs``; or a dataset has no name.
    """
    filters = parse_filter(filter, LOGGED_MODELS)
    orders = [_model_sort(order) for order in order_by]
    _check([(item.order.entity, item.order.key, item.dataset) for item in orders], "active", limit)
    if any(item.digest and not item.name for item in (*datasets, *(order.dataset for order in orders))):
        raise UsageError("the digest of a dataset goes with its name")
    if not all(dataset.name for dataset in datasets):
        raise UsageError("a dataset to search by has no name")
    asked = sorted(set(experiment_ids))
    question = fingerprint("models", asked, filters, datasets, orders)
    keys = model_search.sort_keys(orders)
    start = read_page_token(page, question, keys) if page else None
    with workspace.database.read() as connection:
        found = model_search.page(connection, asked, filters, datasets, orders, most=limit + 1, start=start)
        models = logged_models.described(connection, [row[0] for row in found[:limit]])
    return Page(models, page_token(question, found[limit - 1][1:]) if len(found) > limit else None)


def search_datasets(workspace: Workspace, experiment_ids: Sequence[str], *, limit: int = 1000) -> list[DatasetUse]:
    """Return which datasets the runs of experiments read, by experiment and name. Read-only."""
    with workspace.database.read() as connection:
        return [DatasetUse(*row) for row in run_search.datasets(connection, sorted(set(experiment_ids)), most=limit)]


def _check(subjects: Sequence[object], view: str, limit: int) -> None:
    if view not in VIEWS:
        raise UsageError(f"'{view}' is no view", hint=f"use one of {', '.join(VIEWS)}")
    if not 1 <= limit <= MOST:
        raise UsageError(f"a page can hold 1 to {MOST} items, not {limit}", hint="ask for several pages")
    if len(subjects) > _MOST_ORDERS:
        raise UsageError(f"a search can be ordered by at most {_MOST_ORDERS} things, this one by {len(subjects)}")
    if len(set(subjects)) < len(subjects):
        raise UsageError("the order names something twice")


def _model_sort(order: ModelOrder) -> ModelSort:
    prefix, dot, key = order.field.partition(".")
    if not dot:
        parsed = parse_order(order.field, LOGGED_MODELS)
        return ModelSort(msgspec.structs.replace(parsed, ascending=order.ascending), order.dataset)
    if prefix != "metrics" or not key:
        raise UsageError(
            f"logged models cannot be ordered by '{order.field}'", hint="use an attribute, or metrics.NAME"
        )
    return ModelSort(Order(entity="metric", key=key, ascending=order.ascending), order.dataset)


def _experiment_id(workspace: Workspace, name: str) -> str:
    with workspace.database.read() as connection:
        found = experiment_rows.by(connection, "name", name)
        if found is not None:
            return str(found.id)
        names = [row.name for row in experiment_rows.rows(connection)]
    hint = did_you_mean(name, names) or f"known experiments: {', '.join(names) or 'none yet'}"
    raise NotFound(f"there is no experiment '{name}'", hint=hint, experiment=name)
