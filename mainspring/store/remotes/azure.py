"""Azure's blobs: the account, from the settings or from what Azure's own tools go by."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mainspring.store.remotes.manners import first_variable, manners

if TYPE_CHECKING:
    from obstore.store import AzureStore

    from mainspring.base.settings.schema import RemoteSettings

_VARIABLES = {
    "account_name": ("AZURE_STORAGE_ACCOUNT",),
    "account_key": ("AZURE_STORAGE_KEY",),
    "sas_key": ("AZURE_STORAGE_SAS_TOKEN",),
}
"""Variables of Azure's own tools that obstore does not read."""
_PARTS = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}


def open_azure(settings: RemoteSettings, container: str) -> AzureStore:
    """Open a container; credentials of the settings go before the environment's, and those of another account are left aside."""
    from obstore.store import AzureStore

    told = azure_variables()
    if settings.account and told.get("account_name", settings.account) != settings.account:
        told = {}
    if settings.credentials or settings.anonymous:
        told = {name: told[name] for name in told.keys() & {"account_name", "endpoint"}}
    config: dict[str, Any] = told | settings.credentials
    if settings.account:
        config["account_name"] = settings.account
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.anonymous:
        config["skip_signature"] = True
    return AzureStore(container, **config, **manners(settings, config.get("endpoint")))


def azure_variables() -> dict[str, str]:
    """Return what the variables of Azure's own tools say of an account, by obstore's names; secrets are among it."""
    found = {key: value for key, names in _VARIABLES.items() if (value := first_variable(*names)) is not None}
    return account_of(os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")) | found


def account_of(connection: str) -> dict[str, str]:
    """Return what a connection string says of an account, by obstore's names; secrets are among it.

    >>> account_of("AccountName=a;AccountKey=k==;EndpointSuffix=core.chinacloudapi.cn")["endpoint"]
    'https://a.blob.core.chinacloudapi.cn'
    """
    parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
    found = {_PARTS[key]: value for key, value in parts.items() if key in _PARTS}
    if "EndpointSuffix" in parts and "account_name" in found:
        scheme = parts.get("DefaultEndpointsProtocol", "https")
        found.setdefault("endpoint", f"{scheme}://{found['account_name']}.blob.{parts['EndpointSuffix']}")
    return found
