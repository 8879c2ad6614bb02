"""The remotes of a workspace: those of its settings, and those of the DVC repository it lies in."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mainspring.base.errors import NotFound, SettingsError, UsageError, did_you_mean
from mainspring.base.sections import read_sections
from mainspring.base.settings.dvc import config_files, read_config, read_config_file
from mainspring.base.settings.schema import RemoteSettings
from mainspring.store.remotes.azure import account_of
from mainspring.store.remotes.credentials import keys_of
from mainspring.store.remotes.remote import Remote

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_SECTION = re.compile(r"'?remote \"(.+)\"'?")
_CREDENTIALS = {
    "access_key_id": "access_key_id",
    "secret_access_key": "secret_access_key",
    "session_token": "token",
    "account_key": "account_key",
    "sas_token": "sas_key",
    "tenant_id": "tenant_id",
    "client_id": "client_id",
    "client_secret": "client_secret",
}
"""Options of DVC's remotes, and what obstore calls them."""
_UNLIKE = ("version_aware", "worktree")


class RemoteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A remote by name: where it is, whether it is meant when none is named, and the file that says so."""

    name: str
    url: str
    default: bool
    source: str


class _Known(NamedTuple):
    settings: RemoteSettings
    root: Path
    source: Path


def list_remotes(workspace: Workspace) -> list[RemoteInfo]:
    """Return the remotes by name. One of the settings hides one of DVC's with the same name.

    Raises:
        SettingsError: ``.dvc/config`` cannot be read.
    """
    known, default = _known(workspace)
    return [
        RemoteInfo(name=name, url=item.settings.url, default=name == default, source=_shown(workspace, item.source))
        for name, item in sorted(known.items())
    ]


def open_remote(workspace: Workspace, name: str | None = None, *, write: bool = False) -> Remote:
    """Open a remote by name, or the default one.

    Raises:
        NotFound: there is none of that name.
        UsageError: none is named, and none is the default.
        SettingsError, StorageError: it cannot be opened.
    """
    known, default = _known(workspace)
    chosen = name or default
    if chosen is None:
        add = (
            "dvc remote add --default NAME URL"
            if workspace.is_dvc_repository
            else "under `remotes:` in mainspring.yaml"
        )
        hint = "name one with --remote, or say `default: true`" if known else f"add one: {add}"
        raise UsageError("no remote is the default" if known else "there is no remote yet", hint=hint)
    settings, folder = _chosen(known, chosen)
    return Remote(chosen, settings, folder, write=write)


def find_remote(workspace: Workspace, name: str) -> tuple[RemoteSettings, Path]:
    """Return what is said of a remote, and the folder that a relative one is below.

    Raises:
        NotFound: there is none of that name.
    """
    return _chosen(_known(workspace)[0], name)


def _chosen(known: dict[str, _Known], name: str) -> tuple[RemoteSettings, Path]:
    if name not in known:
        hint = did_you_mean(name, known) or f"known remotes: {', '.join(sorted(known)) or 'none'}"
        raise NotFound(f"there is no remote '{name}'", hint=hint, remote=name)
    return known[name].settings, known[name].root


def _known(workspace: Workspace) -> tuple[dict[str, _Known], str | None]:
    own = workspace.settings.remotes
    known, default = _of_dvc(workspace.root)
    known |= {name: _Known(settings, workspace.root, workspace.settings_file) for name, settings in own.items()}
    if len(own) == 1 and default is None:
        default = next(iter(own))
    elif len(known) == 1:
        default = next(iter(known))
    return known, next((name for name, settings in own.items() if settings.default), default)


def _of_dvc(root: Path) -> tuple[dict[str, _Known], str | None]:
    """Return the remotes of the DVC repository around a folder, and the name of its default one."""
    for folder in (root, *root.parents):
        if (folder / ".dvc" / "config").is_file():
            sections = read_config(folder)
            names = {match[1]: title for title in sections if (match := _SECTION.fullmatch(title))}
            source = {title: file for file in config_files(folder) for title in read_config_file(file)}
            found = {
                name: _Known(_settings(name, sections, names), folder / ".dvc", source[title])
                for name, title in names.items()
            }
            return found, sections.get("core", {}).get("remote")
        if (folder / ".git").exists():
            break
    return {}, None


def _settings(name: str, sections: dict[str, dict[str, str]], names: dict[str, str]) -> RemoteSettings:
    said = sections[names[name]]
    url = said.get("url", "")
    based = re.fullmatch(r"remote://([^/]+)/?(.*)", url)
    if based and based[1] in names and based[1] != name:
        below = sections[names[based[1]]]
        said = below | said
        url = f"{below.get('url', '').rstrip('/')}/{based[2]}"
    for option in _UNLIKE:
        if said.get(option, "").lower() in ("true", "1", "yes"):
            raise SettingsError(
                f"the remote '{name}' of .dvc/config is '{option}': it keeps files by name, not by content",
                hint="remove that option, or push to another remote",
            )
    credentials = {ours: said[theirs] for theirs, ours in _CREDENTIALS.items() if theirs in said}
    if url.startswith(("gs://", "gcs://")) and "credentialpath" in said:
        credentials["service_account"] = said["credentialpath"]
    connection = account_of(said.get("connection_string", ""))
    credentials |= {name: connection[name] for name in ("account_key", "sas_key") if name in connection}
    keys = _keys(said) if url.startswith("s3://") else {}
    verify = said.get("ssl_verify", "")
    return RemoteSettings(
        url=url.replace("gcs://", "gs://", 1),
        endpoint=said.get("endpointurl", connection.get("endpoint")),
        ca_file=None if verify.lower() in ("", "true", "false") else str(Path("..", verify)),
        region=said.get("region"),
        profile=None if keys else said.get("profile"),
        account=said.get("account_name", connection.get("account_name")),
        anonymous=said.get("allow_anonymous_login", "").lower() == "true",
        credentials=keys | credentials,
    )


def _keys(said: dict[str, str]) -> dict[str, str]:
    """Return the keys of AWS that stand in a file of their own, which DVC takes unless the environment names another or keys."""
    file, profile = said.get("credentialpath"), said.get("profile")
    told = "AWS_SHARED_CREDENTIALS_FILE" in os.environ or (profile is None and "AWS_ACCESS_KEY_ID" in os.environ)
    if file is None or told:
        return {}
    found = keys_of(read_sections(Path(file)).get(profile or "default", {})) or {}
    return {name: str(value) for name, value in found.items() if value is not None}


def _shown(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else str(path)
