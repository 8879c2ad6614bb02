"""Where a Delta table is, and what it takes to reach it."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import UsageError
from mainspring.versioning.datasets import locate
from mainspring.versioning.known import log
from mainspring.versioning.marks import has_log, pointer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store.workspace import Workspace

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")
_ENDPOINTS = ("endpoint", "base_url")
_CREDENTIAL = re.compile("key|sas|token|secret|client_id|identity|azure_cli|skip_signature")
_OF_CLIENT = frozenset(
    {"allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "timeout", "user_agent"}
)
"""Options of the library that the client of single files takes elsewhere."""


class Source:
    """A table by its dataset's name: ``uri`` is an absolute path or an address, ``shown`` what records and git say of it.

    ``given`` says how its store is reached, maybe with secrets.
    """

    def __init__(
        self, *, name: str, uri: str, shown: str, pointer: Path, given: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.uri = uri
        self.shown = shown
        self.pointer = pointer
        self._given = dict(given or {})

    @cached_property
    def options(self) -> dict[str, str] | None:
        """How its store is reached; None for a folder.

        Raises:
            StorageError: the credentials cannot be had.
        """
        return storage_options(self.uri, self._given) if self.folder is None else None

    @cached_property
    def store(self) -> Any:
        """The store in which it lies, by the client that reads single files; only where there is no folder."""
        from obstore.store import from_url

        options: Any = dict(self.options or {})
        options.pop("aws_conditional_put", None)
        client: Any = {name: options.pop(name) for name in _OF_CLIENT & options.keys()}
        client["allow_http"] = options.pop("aws_allow_http", client.get("allow_http", "false")) == "true"
        return from_url(self.uri, config=options, client_options=client)

    @property
    def folder(self) -> Path | None:
        """Its folder, where it lies on this machine."""
        return None if "://" in self.uri else Path(self.uri)


def find(workspace: Workspace, target: str | Path) -> Source | None:
    """Return the table of a dataset given by its name, path or address; None where it is no table.

    Raises:
        UsageError, NotFound, Conflict: as ``datasets.locate``; an address of a kind that is not supported.
    """
    declared = workspace.settings.datasets
    if isinstance(target, str) and target in declared:
        return _declared(workspace, target)
    if _ADDRESS.fullmatch(str(target)):
        for name, settings in declared.items():
            if settings.path == target:
                return _declared(workspace, name)
        return _source(workspace, str(target).rstrip("/").rpartition("/")[2], str(target), {})
    for name, settings in declared.items():
        if os.path.normpath(workspace.root / settings.path) == os.path.normpath(Path.cwd() / target):
            return _declared(workspace, name)
    name, path = locate(workspace, target)
    if name in declared:
        return _declared(workspace, name)
    held = log(workspace, name)
    if held and held[-1].table_id is not None:
        return _source(workspace, name, held[-1].path, {})
    return _source(workspace, name, str(path), {}) if has_log(path) else None


def elsewhere(root: Path, name: str, address: str, given: Mapping[str, str] | None = None) -> Source:
    """Return a table that does not lie in the workspace at ``root``; its pointer lies there."""
    pointer = root / "data" / f"{name}.delta"
    return Source(name=name, uri=address, shown=address, pointer=pointer, given=given)


def _declared(workspace: Workspace, name: str) -> Source | None:
    settings = workspace.settings.datasets[name]
    path = workspace.root / settings.path
    known = settings.table == "delta" or _ADDRESS.fullmatch(settings.path) is not None or has_log(path)
    if not known and not path.exists():
        held = log(workspace, name)
        known = bool(held) and held[-1].table_id is not None
    return _source(workspace, name, settings.path, settings.options) if known else None


def _source(workspace: Workspace, name: str, path: str, options: Mapping[str, str]) -> Source:
    address = _ADDRESS.fullmatch(path)
    if address is not None and address[1] not in SCHEMES:
        raise UsageError(
            f"the dataset '{name}' lies at {path}, and '{address[1]}' is no store that tables are read from",
            hint=f"a folder, or one of {', '.join(SCHEMES)}",
            dataset=name,
        )
    if address is not None:
        return elsewhere(workspace.root, name, path, options)
    place = Path(os.path.normpath(workspace.root / path))
    if not place.is_relative_to(workspace.root):
        return elsewhere(workspace.root, name, str(place))
    shown = place.relative_to(workspace.root).as_posix()
    return Source(name=name, uri=str(place), shown=shown, pointer=pointer_of(place))


def storage_options(uri: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return how a store is reached: what is given, else the environment's variables, else the files of ``~/.aws``.

    Variables that the library reads itself, as Google's, are left to it.

    Raises:
        StorageError: the files of ``~/.aws`` name a program that gives no credentials.

    >>> storage_options("s3://bucket/table", {"aws_endpoint_url": "http://127.0.0.1:8333"})["aws_allow_http"]
    'true'
    >>> storage_options("gs://bucket/table", {"google_base_url": "http://127.0.0.1:4443"})["allow_http"]
    'true'
    """
    options = {name.lower(): value for name, value in given.items()}
    if not uri.startswith(("s3://", "s3a://")):
        options = options if uri.startswith("gs://") else _of_azure(uri, options)
        if any(name.endswith(_ENDPOINTS) and value.startswith("http://") for name, value in options.items()):
            options.setdefault("allow_http", "true")
        return options
    for option, names in _VARIABLES.items():
        for name in names:
            if value := os.environ.get(name):
                options.setdefault(option, value)
    if "aws_access_key_id" not in options:
        options = _of_profile(options.get("aws_profile")) | options
    options.pop("aws_profile", None)
    options.setdefault("aws_region", "us-east-1")
    options.setdefault("aws_conditional_put", "etag")
    if options.get("aws_endpoint_url", "").startswith("http://"):
        options.setdefault("aws_allow_http", "true")
    return options


_VARIABLES = {
    "aws_access_key_id": ["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": ["AWS_SECRET_ACCESS_KEY"],
    "aws_session_token": ["AWS_SESSION_TOKEN"],
    "aws_region": ["AWS_REGION", "AWS_DEFAULT_REGION"],
    "aws_endpoint_url": ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
}


def _of_azure(uri: str, options: dict[str, str]) -> dict[str, str]:
    """Return options with what the variables of Azure's own tools say, as far as the options and the address do not say it."""
    from mainspring.store.remotes.azure import azure_variables

    if any("emulator" in name for name in options):
        return options
    found = azure_variables()
    named = next((value for name, value in options.items() if "account_name" in name), None)
    named = named or (uri.partition("@")[2].partition(".")[0] if "@" in uri else None)
    if named is not None and found.pop("account_name", named) != named:
        return options
    if any(_CREDENTIAL.search(name) for name in options):
        found = {name: found[name] for name in found.keys() & {"account_name", "endpoint"}}
    if any(name.endswith(_ENDPOINTS) for name in options):
        found.pop("endpoint", None)
    return found | options


def _of_profile(name: str | None) -> dict[str, str]:
    from mainspring.store.remotes.credentials import credentials_of, read_profile

    profile = read_profile(name)
    found = {"aws_region": profile.get("region"), "aws_endpoint_url": profile.get("endpoint_url")}
    if (ask := credentials_of(profile, name)) is not None:
        told = ask()
        found["aws_access_key_id"] = told["access_key_id"]
        found["aws_secret_access_key"] = told["secret_access_key"]
        found["aws_session_token"] = told["token"]
    return {option: value for option, value in found.items() if value}
