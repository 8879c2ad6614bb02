"""The registry as a catalogue: models and versions with everything written on them, found by name, alias or search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.base.errors import NotFound, UsageError
from mainspring.base.filters import Order, parse_filter, parse_order
from mainspring.store.search import fingerprint, page_token, read_page_token
from mainspring.versioning.filters import MODEL_VERSIONS, REGISTERED_MODELS
from mainspring.versioning.labels import checked_alias, found_version, no_model
from mainspring.versioning.records import models as model_rows
from mainspring.versioning.records import search as search_rows
from mainspring.versioning.records.rows import as_struct
from mainspring.versioning.records.search import VERSION_TAG
from mainspring.versioning.registry import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from mainspring.base.filters import Grammar
    from mainspring.store.workspace import Workspace

_NEWEST_FIRST = (
    Order(entity="attribute", key="last_updated_timestamp", ascending=False),
    Order(entity="attribute", key="name", ascending=True),
    Order(entity="attribute", key="version_number", ascending=False),
)


class AliasNotFound(NotFound):
    """A model has no such alias."""

    code = "alias_not_found"


class VersionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A version with its tags and aliases; the tag ``mainspring.version`` says its semantic version."""

    version: ModelVersion
    tags: dict[str, str]
    aliases: list[str]


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model with what is written on it.

    ``aliases``: alias → number of the version. ``latest``: the newest version of each stage.
    """

    name: str
    created_at: int
    updated_at: int
    description: str | None
    tags: dict[str, str]
    aliases: dict[str, int]
    latest: list[VersionEntry]


class Page(NamedTuple):
    """A part of what a search finds, and the token of the next part, if there is one."""

    entries: list[Any]
    token: str | None


def get_model(workspace: Workspace, name: str) -> ModelEntry:
    """Return a model.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        row = model_rows.find(connection, name)
        if row is None:
            raise no_model(name)
        return _models(connection, [row])[0]


def get_version(workspace: Workspace, name: str, version: str) -> VersionEntry:
    """Return a version by its number or its semantic version.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.read() as connection:
        return _versions(connection, [found_version(connection, name, version)])[0]


def get_version_by_alias(workspace: Workspace, name: str, alias: str) -> VersionEntry:
    """Return the version that an alias names; ``latest`` is the one with the highest number.

    Raises:
        NotFound: there is no such model, or it has no version.
        AliasNotFound: there is no such alias.
    """
    checked_alias(alias)
    model = get_model(workspace, name)
    if alias.lower() == "latest":
        if not model.latest:
            raise NotFound(f"Latest version not found for model {name}.", model=name)
        return max(model.latest, key=lambda entry: entry.version.number)
    if alias not in model.aliases:
        raise AliasNotFound(f"Registered model alias {alias} not found.", model=name, alias=alias)
    return get_version(workspace, name, str(model.aliases[alias]))


def search_models(
    workspace: Workspace, filter: str = "", *, order: Sequence[str] = (), most: int = 100, token: str | None = None
) -> Page:
    """Return a page of models. A page begins after the row where the last one ended, whatever was added meanwhile.

    Raises:
        UsageError: the filter, an order or the token cannot be read.
    """
    filters = parse_filter(filter, REGISTERED_MODELS)
    keys = search_rows.model_keys(_orders(order, REGISTERED_MODELS))
    question = fingerprint("models", filter, list(order))
    start = read_page_token(token, question, keys) if token else None
    with workspace.database.read() as connection:
        rows = search_rows.model_page(connection, filters, keys, most=most + 1, start=start)
        entries = _models(connection, rows[:most])
    return Page(entries, page_token(question, list(rows[most - 1])[-len(keys) :]) if len(rows) > most else None)


def search_versions(
    workspace: Workspace, filter: str = "", *, order: Sequence[str] = (), most: int = 10_000, token: str | None = None
) -> Page:
    """Return a page of versions, by default the last changed first.

    Raises:
        UsageError: as ``search_models``.
    """
    filters = parse_filter(filter, MODEL_VERSIONS)
    keys = search_rows.version_keys(_orders(order, MODEL_VERSIONS) or _NEWEST_FIRST)
    question = fingerprint("versions", filter, list(order))
    start = read_page_token(token, question, keys) if token else None
    with workspace.database.read() as connection:
        rows = search_rows.version_page(connection, filters, keys, most=most + 1, start=start)
        entries = _versions(connection, rows[:most])
    return Page(entries, page_token(question, list(rows[most - 1])[-len(keys) :]) if len(rows) > most else None)


def _orders(texts: Sequence[str], grammar: Grammar) -> list[Order]:
    found = [parse_order(text, grammar) for text in texts]
    if len({order.key for order in found}) < len(found):
        raise UsageError(f"`order_by` contains duplicate fields: {list(texts)}", hint="name each once")
    return found


def _models(connection: Connection, rows: Sequence[Row[Any]]) -> list[ModelEntry]:
    names = [row.name for row in rows]
    tags, aliases = model_rows.tags_of(connection, names), model_rows.aliases_of(connection, names)
    latest = model_rows.latest_of(connection, names)
    entries = _versions(connection, [version for name in names for version in latest[name]])
    return [
        ModelEntry(
            name=row.name,
            created_at=row.created_at,
            updated_at=row.updated_at or row.created_at,
            description=row.description,
            tags=tags[row.name],
            aliases={alias: number for alias, (_, number) in aliases[row.name].items()},
            latest=[entry for entry in entries if entry.version.model == row.name],
        )
        for row in rows
    ]


def _versions(connection: Connection, rows: Sequence[Row[Any]]) -> list[VersionEntry]:
    found = [as_struct(row, ModelVersion) for row in rows]
    tags = model_rows.version_tags_of(connection, [(version.model, version.version) for version in found])
    aliases = model_rows.aliases_of(connection, list({version.model for version in found}))
    return [
        VersionEntry(
            version=version,
            tags=tags[version.model, version.version] | {VERSION_TAG: version.version},
            aliases=[alias for alias, (named, _) in aliases[version.model].items() if named == version.version],
        )
        for version in found
    ]
