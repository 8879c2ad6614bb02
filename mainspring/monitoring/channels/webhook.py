"""Alerts posted as JSON to an address of the settings."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mainspring.base.errors import MainspringError

TIMEOUT_SECONDS = 5.0


class NotDelivered(MainspringError):
    """The other side did not take the notice; never shown with the address, which may hold a secret."""

    code = "not_delivered"


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A notice goes to the address in the settings, and to no other that it may name."""

    def redirect_request(self, *_redirect: object) -> None:  # whatever it is, it is not followed
        return None


def post(url: str, notice: dict[str, Any], *, timeout: float = TIMEOUT_SECONDS) -> None:
    """Post a notice; any answer of 200 to 299 takes it.

    Raises:
        NotDelivered: another scheme than http(s), no connection, no answer in ``timeout`` seconds, or another answer.
    """
    headers = {"Content-Type": "application/json", "User-Agent": "mainspring"}
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise NotDelivered("a webhook's url must start with http:// or https://")
        request = urllib.request.Request(url, data=msgspec.json.encode(notice), headers=headers, method="POST")  # noqa: S310 - the scheme was checked
        with urllib.request.build_opener(_StayHere).open(request, timeout=timeout):
            return
    except urllib.error.HTTPError as error:
        with error:
            raise NotDelivered(f"it answered {error.code}") from None
    except urllib.error.URLError as error:
        raise NotDelivered(str(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(f"{type(error).__name__}: {error}".replace(url, "the url")) from None
