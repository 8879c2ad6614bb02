"""What people write on models and versions: names, descriptions, tags and aliases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mainspring.base.clock import now
from mainspring.base.errors import AlreadyExists, Conflict, InvalidData, NotFound
from mainspring.base.names import names_elsewhere
from mainspring.versioning import webhooks
from mainspring.versioning.records import models as model_rows
from mainspring.versioning.records import versions as version_rows
from mainspring.versioning.records.search import VERSION_TAG
from mainspring.versioning.registry import STAGES
from mainspring.versioning.semver import check_catalogue_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from mainspring.store.workspace import Workspace

_KEY_LENGTH = 250
_TEXT_LENGTH = 100_000
_ALIAS = re.compile(r"[\w-]{1,250}")
_RESERVED = re.compile(r"latest|v?\d+(\.\d+\.\d+)?", re.IGNORECASE)


def create_model(
    workspace: Workspace,
    name: str,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    created_at: int | None = None,
) -> None:
    """Record a model that has no version yet; ``created_at`` is for one that was made elsewhere.

    Raises:
        AlreadyExists: the name is taken.
        InvalidData: the name or a tag cannot be recorded.
    """
    check_catalogue_name(name)
    labels = {checked_key(key): checked_text(key, value) for key, value in (tags or {}).items()}
    at = created_at or now()
    row = {"name": name, "created_at": at, "updated_at": at, "description": checked_description(description)}
    with workspace.database.write() as connection:
        if not model_rows.add(connection, row):
            raise AlreadyExists(f"Registered Model (name={name}) already exists.", model=name)
        model_rows.put_tags(connection, name, labels)
        webhooks.announce_model(connection, name, tags=labels, description=description)


def describe_model(workspace: Workspace, name: str, description: str | None) -> None:
    """Say what a model is for.

    Raises:
        NotFound: there is no such model.
    """
    text = checked_description(description)
    with workspace.database.write() as connection:
        known_model(connection, name)
        model_rows.change(connection, name, description=text)


def describe_version(workspace: Workspace, name: str, version: str, description: str | None) -> None:
    """Say what a version is; ``version`` is its number or its semantic version, here and below.

    Raises:
        NotFound: there is no such model or version.
    """
    text = checked_description(description)
    with workspace.database.write() as connection:
        found = known_version(connection, name, version)
        model_rows.change_version(connection, found.id, description=text)


def rename_model(workspace: Workspace, name: str, new_name: str) -> None:
    """Give a model another name; its versions, labels, history and gates come along.

    Raises:
        NotFound: there is no such model.
        AlreadyExists: the new name is taken.
        Conflict: it was released: its endpoint is called so too.
        InvalidData: that is no name.
    """
    check_catalogue_name(new_name)
    with workspace.database.write() as connection:
        known_model(connection, name)
        if new_name == name:
            return
        if model_rows.find(connection, new_name) is not None:
            raise AlreadyExists(f"Registered Model (name={new_name}) already exists.", model=new_name)
        if model_rows.was_released(connection, name):
            raise Conflict(
                f"'{name}' was released at an endpoint of that name, which clients and releases name",
                hint="register the versions that come under the new name, and release them there",
                model=name,
            )
        model_rows.rename(connection, name, new_name)


def set_model_tags(workspace: Workspace, name: str, tags: Mapping[str, str]) -> None:
    """Set tags of a model, all of them or none.

    Raises:
        NotFound: there is no such model.
        InvalidData: a tag cannot be recorded.
    """
    labels = {checked_key(key): checked_text(key, value) for key, value in tags.items()}
    with workspace.database.write() as connection:
        known_model(connection, name)
        model_rows.put_tags(connection, name, labels)


def delete_model_tag(workspace: Workspace, name: str, key: str) -> None:
    """Remove a tag of a model; without such a tag nothing changes.

    Raises:
        NotFound: there is no such model.
    """
    _label_key(key)
    with workspace.database.write() as connection:
        known_model(connection, name)
        model_rows.drop_tag(connection, name, key)


def set_version_tags(workspace: Workspace, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Set tags of a version, all of them or none.

    Raises:
        NotFound: there is no such version.
        InvalidData: a tag cannot be recorded.
    """
    labels = {checked_key(key): checked_text(key, value) for key, value in tags.items()}
    with workspace.database.write() as connection:
        found = known_version(connection, name, version)
        model_rows.put_version_tags(connection, name, found.version, labels)
        for key, value in labels.items():
            payload = {"name": name, "version": str(found.number), "key": key, "value": value}
            webhooks.announce(connection, "model_version_tag.set", payload)


def delete_version_tag(workspace: Workspace, name: str, version: str, key: str) -> None:
    """Remove a tag of a version; without such a tag nothing changes.

    Raises:
        NotFound: there is no such version.
    """
    _label_key(key)
    with workspace.database.write() as connection:
        found = known_version(connection, name, version)
        model_rows.drop_version_tag(connection, name, found.version, key)
        payload = {"name": name, "version": str(found.number), "key": key}
        webhooks.announce(connection, "model_version_tag.deleted", payload)


def set_alias(workspace: Workspace, name: str, alias: str, version: str) -> None:
    """Let an alias name a version, whichever it named before.

    Raises:
        NotFound: there is no such version.
        InvalidData: that is no alias, or means something already.
    """
    checked_alias(alias)
    if alias in STAGES or _RESERVED.fullmatch(alias):
        raise InvalidData(
            f"the alias '{alias}' is reserved", hint="stages, versions and 'latest' mean what they say", alias=alias
        )
    with workspace.database.write() as connection:
        found = known_version(connection, name, version)
        model_rows.put_alias(connection, name, alias, found.version)
        payload = {"name": name, "alias": alias, "version": str(found.number)}
        webhooks.announce(connection, "model_version_alias.created", payload)


def delete_alias(workspace: Workspace, name: str, alias: str) -> bool:
    """Remove an alias; say whether it was there.

    Raises:
        NotFound: there is no such model.
    """
    checked_alias(alias)
    with workspace.database.write() as connection:
        known_model(connection, name)
        was_there = model_rows.drop_alias(connection, name, alias)
        if was_there:
            webhooks.announce(connection, "model_version_alias.deleted", {"name": name, "alias": alias})
        return was_there


def known_model(connection: Connection, name: str) -> Row[Any]:
    """Return the row of a model, held until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    found = version_rows.lock(connection, name)
    if found is None:
        raise no_model(name)
    return found


def known_version(connection: Connection, name: str, version: str) -> Row[Any]:
    """Return the row of a version, held with its model until the transaction ends.

    Raises:
        NotFound: there is no such model or version.
    """
    known_model(connection, name)
    return found_version(connection, name, version)


def found_version(connection: Connection, name: str, version: str) -> Row[Any]:
    """Return the row of a version; ``version`` is its number or its semantic version.

    Raises:
        NotFound: there is none.
    """
    by: dict[str, object] = {"version": version.removeprefix("v")}
    if version.isascii() and version.isdigit() and len(version) < 10:
        by = {"number": int(version)}
    found = version_rows.find(connection, name, **by)
    if found is None:
        raise NotFound(f"Model Version (name={name}, version={version}) not found", model=name, version=version)
    return found


def no_model(name: str) -> NotFound:
    """Return the error that there is no such model."""
    return NotFound(f"Registered Model with name={name} not found", model=name)


def checked_key(key: str) -> str:
    """Return a name that a tag may get.

    Raises:
        InvalidData: it is empty, too long or unprintable, or means another name or place if it is read as a path, or is
            a tag that nobody sets.
    """
    _label_key(key)
    if names_elsewhere(key):
        raise InvalidData(f"'{key[:40]}' cannot be a tag's name", hint="as a path it would be another name")
    return key


def _label_key(key: str) -> None:
    if key == VERSION_TAG:
        raise InvalidData(f"the tag '{key}' says the semantic version, which never changes", key=key)
    if not key.strip() or len(key) > _KEY_LENGTH or not key.isprintable():
        raise InvalidData(f"'{key[:40]}' cannot be a tag's name", hint=f"1 to {_KEY_LENGTH} printable characters")


def checked_text(key: str, value: str) -> str:
    """Return the value of a tag, without NUL characters.

    Raises:
        InvalidData: it is too long.
    """
    if len(value) > _TEXT_LENGTH:
        raise InvalidData(f"the tag '{key}' has {len(value)} characters, {_TEXT_LENGTH} is the most", key=key)
    return value.replace("\x00", "\ufffd").encode(errors="replace").decode()


def checked_description(text: str | None) -> str | None:
    """Return a description as ``checked_text`` does."""
    return None if text is None else checked_text("description", text)


def checked_alias(alias: str) -> str:
    """Return a name that an alias may have.

    Raises:
        InvalidData: it is none.
    """
    if _ALIAS.fullmatch(alias) is None:
        raise InvalidData(
            f"Invalid alias name: '{alias[:80]}'", hint="letters, digits, dashes and underscores, at most 250"
        )
    return alias
