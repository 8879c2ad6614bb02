"""Searching models and versions: from conditions and orders to one page of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, and_, exists, func, literal, select

from mainspring.store.schema.versioning import model_tags, model_version_tags, model_versions, models
from mainspring.store.search import SortKey, after, compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row
    from sqlalchemy.sql.elements import ColumnElement

    from mainspring.base.filters import Comparison, Order

PROMPT_TAG = "mlflow.prompt.is_prompt"
"""The tag that MLflow's clients give a model that holds a prompt; it is found only when it is asked for."""
VERSION_TAG = "mainspring.version"
"""The tag that shows MLflow's clients the semantic version; nobody sets it."""

_NAME, _VERSION_NAME = models.c.name, model_versions.c.model
_MODEL_COLUMNS: dict[str, ColumnElement[Any]] = {
    "name": _NAME,
    "creation_timestamp": models.c.created_at,
    "last_updated_timestamp": func.coalesce(models.c.updated_at, models.c.created_at),
}
_VERSION_COLUMNS: dict[str, ColumnElement[Any]] = {
    "name": _VERSION_NAME,
    "version_number": model_versions.c.number,
    "run_id": model_versions.c.run_id,
    "source_path": model_versions.c.source,
    "creation_timestamp": model_versions.c.created_at,
    "last_updated_timestamp": func.coalesce(model_versions.c.updated_at, model_versions.c.created_at),
}
_NUMBERS = {"version_number", "creation_timestamp", "last_updated_timestamp"}


def model_keys(orders: Sequence[Order]) -> list[SortKey]:
    """Return what models are sorted by; at last by name."""
    return _keys(_MODEL_COLUMNS, orders, [("name", True)])


def version_keys(orders: Sequence[Order]) -> list[SortKey]:
    """Return what versions are sorted by; at last by name, the newest first."""
    return _keys(_VERSION_COLUMNS, orders, [("name", True), ("version_number", False)])


def model_page(
    connection: Connection,
    filters: Sequence[Comparison],
    keys: Sequence[SortKey],
    *,
    most: int,
    start: Sequence[Any] | None,
) -> Sequence[Row[Any]]:
    """Return up to ``most`` models with their sort values behind, after the one with the sort values ``start``."""
    dialect = connection.dialect.name
    conditions = [_model_condition(item, dialect) for item in filters if not _asks_for_kind(item)]
    query = select(models, *(key.column for key in keys)).where(*conditions)
    query = query.where(_prompts(model_tags, _NAME, asks_for_prompts(filters)))
    return _rows(connection, query, keys, most, start)


def version_page(
    connection: Connection,
    filters: Sequence[Comparison],
    keys: Sequence[SortKey],
    *,
    most: int,
    start: Sequence[Any] | None,
) -> Sequence[Row[Any]]:
    """Return up to ``most`` versions with their sort values behind, after the one with the sort values ``start``."""
    dialect = connection.dialect.name
    conditions = [_version_condition(item, dialect) for item in filters if not _asks_for_kind(item)]
    query = select(model_versions, *(key.column for key in keys)).where(*conditions)
    query = query.where(_prompts(model_version_tags, _VERSION_NAME, asks_for_prompts(filters)))
    return _rows(connection, query, keys, most, start)


def asks_for_prompts(filters: Sequence[Comparison]) -> bool:
    """Say whether prompts are searched, and not models."""
    for item in filters:
        if _asks_for_kind(item):
            wanted = "true" if item.comparator == "=" else "false" if item.comparator == "!=" else None
            return isinstance(item.value, str) and item.value.lower() == wanted
    return False


def _asks_for_kind(item: Comparison) -> bool:
    return item.entity == "tag" and item.key == PROMPT_TAG


def _prompts(tags: Table, name: ColumnElement[Any], wanted: bool) -> ColumnElement[bool]:
    marked = and_(tags.c.model == name, tags.c.key == PROMPT_TAG, tags.c.value == "true")
    there = exists(select(literal(1)).select_from(tags).where(marked))
    return there if wanted else ~there


def _model_condition(item: Comparison, dialect: str) -> ColumnElement[bool]:
    if item.entity != "tag":
        return compare(_MODEL_COLUMNS[item.key], item.comparator, item.value, dialect)
    tags = model_tags
    mine = and_(
        tags.c.model == _NAME, tags.c.key == item.key, compare(tags.c.value, item.comparator, item.value, dialect)
    )
    return exists(select(literal(1)).select_from(tags).where(mine))


def _version_condition(item: Comparison, dialect: str) -> ColumnElement[bool]:
    if item.entity != "tag":
        return compare(_VERSION_COLUMNS[item.key], item.comparator, item.value, dialect)
    if item.key == VERSION_TAG:
        return compare(model_versions.c.version, item.comparator, item.value, dialect)
    tags = model_version_tags
    mine = and_(
        tags.c.model == _VERSION_NAME,
        tags.c.version == model_versions.c.version,
        tags.c.key == item.key,
        compare(tags.c.value, item.comparator, item.value, dialect),
    )
    return exists(select(literal(1)).select_from(tags).where(mine))


def _keys(
    columns: dict[str, ColumnElement[Any]], orders: Sequence[Order], ties: Sequence[tuple[str, bool]]
) -> list[SortKey]:
    wanted = {order.key: order.ascending for order in orders}
    for key, ascending in ties:
        wanted.setdefault(key, ascending)
    return [
        SortKey(columns[key], ascending, (int,) if key in _NUMBERS else (str,)) for key, ascending in wanted.items()
    ]


def _rows(
    connection: Connection, query: Any, keys: Sequence[SortKey], most: int, start: Sequence[Any] | None
) -> Sequence[Row[Any]]:
    if start is not None:
        query = query.where(after(keys, start))
    found: Sequence[Row[Any]] = connection.execute(query.order_by(*(key.clause() for key in keys)).limit(most)).all()
    return found
