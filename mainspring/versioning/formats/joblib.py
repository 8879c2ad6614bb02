"""Pickles, for whoever trusts them: reading one runs whatever its author wrote into it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.formats.policy import Policy

HINT = "set `model: {trust_pickle: true}` in mainspring.yaml (or --trust-pickle) if you wrote that code yourself"


def save(model: Any, path: Path, policy: Policy) -> None:
    """Write a pickle.

    Raises:
        Refused: the policy does not trust pickles.
        InvalidData: the model holds something that cannot be pickled.
    """
    import joblib

    if not policy.trust_pickle:
        raise Refused(f"a {type(model).__name__} would be stored as a pickle, which is not trusted", hint=HINT)
    try:
        joblib.dump(model, path)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidData(
            f"the model cannot be stored: {error}",
            hint="define its classes and functions at the top of a module, not inside a function",
        ) from error


def load(path: Path, policy: Policy) -> Any:
    """Read a pickle.

    Raises:
        Refused: the policy does not trust pickles; nothing was read.
        InvalidData: it cannot be read, or needs code that is not there.
    """
    import joblib

    if not policy.trust_pickle:
        raise Refused(f"{path.name} is a pickle, and reading one runs code", hint=HINT, path=str(path))
    try:
        return joblib.load(path)
    except ImportError as error:
        raise InvalidData(f"{path.name} needs code that is not here: {error}", hint="install what it needs") from error
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, ValueError, IndexError) as error:
        raise InvalidData(f"{path.name} cannot be read: {error}", hint="save the model again") from error
