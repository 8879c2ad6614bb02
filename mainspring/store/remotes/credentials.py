"""Credentials for S3 from where the AWS command line keeps them: ``~/.aws``."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import StorageError
from mainspring.base.sections import read_sections

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 60
_BEYOND_KEYS = ("sso_session", "sso_start_url", "role_arn", "web_identity_token_file", "login_session")


def read_profile(name: str | None) -> dict[str, str]:
    """Return what ``~/.aws/config`` and ``~/.aws/credentials`` say of a profile; None is ``AWS_PROFILE``, else the default.

    Raises:
        StorageError: there is no profile of that name.
        SettingsError: a file cannot be read.
    """
    wanted = name or os.environ.get("AWS_PROFILE") or "default"
    config = read_sections(Path(os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser())
    shared = read_sections(Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser())
    section = wanted if wanted == "default" else f"profile {wanted}"
    found = config.get(section, {}) | shared.get(wanted, {})
    if not found and wanted != "default":
        known = sorted({*shared, *(title.removeprefix("profile ") for title in config)})
        raise StorageError(
            f"there is no profile '{wanted}' in ~/.aws", hint=f"known profiles: {', '.join(known) or 'none'}"
        )
    return found


def credentials_of(profile: dict[str, str], name: str | None) -> Callable[[], dict[str, Any]] | None:
    """Return what gives the credentials of a profile, asked again when they expire; None if the profile holds none.

    Keys are read as they stand; ``credential_process`` is run; single sign-on and roles are left to ``aws``, whose
    command line has to be installed for them.
    """
    if "aws_access_key_id" in profile:
        return lambda: keys_of(read_profile(name)) or {}
    if "credential_process" in profile:
        import shlex

        return lambda: _told(shlex.split(profile["credential_process"]))
    if any(key in profile for key in _BEYOND_KEYS):
        shown = name or os.environ.get("AWS_PROFILE") or "default"
        return lambda: _told(["aws", "configure", "export-credentials", "--profile", shown, "--format", "process"])
    return None


def keys_of(profile: dict[str, str]) -> dict[str, Any] | None:
    """Return the keys that stand in a profile; None if there are none."""
    if "aws_access_key_id" not in profile:
        return None
    return {
        "access_key_id": profile["aws_access_key_id"],
        "secret_access_key": profile.get("aws_secret_access_key", ""),
        "token": profile.get("aws_session_token"),
        "expires_at": None,
    }


def _told(command: list[str]) -> dict[str, Any]:
    """Ask a program for credentials; what it says is never shown."""
    import json
    import shutil
    import subprocess  # most remotes do without

    if shutil.which(command[0]) is None:
        raise StorageError(
            f"the profile's credentials need the program '{command[0]}', which is not installed",
            hint="install it, or export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        )
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
        said = json.loads(done.stdout)
        expires = said.get("Expiration")
        return {
            "access_key_id": said["AccessKeyId"],
            "secret_access_key": said["SecretAccessKey"],
            "token": said.get("SessionToken"),
            "expires_at": datetime.fromisoformat(expires) if expires else None,
        }
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        last = (getattr(error, "stderr", None) or "it did not say the credentials as JSON").strip().splitlines()[-1]
        raise StorageError(
            f"'{command[0]}' gave no credentials: {last}", hint="log in again, e.g. aws sso login --profile NAME"
        ) from None
