"""How pointers name what data came from: addresses that last, without secrets, and paths."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import msgspec

from mainspring.base.errors import UsageError

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_BUCKETS = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "azure", "azure": "azure"}
"""Schemes of object stores, and how DVC spells them."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig", "awsaccesskeyid"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where data comes from. ``written`` is how a pointer has it, ``place`` where it is on this machine, if it is.

    ``asked`` may hold a user and a password.
    """

    written: str
    asked: str
    place: Path | None = None

    @property
    def scheme(self) -> str:
        """Its kind, empty for a path."""
        return "" if self.place is not None else urlsplit(self.written).scheme

    @property
    def name(self) -> str:
        """Its last part, after which a file or folder may be called."""
        return Path(urlsplit(self.written).path if self.place is None else self.place).name


def scheme_of(text: str) -> str:
    """Return the scheme of an address in small letters; empty for what is none."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else ""


def is_stored(text: str) -> bool:
    """Say whether an address can be nothing but that of objects: git knows none of its kind."""
    return scheme_of(text) in {*_BUCKETS, "remote"}


def given(workspace: Workspace, text: str, out: Path) -> Address:
    """Return the address that somebody gives to import from; a path is relative to the folder that they are in.

    Raises:
        UsageError: it is of no kind that is known, does not last, or lies in the workspace.
    """
    scheme = scheme_of(text)
    if scheme == "file":
        return _path(workspace, Path(unquote(urlsplit(text).path)), out, absolute=True)
    if not scheme:
        return _path(
            workspace, Path.cwd() / Path(text).expanduser(), out, absolute=Path(text).expanduser().is_absolute()
        )
    found = read(text, out)
    place = urlsplit(found.written)
    known = scheme in ("http", "https", "remote") or scheme in _BUCKETS
    if not known or not place.netloc:
        raise UsageError(
            f"'{text}' is no address that data can be imported from",
            hint="known: s3://BUCKET/KEY, gs://BUCKET/KEY, azure://CONTAINER/KEY, https://HOST/FILE, remote://NAME/PATH, a path",
            address=text,
        )
    words = {name.lower() for name, _ in parse_qsl(place.query, keep_blank_values=True)}
    if scheme in _BUCKETS and (place.query or place.fragment):
        raise UsageError(
            f"'{text}' names one version of an object", hint="leave the version out: the pointer notes it", address=text
        )
    if words & _SIGNATURES:
        raise UsageError(
            f"the address at {place.netloc} is signed: it would stand in a pointer, in git, and is of no use soon",
            hint="name the object itself (s3://…, gs://…, azure://…), with credentials; or download it, and add it",
        )
    return found


def read(text: str, out: Path) -> Address:
    """Return the address that a pointer of ``out`` names; a path is relative to the pointer's folder."""
    scheme = scheme_of(text)
    if not scheme:
        return Address(written=text, asked=text, place=Path(os.path.normpath(out.parent / text)))
    parts = urlsplit(text)._replace(scheme=_BUCKETS.get(scheme, scheme))
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]) if scheme in ("http", "https") else parts
    return Address(written=urlunsplit(plain), asked=urlunsplit(parts))


def _path(workspace: Workspace, place: Path, out: Path, *, absolute: bool) -> Address:
    place = Path(os.path.normpath(place))
    if place.is_relative_to(workspace.root) or workspace.root.is_relative_to(place):
        raise UsageError(
            f"{place} is not outside of the workspace {workspace.root}",
            hint=f"it is here already: mainspring data add {place.name}",
            path=str(place),
        )
    written = str(place) if absolute else os.path.relpath(place, out.parent)
    return Address(written=written, asked=written, place=place)
