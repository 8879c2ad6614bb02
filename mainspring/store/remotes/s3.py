"""Buckets of S3: opened by the store's client, and what it takes to speak to them without it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mainspring.store.remotes.credentials import credentials_of, keys_of, read_profile
from mainspring.store.remotes.manners import ENDPOINT, first_variable, manners

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from mainspring.base.settings.schema import RemoteSettings
    from mainspring.store.remotes.listing import Place

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


def open_s3(settings: RemoteSettings, bucket: str) -> ObjectStore:
    """Open a bucket; nothing is asked over the network yet, but perhaps of the program that gives credentials.

    Raises:
        StorageError: no such profile, or credentials that cannot be had.
    """
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
    return S3Store(bucket, **config, **manners(settings, endpoint))


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
    if ENDPOINT.fullmatch(endpoint) is None:
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
    endpoint = (
        settings.endpoint or first_variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or profile.get("endpoint_url")
    )
    keyed = settings.profile is None and "AWS_ACCESS_KEY_ID" in os.environ
    return _S3(endpoint, region or "us-east-1", profile, keyed)


def _with_bucket(endpoint: str, bucket: str) -> str:
    place = urlsplit(endpoint)
    return endpoint if place.netloc.startswith(f"{bucket}.") else f"{place.scheme}://{bucket}.{place.netloc}"
