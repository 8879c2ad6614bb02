"""What may be constructed when a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The reader's own rules: never taken from the file that is read.

    ``trusted_types`` are names like ``features.Scaler``, beyond the built-in list.
    """

    trust_pickle: bool = False
    trusted_types: tuple[str, ...] = ()
