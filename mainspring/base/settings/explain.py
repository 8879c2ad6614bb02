"""Turning a validation failure into one screen: the line, what was expected, and a suggestion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from mainspring.base.errors import SettingsError, did_you_mean
from mainspring.base.settings.checks import Check
from mainspring.base.settings.monitors import Monitor
from mainspring.base.settings.schema import Settings
from mainspring.base.settings.triggers import Trigger

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.base.settings.places import Step


def explain(message: str, sources: list[Path], tree: dict[str, Any]) -> SettingsError:
    """Return the error for what msgspec said about ``tree``, which was read from ``sources`` (overlay first)."""
    said, _, at = message.partition(" - at `")
    steps = resolve_path(at.rstrip("`"), tree)
    unknown = re.search(r"unknown field `([^`]*)`", said)
    missing = re.search(r"missing required field `([^`]*)`", said)
    tag = re.search(r"Invalid value '([^']*)'", said)
    choice = re.search(r"Invalid enum value '([^']*)'", said)
    hint: str | None = None
    if unknown:
        known = fields_at(steps, tree)
        said = f"'{unknown[1]}' is not a key here"
        hint = did_you_mean(unknown[1], known) or f"known keys: {', '.join(sorted(known))}"
        steps = [*steps, unknown[1]]
    elif missing:
        said = f"'{missing[1]}' is missing"
        hint = f"add a line `{missing[1]}: …`"
    elif tag:
        known = known_types(steps)
        hint = (did_you_mean(tag[1], known) or "") + (f" known types: {', '.join(known)}" if known else "")
    elif choice:
        known = fields_at(steps, tree, choices=True)
        hint = (did_you_mean(choice[1], known) or "") + (f" known values: {', '.join(known)}" if known else "")
        said = f"'{choice[1]}' is not known here"
    else:
        said = said.replace("`", "")
    from mainspring.base.settings.places import locate  # with YAML's reader, which is not needed where nothing is wrong

    where, shown = locate(steps, sources)
    dotted = ".".join(str(step) for step in steps) or "the file"
    return SettingsError(
        f"{where}: {dotted}: {said}{shown}", hint=(hint or "").strip() or None, path=dotted, where=where
    )


def resolve_path(path: str, tree: Any) -> list[Step]:
    """Return the keys of a msgspec path; its wildcards (``[...]``) become the key of the first item that does not fit."""
    steps: list[Step] = []
    for name, index in re.findall(r"\.([A-Za-z_][\w]*)|\[(\.\.\.|\d+)\]", path.removeprefix("key in ")):
        if name:
            steps.append(name)
        elif index == "...":
            steps.append(_offender(steps, tree))
        else:
            steps.append(int(index))
    return steps


def _offender(steps: list[Step], tree: Any) -> Step:
    held = _descend(tree, steps)
    section = str(steps[0])
    for key, value in held.items() if isinstance(held, dict) else []:
        try:
            if section in ("datasets", "monitors", "remotes", "triggers") and len(steps) == 1:
                msgspec.convert({"project": "p", section: {key: value}}, Settings)
            else:
                msgspec.convert({key: value}, dict[str, bool | int | float | str | None])
        except msgspec.ValidationError:
            return str(key)
    return "…"


def _descend(tree: Any, steps: list[Step]) -> Any:
    for step in steps:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def fields_at(steps: list[Step], tree: Any, *, choices: bool = False) -> list[str]:
    """Return the keys, or with ``choices`` the words, that the schema knows at a place of the tree."""
    kind: Any = Settings
    for depth, step in enumerate(steps):
        kind = _inner(kind, step, _descend(tree, steps[: depth + 1]))
    if choices:
        return [word for word in get_args(kind) if isinstance(word, str)]
    kinds = [kind] if isinstance(kind, type) else [option for option in get_args(kind) if isinstance(option, type)]
    return [
        item.encode_name
        for option in kinds
        if issubclass(option, msgspec.Struct)
        for item in msgspec.structs.fields(option)
    ]


def _inner(kind: Any, step: Step, value: Any) -> Any:
    options = [kind] if isinstance(kind, type) else [*get_args(kind), kind]
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            for item in msgspec.structs.fields(option):
                if item.encode_name == step:
                    return _tagged(item.type, value)
    arguments = get_args(kind)
    return _tagged(arguments[-1], value) if arguments else kind


def _tagged(kind: Any, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(name := value.get("type"), str):
        for option in get_args(kind):
            if tag_of(option) == name:
                return option
    return kind


def known_types(steps: list[Step]) -> list[str]:
    """Return what ``type`` may be at a place of the tree."""
    union = {"checks": Check, "monitors": Monitor, "triggers": Trigger}.get(str(steps[0]) if steps else "")
    return [str(tag_of(option)) for option in get_args(union)] if union is not None else []


def tag_of(kind: Any) -> str | None:
    """Return what ``type`` has to be for a struct, or None for a struct that is not one of several."""
    config = getattr(kind, "__struct_config__", None)
    return None if config is None or config.tag is None else str(config.tag)
