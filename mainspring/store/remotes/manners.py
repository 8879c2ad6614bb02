"""How the clients of stores behave: how long they wait, how often they try again, whom they believe."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mainspring.base.clock import milliseconds
from mainspring.store.remotes.authorities import read_authorities

if TYPE_CHECKING:
    from mainspring.base.settings.schema import RemoteSettings

ENDPOINT = re.compile(r"https?://[^/\s]+.*")
"""What an address of a server looks like."""


def manners(settings: RemoteSettings, endpoint: str | None) -> dict[str, Any]:
    """Return what any of obstore's clients is told of a remote at an address."""
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


def first_variable(*names: str) -> str | None:
    """Return the first of some variables of the environment that is set and not empty."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
