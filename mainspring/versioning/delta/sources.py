"""Where a Delta table is, and what it takes to reach it."""

from __future__ import annotations

import os
import re
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.base.errors import UsageError
from mainspring.versioning.datasets import locate, log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.store.workspace import Workspace

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
LOG = "_delta_log"
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table by its dataset's name: ``uri`` is an absolute path or an address, ``shown`` what records and git say of it."""

    name: str
    uri: str
    shown: str
    pointer: Path
    options: dict[str, str] | None = field(default=None, repr=False)

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
    held = log(workspace, name)
    if held and held[-1].table_id is not None:
        return _source(workspace, name, held[-1].path, {})
    return _source(workspace, name, str(path), {}) if (path / LOG).is_dir() else None


def elsewhere(root: Path, name: str, address: str, options: dict[str, str] | None = None) -> Source:
    """Return a table that does not lie in the workspace at ``root``; its pointer lies there."""
    return Source(name=name, uri=address, shown=address, pointer=root / "data" / f"{name}.delta", options=options)


def _declared(workspace: Workspace, name: str) -> Source | None:
    settings = workspace.settings.datasets[name]
    path = workspace.root / settings.path
    known = settings.table == "delta" or _ADDRESS.fullmatch(settings.path) is not None or (path / LOG).is_dir()
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
        return elsewhere(workspace.root, name, path, storage_options(path, options))
    place = Path(os.path.normpath(workspace.root / path))
    if not place.is_relative_to(workspace.root):
        return elsewhere(workspace.root, name, str(place))
    shown = place.relative_to(workspace.root).as_posix()
    return Source(name=name, uri=str(place), shown=shown, pointer=place.with_name(f"{place.name}.delta"))


def storage_options(uri: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return how a store is reached: what is given, else the environment's variables, else the files of ``~/.aws``.

    >>> storage_options("s3://bucket/table", {"aws_endpoint_url": "http://127.0.0.1:8333"})["aws_allow_http"]
    'true'
    """
    options = {name.lower(): value for name, value in given.items()}
    if not uri.startswith(("s3://", "s3a://")):
        return options
    told = {name.lower(): value for name, value in os.environ.items() if name.startswith("AWS_") and value}
    told["aws_region"] = told.get("aws_region") or told.get("aws_default_region") or ""
    told["aws_endpoint_url"] = told.get("aws_endpoint_url_s3") or told.get("aws_endpoint_url") or ""
    for name in _NAMES:
        if value := told.get(name):
            options.setdefault(name, value)
    if "aws_access_key_id" not in options or "aws_region" not in options:
        for name, value in _profile().items():
            options.setdefault(name, value)
    options.setdefault("aws_region", "us-east-1")
    options.setdefault("aws_conditional_put", "etag")
    if options.get("aws_endpoint_url", "").startswith("http://"):
        options.setdefault("aws_allow_http", "true")
    return options


_NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region", "aws_endpoint_url")


def _profile() -> dict[str, str]:
    """Return what the files of the AWS command line say of the profile that is in use."""
    name = os.environ.get("AWS_PROFILE") or "default"
    home = Path.home() / ".aws"
    files = [
        (os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials", name),
        (os.environ.get("AWS_CONFIG_FILE") or home / "config", name if name == "default" else f"profile {name}"),
    ]
    found: dict[str, str] = {}
    for file, section in files:
        parser = ConfigParser(interpolation=None)
        parser.read(file, encoding="utf-8")
        if parser.has_section(section):
            for key, value in parser.items(section):
                option = key if key.startswith("aws_") else f"aws_{key}"
                if option in _NAMES:
                    found.setdefault(option, value)
    return found
