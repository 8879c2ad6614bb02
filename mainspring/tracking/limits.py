"""What may be logged: the limits of MLflow's protocol, and paths that stay inside their run."""

from __future__ import annotations

import operator
from typing import Any
from urllib.parse import unquote

import msgspec

from mainspring.base.errors import InvalidData
from mainspring.base.names import names_elsewhere

KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
MODELS_TAG, MODELS_LENGTH = "mlflow.log-model.history", 1_000_000
"""The tag in which servers list the models that clients before MLflow 3 log, and how long it may get."""
NAME_LENGTH = 500
PATH_LENGTH = 500


def check_key(key: object, what: str) -> str:
    """Return the name of a metric, param or tag.

    >>> check_key("loss/train", "metric")
    'loss/train'

    Raises:
        InvalidData: it is no text, empty, longer than 250 characters, holds characters that cannot be printed, or
            would mean another name or place if it were read as a path.
    """
    text = _text(key, f"the name of a {what}", KEY_LENGTH)
    if names_elsewhere(text):
        raise InvalidData(
            f"'{text}' cannot be the name of a {what}: as a path it is another name, or leads out of its folder",
            hint="use names such as loss or val/loss, without '..', '//' or a '/' at an end",
            name=text,
        )
    return text


def check_name(name: object, what: str) -> str:
    """Return the name of an experiment or a run.

    Raises:
        InvalidData: as ``check_key``, at 500 characters.
    """
    return _text(name, f"the name of {what}", NAME_LENGTH)


def param_text(key: str, value: object) -> str:
    """Return a param's value as text: scalars as Python writes them, lists and mappings as JSON.

    >>> param_text("depth", 3), param_text("shape", (2, 3)), param_text("penalty", None)
    ('3', '[2,3]', 'None')

    Raises:
        InvalidData: it is longer than 6000 characters.
    """
    return _value(f"the param '{key}'", value, PARAM_LENGTH)


def tag_text(key: str, value: object) -> str:
    """Return a tag's value as text, as ``param_text``.

    Raises:
        InvalidData: it is longer than 8000 characters.
    """
    return _value(f"the tag '{key}'", value, MODELS_LENGTH if key == MODELS_TAG else TAG_LENGTH)


def long_tag_text(key: str, value: object, longest: int) -> str:
    """Return the value of a tag of something that may say more than a run: an experiment, a model.

    Raises:
        InvalidData: it is longer than ``longest`` characters.
    """
    return _value(f"the tag '{key}'", value, longest)


def metric_value(key: str, value: Any) -> float:
    """Return a metric's value; NaN and infinity are values like others.

    >>> metric_value("loss", 1)
    1.0

    Raises:
        InvalidData: it is no number.
    """
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: torch, more than one element
            pass
    raise InvalidData(
        f"the metric '{key}' cannot take {_shown(value)}: it is no number",
        hint="log one number at a time; text belongs into a param or a tag, arrays into an artifact",
        metric=key,
    )


def metric_whole(key: str, what: str, value: object) -> int:
    """Return a metric's step, moment or number of observations: a whole number of 64 bits.

    >>> metric_whole("loss", "step", 3)
    3

    Raises:
        InvalidData: it is no whole number, or too large.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # whatever has no index raises TypeError
    except TypeError:
        number = None
    if number is None or not -(2**63) <= number < 2**63:
        raise InvalidData(
            f"the metric '{key}' cannot take {_shown(value)} as its {what}: it is no whole number of 64 bits",
            metric=key,
        )
    return number


def metric_moment(key: str, value: object) -> int:
    """Return the moment of a metric's value: milliseconds since 1970, not before.

    Raises:
        InvalidData: it is no whole number of 64 bits, or negative.
    """
    at = metric_whole(key, "moment", value)
    if at < 0:
        raise InvalidData(
            f"the metric '{key}' cannot take {at} as its moment: it is negative",
            hint="give milliseconds since 1970",
            metric=key,
        )
    return at


def moment(value: object, what: str) -> int:
    """Return a moment in milliseconds since 1970 that the records can hold.

    Raises:
        InvalidData: it is no whole number of 64 bits.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # whatever has no index raises TypeError
    except TypeError:
        number = None
    if number is None or not -(2**63) <= number < 2**63:
        raise InvalidData(f"{what} has to be a whole number of milliseconds, not {_shown(value)}")
    return number


def artifact_path(path: object) -> str:
    """Return the path of an artifact inside its run: relative, with ``/`` between its parts.

    >>> artifact_path("plots/roc.png")
    'plots/roc.png'

    Raises:
        InvalidData: it is absolute, leaves its folder, or holds what servers and shells read as something else.
    """
    text = _text(path, "the path of an artifact", PATH_LENGTH)
    parts = text.split("/")
    problem = None
    if "\\" in text:
        problem = "it holds a backslash"
    elif text.startswith("/") or (len(text) > 1 and text[1] == ":"):
        problem = "it is absolute"
    elif ".." in parts or "." in parts or "" in parts:
        problem = "it holds '.', '..' or an empty part"
    elif _leads_elsewhere(text):
        problem = "it is another path for those who decode percent signs"
    if problem:
        hint = "give a relative path such as plots/roc.png, by `name=` if the file is called otherwise"
        raise InvalidData(f"'{text}' cannot be the path of an artifact: {problem}", hint=hint, path=text)
    return text


def _leads_elsewhere(text: str) -> bool:
    """Say whether a path has other folders once it is decoded, however often; ``a%step%1%`` of MLflow's images has not."""
    before, decoded = text, unquote(text)
    while decoded != before:
        before, decoded = decoded, unquote(decoded)
    parts = decoded.split("/")
    return len(parts) != len(text.split("/")) or bool({".", "..", ""} & set(parts)) or bool(set("\\\0") & set(decoded))


def _text(value: object, what: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidData(f"{what} has to be text, not {_shown(value)}")
    if not value.strip():
        raise InvalidData(f"{what} is empty")
    if len(value) > longest:
        raise InvalidData(f"{what} has {len(value)} characters, {longest} is the most: '{value[:40]}…'", name=value)
    if not value.isprintable():
        raise InvalidData(f"{what} holds characters that cannot be printed: {value!r}", name=value)
    return value


def _value(what: str, value: object, longest: int) -> str:
    text = _written(value).replace("\x00", "\ufffd").encode(errors="replace").decode()
    if len(text) > longest:
        raise InvalidData(
            f"{what} has {len(text)} characters, {longest} is the most",
            hint="store long text with log_text(text, NAME)",
        )
    return text


def _written(value: object) -> str:
    if isinstance(value, dict | list | tuple | set | frozenset):
        try:
            return msgspec.json.encode(value, order="deterministic").decode()
        except (TypeError, ValueError):
            return str(value)
    return str(value)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '…'} ({type(value).__name__})"
