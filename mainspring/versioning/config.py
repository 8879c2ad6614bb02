"""The configuration of a run: the settings as they are written, and the parameters that took effect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.settings.load import merge
from mainspring.base.settings.read import read_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mainspring.store.workspace import Workspace

_SECRET = re.compile(
    r"(?i)(password|passwd|passphrase|(?:^|[-_])pwd$|secret|token(?!i[sz])|(?:api|access|private|account)[-_]?key|authorization|credential)"
)
_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):([^/\s]+)@")
_HIDDEN = "***"


def capture(
    workspace: Workspace, parameters: Mapping[str, Any] | None = None, argv: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the settings with the overlay laid over them, ``${VAR}`` left as written, and the effective parameters.

    What is named like a secret, and passwords in URLs, are hidden.
    """
    tree = read_tree(workspace.settings_file)
    if workspace.environment is not None:
        tree = merge(tree, read_tree(workspace.root / "environments" / f"{workspace.environment}.yaml"))
    return {
        "settings": hide_secrets(_plain(tree)),
        "environment": workspace.environment,
        "parameters": hide_secrets({name: _plain(value) for name, value in (parameters or {}).items()}),
        "argv": _hide_in_line(argv or ()),
    }


def hide_secrets(value: Any, name: str = "") -> Any:
    """Return a JSON-able value with secrets replaced; ``${VAR}`` stays, it says nothing.

    >>> hide_secrets({"url": "https://me:p@w@host/", "api_key": "1234", "token": "${TOKEN}"})
    {'url': 'https://me:***@host/', 'api_key': '***', 'token': '${TOKEN}'}
    """
    if isinstance(value, dict):
        return {key: hide_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_secrets(item, name) for item in value]
    if not isinstance(value, str) or re.fullmatch(r"\$\{[^}]*\}", value):
        return value
    return _HIDDEN if value and _SECRET.search(name) else _IN_URL.sub(rf"\1:{_HIDDEN}@", value)


def _hide_in_line(argv: Sequence[str]) -> list[str]:
    shown: list[str] = []
    hide = False
    for word in argv:
        option, sign, _ = word.partition("=")
        if hide:
            shown.append(_HIDDEN)
            hide = False
        elif option.startswith("-") and _SECRET.search(option):
            shown.append(f"{option}={_HIDDEN}" if sign else option)
            hide = not sign
        else:
            shown.append(_IN_URL.sub(rf"\1:{_HIDDEN}@", word))
    return shown


def _plain(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, msgspec.MsgspecError):
        return repr(value)
