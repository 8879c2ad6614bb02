"""From a remote's settings to a store that answers."""

from __future__ import annotations

import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mainspring.base.clock import milliseconds
from mainspring.base.errors import SettingsError, StorageError
from mainspring.store.remotes.authorities import placed, read_authorities
from mainspring.store.remotes.credentials import credentials_of, keys_of, read_profile

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from mainspring.base.settings.schema import RemoteSettings
    from mainspring.store.remotes.listing import Place

KINDS = {"s3": "S3", "gs": "GCS", "az": "Azure", "azure": "Azure"}
_AZURE = {
    "account_name": ("AZURE_STORAGE_ACCOUNT",),
    "account_key": ("AZURE_STORAGE_KEY",),
    "sas_key": ("AZURE_STORAGE_SAS_TOKEN",),
}
"""Variables of Azure's own tools that obstore does not read."""
_ENDPOINT = re.compile(r"https?://[^/\s]+.*")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_MORE_THAN_ADDRESSES = (
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE",
    "AWS_REQUEST_PAYER",
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_S3_EXPRESS",
    "AWS_SKIP_SIGNATURE",
)
"""Beginnings of variables by which obstore sends headers of its own."""
_PLAIN = frozenset(
    f"AWS_{name}"
    for name in (
        *(
            "ACCESS_KEY_ID",
            "SECRET_ACCESS_KEY",
            "SESSION_TOKEN",
            "REGION",
            "DEFAULT_REGION",
            "PROFILE",
            "DEFAULT_PROFILE",
        ),
        *("CONFIG_FILE", "SHARED_CREDENTIALS_FILE", "ENDPOINT_URL", "ENDPOINT_URL_S3", "MAX_ATTEMPTS", "RETRY_MODE"),
        *("PAGER", "DEFAULT_OUTPUT", "EC2_METADATA_DISABLED", "SDK_LOAD_CONFIG", "CA_BUNDLE"),
    )
)
"""Variables of which is known here what they do to a request, if anything."""


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
        return _open_folder(folder, write=write)
    place = urlsplit(settings.url)
    if place.scheme not in KINDS or not place.netloc:
        raise SettingsError(
            f"the remote's url '{settings.url}' is of no kind that is known",
            hint="known: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX",
        )
    if settings.endpoint is not None and _ENDPOINT.fullmatch(settings.endpoint) is None:
        raise SettingsError(
            f"the remote's endpoint '{settings.endpoint}' is no address",
            hint="write it as https://HOST or http://HOST:PORT",
        )
    settings = placed(settings, root)
    from obstore.exceptions import BaseError

    try:
        if place.scheme == "s3":
            return _open_s3(settings, place.netloc)
        return _open_other(settings, place.scheme, place.netloc)
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


def takes_signed_uploads(settings: RemoteSettings) -> bool:
    """Say whether an upload to a remote needs nothing but an address that the store's client signed.

    That is so with S3, unless variables tell the client to send more, or the way leads through a proxy.
    """
    names = {name.upper() for name in os.environ}
    told = any(name.startswith(_MORE_THAN_ADDRESSES) for name in names) or not names.isdisjoint(_PROXIES)
    return settings.url.startswith("s3://") and not settings.anonymous and not told and sys.platform != "win32"


def signed_place(settings: RemoteSettings) -> Place | None:
    """Return what it takes to sign questions for a bucket of S3 without its client; None where that may not be all it takes.

    It may not be where credentials come from elsewhere than the settings, the environment or a profile's keys.

    Raises:
        StorageError: no such profile.
    """
    place = urlsplit(settings.url)
    told = {name for name in map(str.upper, os.environ) if name.startswith("AWS_")}
    if not takes_signed_uploads(settings) or told - _PLAIN or place.netloc.endswith("--x-s3"):
        return None
    s3 = _s3(settings)
    if settings.credentials:
        said = settings.credentials
    elif s3.keyed:
        said = {name: os.environ.get(f"AWS_{name.upper()}", "") for name in ("access_key_id", "secret_access_key")}
        said["token"] = os.environ.get("AWS_SESSION_TOKEN", "")
    else:
        said = {key: value or "" for key, value in (keys_of(s3.profile) or {}).items() if key != "expires_at"}
    key_id, secret = said.get("access_key_id"), said.get("secret_access_key")
    if not key_id or not secret or said.keys() - {"access_key_id", "secret_access_key", "token"}:
        return None
    from mainspring.store.remotes.listing import Place

    endpoint = (s3.endpoint or f"https://s3.{s3.region}.amazonaws.com").rstrip("/")
    if _ENDPOINT.fullmatch(endpoint) is None:
        return None
    address = f"{endpoint}/{place.netloc}" if settings.path_style else f"{_with_bucket(endpoint, place.netloc)}/"
    return Place(address, s3.region, key_id, secret, said.get("token") or None, settings.ca_file)


class _S3(NamedTuple):
    """Where S3 is, the profile of ``~/.aws``, and whether credentials in the environment go before it."""

    endpoint: str | None
    region: str
    profile: dict[str, str]
    keyed: bool


def _s3(settings: RemoteSettings) -> _S3:
    profile = read_profile(settings.profile)
    region = settings.region or (profile.get("region") if settings.profile else None)
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or profile.get("region")
    endpoint = settings.endpoint or _first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or profile.get("endpoint_url")
    keyed = settings.profile is None and "AWS_ACCESS_KEY_ID" in os.environ
    return _S3(endpoint, region or "us-east-1", profile, keyed)


def _open_folder(folder: Path, *, write: bool) -> ObjectStore:
    from obstore.store import LocalStore

    if not folder.is_dir() and not (write and folder.parent.is_dir()):
        raise StorageError(
            f"the remote's folder {folder} does not exist",
            hint="is the disk mounted? Otherwise make the folder" + ("" if write else ", or push to it first"),
        )
    try:
        return LocalStore(folder, mkdir=write)
    except OSError as error:
        raise StorageError(f"the remote's folder {folder} cannot be used: {error}", hint="check its rights") from None


def _open_s3(settings: RemoteSettings, bucket: str) -> ObjectStore:
    from obstore.store import S3Store

    endpoint, region, profile, keyed = _s3(settings)
    own = settings.credentials or settings.anonymous
    provider = None if own or keyed else credentials_of(profile, settings.profile)
    config: dict[str, Any] = {"region": region, **settings.credentials}
    if endpoint is not None:
        config["endpoint"] = endpoint if settings.path_style else _with_bucket(endpoint, bucket)
    if settings.anonymous:
        config["skip_signature"] = True
    if provider is not None:
        at_once = [provider()]  # what is wrong with it is said now, in our words
        config["credential_provider"] = lambda: at_once.pop() if at_once else provider()
    if not settings.path_style:
        config["virtual_hosted_style_request"] = True
    return S3Store(bucket, **config, **_manners(settings, endpoint))


def _open_other(settings: RemoteSettings, scheme: str, bucket: str) -> ObjectStore:
    from obstore.store import AzureStore, GCSStore

    config: dict[str, Any] = dict(settings.credentials)
    if settings.anonymous:
        config["skip_signature"] = True
    manners = _manners(settings, settings.endpoint)
    if scheme == "gs":
        if settings.endpoint:
            config["base_url"] = settings.endpoint
        return GCSStore(bucket, **config, **manners)
    for key, value in azure_variables().items():
        config.setdefault(key, value)
    if settings.account:
        config["account_name"] = settings.account
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    return AzureStore(bucket, **config, **manners)


def azure_variables() -> dict[str, str]:
    """Return what the variables of Azure's own tools say of an account, by obstore's names; secrets are among it."""
    found = {key: value for key, names in _AZURE.items() if (value := _first(*names)) is not None}
    parts = dict(
        part.split("=", 1) for part in os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";") if "=" in part
    )
    names = {"AccountName": "account_name", "AccountKey": "account_key", "SharedAccessSignature": "sas_key"}
    return {names[key]: value for key, value in parts.items() if key in names} | found


def _manners(settings: RemoteSettings, endpoint: str | None) -> dict[str, Any]:
    seconds = milliseconds(settings.timeout) / 1000
    is_open = bool(endpoint and endpoint.startswith("http://"))
    believed = {"root_certificate": read_authorities(settings.ca_file)} if settings.ca_file and not is_open else {}
    return {
        "client_options": {
            "allow_http": is_open,
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=min(5.0, seconds)),
            **believed,
        },
        "retry_config": {"max_retries": settings.retries, "retry_timeout": timedelta(minutes=3)},
    }


def _with_bucket(endpoint: str, bucket: str) -> str:
    place = urlsplit(endpoint)
    return endpoint if place.netloc.startswith(f"{bucket}.") else f"{place.scheme}://{bucket}.{place.netloc}"


def _first(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
