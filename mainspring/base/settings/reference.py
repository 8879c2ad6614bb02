"""The reference of ``mainspring.yaml``: JSON Schema for editors, Markdown for people, both from the structs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from mainspring.base.settings.checks import Check
from mainspring.base.settings.monitors import Monitor
from mainspring.base.settings.schema import (
    CanarySettings,
    Channel,
    DatasetSettings,
    ModelSettings,
    PipelineSettings,
    ReleaseSettings,
    RemoteSettings,
    ServingSettings,
    Settings,
    ShadowSettings,
    StateSettings,
    TrackingSettings,
)
from mainspring.base.settings.triggers import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECTIONS: list[tuple[str, list[type[msgspec.Struct]]]] = [
    ("The file", [Settings]),
    ("datasets.NAME", [DatasetSettings]),
    ("pipeline", [PipelineSettings]),
    ("model", [ModelSettings]),
    ("checks", list(get_args(Check))),
    ("release", [ReleaseSettings]),
    ("release.shadow", [ShadowSettings]),
    ("release.canary", [CanarySettings]),
    ("serving", [ServingSettings]),
    ("monitors.NAME", list(get_args(Monitor))),
    ("triggers.NAME", list(get_args(Trigger))),
    ("channels", [Channel]),
    ("tracking", [TrackingSettings]),
    ("remotes.NAME", [RemoteSettings]),
    ("state", [StateSettings]),
]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``mainspring.yaml``, with every key's description."""
    schema = msgspec.json.schema(Settings)
    for _, structs in _SECTIONS:
        for struct in structs:
            properties = schema["$defs"][struct.__name__]["properties"]
            for name, text in descriptions(struct).items():
                if name in properties:
                    properties[name] = {**properties[name], "description": text}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mainspring.yaml", **schema}


def markdown() -> str:
    """Return the reference page: each section with its keys, types, defaults and meanings."""
    return "\n".join(["# mainspring.yaml", "", *_lines()]) + "\n"


def descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return what the source says below each field of a struct and of the structs it extends."""
    found: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if not issubclass(kind, msgspec.Struct) or kind is msgspec.Struct:
            continue
        [body] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _lines() -> Iterator[str]:
    for section, structs in _SECTIONS:
        yield f"## {section}"
        yield ""
        for struct in structs:
            tag = struct.__struct_config__.tag
            if tag is not None:
                yield f"### type: {tag}"
                yield ""
            yield " ".join((struct.__doc__ or "").split())
            yield ""
            yield "| key | type | default | meaning |"
            yield "| --- | --- | --- | --- |"
            texts = descriptions(struct)
            for field in msgspec.structs.fields(struct):
                kind = _type_name(field.type).replace("|", "\\|")
                yield f"| `{field.encode_name}` | {kind} | {_default(field)} | {texts.get(field.name, '')} |"
            yield ""


def _type_name(kind: Any) -> str:
    if kind is type(None):
        return "null"
    if isinstance(kind, type) and not get_args(kind):
        return "section" if issubclass(kind, msgspec.Struct) else kind.__name__
    arguments = get_args(kind)
    origin = getattr(kind, "__origin__", None)
    if origin is list:
        return f"list of {_type_name(arguments[0])}"
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type_name(arguments[1])}"
    if hasattr(kind, "__metadata__"):
        return _type_name(arguments[0])
    if arguments and all(isinstance(item, str) for item in arguments):
        return " | ".join(arguments)
    return " | ".join(dict.fromkeys(_type_name(item) for item in arguments))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{msgspec.json.encode(value).decode()}`" if not isinstance(value, msgspec.Struct) else "see its section"
