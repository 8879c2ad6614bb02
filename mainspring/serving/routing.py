"""Who answers a request: a sticky choice by salted hash."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.serving.routes import Role, RouteTable

BUCKETS = 10_000


def bucket(salt: str, key: str) -> int:
    """Return the bucket, 0 to 9999, that a key falls into: always the same for one salt, independent between salts.

    >>> bucket("a", "customer-1") == bucket("a", "customer-1"), 0 <= bucket("b", "customer-1") < BUCKETS
    (True, True)
    """
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def choose(table: RouteTable, key: str) -> Role:
    """Return the role that answers a caller: the canary for its share of the buckets, otherwise the champion."""
    canary = table.route("canary")
    if canary is None:
        return "champion"
    return "canary" if bucket(table.salt, key) < round(canary.weight * BUCKETS) else "champion"


def shadowed(table: RouteTable, key: str) -> bool:
    """Say whether a request is copied to the shadow."""
    shadow = table.route("shadow")
    return shadow is not None and (
        shadow.weight >= 1 or bucket(table.salt + "/shadow", key) < round(shadow.weight * BUCKETS)
    )
