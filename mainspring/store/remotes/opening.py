"""From a remote's settings to a store that answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mainspring.base.errors import SettingsError, StorageError
from mainspring.store.remotes.authorities import placed
from mainspring.store.remotes.azure import open_azure
from mainspring.store.remotes.manners import ENDPOINT, manners
from mainspring.store.remotes.s3 import open_s3

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from mainspring.base.settings.schema import RemoteSettings

KINDS = {"s3": "S3", "gs": "GCS", "az": "Azure", "azure": "Azure"}


def local_folder(url: str, root: Path) -> Path | None:
    """Return the folder that a URL names, relative ones below ``root``; None if it is beyond the file system.

    >>> local_folder("../store", Path("/project")), local_folder("s3://bucket/x", Path("/project"))
    (PosixPath('/project/../store'), None)
    """
    if url.startswith("file://"):
        return Path(urlsplit(url).path)
    return root / Path(url).expanduser() if "://" not in url else None


def key_prefix(url: str) -> str:
    """Return what the keys of a remote begin with in its store.

    It is not left to obstore, whose 0.9 forgets it when it deletes.

    >>> key_prefix("s3://bucket/flights/"), key_prefix("s3://bucket"), key_prefix("/mnt/store")
    ('flights/', '', '')
    """
    return f"{urlsplit(url).path.strip('/')}/".lstrip("/") if "://" in url and not url.startswith("file://") else ""


def open_store(settings: RemoteSettings, root: Path, *, write: bool = False) -> ObjectStore:
    """Open the store that a remote is in.

    The folder of a local one is made when it is ``write`` that is wanted. Nothing is asked over the network yet.

    Raises:
        SettingsError: a URL or credential of an unknown kind.
        StorageError: no such local folder or profile, or credentials that cannot be had.
    """
    folder = local_folder(settings.url, root)
    if folder is not None:
        from obstore.store import LocalStore

        prepare_folder(folder, write=write)
        return LocalStore(folder)
    place = urlsplit(settings.url)
    if place.scheme not in KINDS or not place.netloc:
        raise SettingsError(
            f"the remote's url '{settings.url}' is of no kind that is known",
            hint="known: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX",
        )
    if settings.endpoint is not None and ENDPOINT.fullmatch(settings.endpoint) is None:
        raise SettingsError(
            f"the remote's endpoint '{settings.endpoint}' is no address",
            hint="write it as https://HOST or http://HOST:PORT",
        )
    settings = placed(settings, root)
    from obstore.exceptions import BaseError

    try:
        if place.scheme == "s3":
            return open_s3(settings, place.netloc)
        return (_open_gcs if place.scheme == "gs" else open_azure)(settings, place.netloc)
    except (BaseError, ValueError) as error:
        said = str(error).partition("Debug source")[0].strip()
        raise SettingsError(f"the remote {settings.url} cannot be opened: {said}", hint=_remedy(said)) from None


def _remedy(said: str) -> str:
    """Return what to do about what obstore said of its settings."""
    if "root_certificate" in said:
        return "correct the remote's `ca_file`: certificates in PEM"
    if "service account" in said or "application credentials" in said:
        return "check the file that GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_SERVICE_ACCOUNT or `service_account` names"
    return "name the storage account: `account: NAME`" if "Account" in said else "correct its keys in the settings"


def prepare_folder(folder: Path, *, write: bool) -> None:
    """See that the folder of a local remote is there; it is made when it is ``write`` that is wanted.

    Raises:
        StorageError: it is not, or cannot be made.
    """
    if not folder.is_dir() and not (write and folder.parent.is_dir()):
        raise StorageError(
            f"the remote's folder {folder} does not exist",
            hint="is the disk mounted? Otherwise make the folder" + ("" if write else ", or push to it first"),
        )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"the remote's folder {folder} cannot be used: {error}", hint="check its rights") from None


def _open_gcs(settings: RemoteSettings, bucket: str) -> ObjectStore:
    from obstore.store import GCSStore

    config: dict[str, Any] = dict(settings.credentials)
    if settings.anonymous:
        config["skip_signature"] = True
    if settings.endpoint:
        config["base_url"] = settings.endpoint
    return GCSStore(bucket, **config, **manners(settings, settings.endpoint))
