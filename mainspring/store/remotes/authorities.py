"""Authorities whose certificates are believed beside those that this machine knows: a company's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import SettingsError
from mainspring.store.remotes.credentials import read_profile

if TYPE_CHECKING:
    import ssl

    from mainspring.base.settings.schema import RemoteSettings

_MARK = "-----BEGIN CERTIFICATE-----"


def placed(settings: RemoteSettings, root: Path) -> RemoteSettings:
    """Return settings whose ``ca_file`` is absolute, and with S3 that of AWS's variable or profile where they name none.

    Raises:
        StorageError: no such profile.
    """
    named = settings.ca_file
    if (settings.endpoint or "").startswith("http://"):
        return settings
    if named is None and settings.url.startswith("s3://"):
        named = os.environ.get("AWS_CA_BUNDLE") or read_profile(settings.profile).get("ca_bundle")
    if not named:
        return settings
    return msgspec.structs.replace(settings, ca_file=str(root.absolute() / Path(named).expanduser()))


def read_authorities(file: str) -> str:
    """Return the certificates of a file.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    try:
        text = Path(file).read_text("ascii", errors="replace")
    except OSError as error:
        raise _no_certificates(file, f"cannot be read: {error.strerror}") from None
    if _MARK not in text:
        raise _no_certificates(file, "holds no certificate in PEM")
    return text


def believing(file: str | None) -> ssl.SSLContext:
    """Return what encrypts connections and believes this machine's authorities, and those of a file.

    Raises:
        SettingsError: as ``read_authorities``; one of its certificates is damaged.
    """
    import ssl  # many servers do without

    context = ssl.create_default_context()
    if file is not None:
        try:
            context.load_verify_locations(cadata=read_authorities(file))
        except ssl.SSLError:
            raise _no_certificates(file, "holds a damaged certificate") from None
    return context


def _no_certificates(file: str, said: str) -> SettingsError:
    return SettingsError(
        f"the file of authorities {file} {said}",
        hint="correct the remote's `ca_file` (AWS_CA_BUNDLE, `ssl_verify` in .dvc/config): certificates in PEM",
        file=file,
    )
