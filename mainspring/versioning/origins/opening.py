"""From the address of an origin to what reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mainspring.base.settings.schema import RemoteSettings
from mainspring.store.remotes.opening import local_folder
from mainspring.versioning.origins.folders import Folder

if TYPE_CHECKING:
    from mainspring.store.sources.seen import Source
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.origins.addresses import Address


def open_origin(workspace: Workspace, address: Address) -> Source:
    """Return what reads an address, with the credentials that are in the environment, or those of the remote that it names.

    Nothing is asked over the network yet.

    Raises:
        NotFound: there is no remote of that name.
        SettingsError, StorageError: it cannot be opened.
    """
    if address.place is not None:
        return Folder(workspace, address.written, address.place)
    if address.scheme == "remote":
        return _below_remote(workspace, address)
    return _beyond(address.written, RemoteSettings(url=address.asked), workspace.root)


def _below_remote(workspace: Workspace, address: Address) -> Source:
    from mainspring.versioning.remotes import find_remote

    name, _, path = address.written.removeprefix("remote://").partition("/")
    settings, root = find_remote(workspace, name)
    below = f"{settings.url.rstrip('/')}/{path}"
    folder = local_folder(below, root)
    if folder is not None:
        return Folder(workspace, address.written, folder)
    changed = {field: getattr(settings, field) for field in settings.__struct_fields__} | {"url": below}
    return _beyond(address.written, RemoteSettings(**changed), Path(root))


def _beyond(written: str, settings: RemoteSettings, root: Path) -> Source:
    if urlsplit(settings.url).scheme in ("http", "https"):
        from mainspring.store.sources.web import Web

        return Web(settings.url)
    from mainspring.store.sources.buckets import Bucket

    return Bucket(written, settings, root)
