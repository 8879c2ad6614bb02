"""Searching logged models: from conditions and orders to the ids of one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, func, or_, select

from mainspring.base.filters import Order
from mainspring.store.schema.tracking import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from mainspring.store.search import SortKey, after, compare, nulls_last
from mainspring.tracking.filters import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Comparison

_TEXTS = {"param": logged_model_params, "tag": logged_model_tags}
_ATTRIBUTES: dict[str, tuple[ColumnElement[Any], tuple[type, ...]]] = {
    "model_id": (logged_models.c.id, (str,)),
    "name": (logged_models.c.name, (str,)),
    "model_type": (logged_models.c.type, (str,)),
    "status": (func.upper(logged_models.c.status), (str,)),
    "status_message": (logged_models.c.status_message, (str,)),
    "source_run_id": (logged_models.c.run_id, (str,)),
    "experiment_id": (logged_models.c.experiment_id, (str,)),
    "creation_timestamp": (logged_models.c.created_at, (int,)),
    "last_updated_timestamp": (logged_models.c.updated_at, (int,)),
}


class ModelSort(NamedTuple):
    """What to sort by; a metric can be one of a dataset."""

    order: Order
    dataset: Dataset


def sort_keys(sorts: Sequence[ModelSort]) -> list[SortKey]:
    """Return what a page token of an order holds; newer models come first among equals."""
    keys: list[SortKey] = []
    for order, dataset in sorts:
        if order.entity == "metric":
            keys += nulls_last(_newest(order.key, dataset), order.ascending, (float,))
        else:
            column, kinds = _ATTRIBUTES[order.key]
            keys += nulls_last(column, order.ascending, kinds)
    named = {order.key for order, _ in sorts if order.entity == "attribute"}
    if "creation_timestamp" not in named:
        keys.append(SortKey(logged_models.c.created_at, False, (int,)))
    if "model_id" not in named:
        keys.append(SortKey(logged_models.c.id, True, (str,)))
    return keys


def page(
    connection: Connection,
    experiment_ids: Sequence[str],
    filters: Sequence[Comparison],
    datasets: Sequence[Dataset],
    sorts: Sequence[ModelSort],
    *,
    most: int,
    start: Sequence[Any] | None = None,
) -> list[tuple[Any, ...]]:
    """Return id and sort values of up to ``most`` models, after the one with the sort values ``start``."""
    keys = sort_keys(sorts)
    query = select(logged_models.c.id, *(key.column for key in keys))
    query = query.where(logged_models.c.experiment_id.in_(experiment_ids), logged_models.c.deleted_at.is_(None))
    query = query.where(*(_condition(item, datasets, connection.dialect.name) for item in filters))
    if datasets and all(item.entity != "metric" for item in filters):
        query = query.where(_measured(datasets).exists())
    if start is not None:
        query = query.where(after(keys, start))
    return [tuple(row) for row in connection.execute(query.order_by(*(key.clause() for key in keys)).limit(most))]


def _condition(item: Comparison, datasets: Sequence[Dataset], dialect: str) -> ColumnElement[bool]:
    if item.entity == "attribute":
        column, _ = _ATTRIBUTES[item.key]
        return compare(column, item.comparator, item.value, dialect)
    if item.entity == "metric":
        assert isinstance(item.value, int | float)
        table = logged_model_metrics
        value = compare(table.c.value, item.comparator, float(item.value), dialect)
        measured: ColumnElement[bool] = _measured(datasets).where(table.c.key == item.key, value).exists()
        return measured
    texts = _TEXTS[item.entity]
    held = select(texts.c.key).where(texts.c.model_id == logged_models.c.id, texts.c.key == item.key)
    return held.where(compare(texts.c.value, item.comparator, item.value, dialect)).exists()


def _measured(datasets: Sequence[Dataset]) -> Any:
    """Return what was measured of a model, on one of the datasets if there are any."""
    table = logged_model_metrics
    held = select(table.c.key).where(table.c.model_id == logged_models.c.id).correlate(logged_models)
    return held.where(or_(*(_on(dataset) for dataset in datasets))) if datasets else held


def _on(dataset: Dataset) -> ColumnElement[bool]:
    table = logged_model_metrics
    named = table.c.dataset == dataset.name
    return and_(named, table.c.digest == dataset.digest) if dataset.digest else named


def _newest(key: str, dataset: Dataset) -> ColumnElement[Any]:
    """Return the value of a metric that was measured last."""
    table = logged_model_metrics
    held = select(table.c.value).where(table.c.model_id == logged_models.c.id, table.c.key == key)
    if dataset.name:
        held = held.where(_on(dataset))
    newest = held.order_by(table.c.at.desc(), table.c.step.desc(), table.c.run_id).limit(1)
    return newest.correlate(logged_models).scalar_subquery()
