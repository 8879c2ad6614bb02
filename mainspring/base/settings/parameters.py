"""Files of parameters, and DVC's own, as DVC reads them: YAML 1.2, JSON, TOML, and Python, which is parsed and never run."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import yaml

_TAG = "tag:yaml.org,2002:"
_NUMBERS = list("-+0123456789")
_NEWER = (
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    (
        "float",
        re.compile(
            r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
            r"|[-+]?\.[0-9_]+([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
        [*_NUMBERS, "."],
    ),
    ("int", re.compile(r"[-+]?0b[01_]+|[-+]?0o[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+"), _NUMBERS),
)
"""What YAML 1.2 takes for no text, as DVC's reader has it: ``1e-3`` is a number, ``010`` is ten, ``yes`` is a word."""
MISSING = object()
"""What a key means that a file does not have."""


def read_parameters(file: Path) -> Any:
    """Return what a file of parameters says; how it is read says its ending. An empty one says nothing, as does none.

    Of Python, these are the names that a module, its classes and their ``__init__`` give plain values to.

    Raises:
        InvalidData: it cannot be read.
    """
    if not file.is_file():
        return {}
    kind = file.suffix.lower()
    read = {".json": _json, ".toml": _toml, ".py": _python}.get(kind)
    if read is None:
        return read_yaml(file) or {}
    try:
        return read(file.read_text(encoding="utf-8")) or {}
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        said = str(error).split("\n", 1)[0] or type(error).__name__
        raise InvalidData(f"{file} cannot be read: {said}", hint="correct it", path=str(file)) from None


def read_yaml(file: Path) -> Any:
    """Return what a file of YAML 1.2 says.

    Raises:
        InvalidData: it is none.
    """
    import yaml

    from mainspring.base.yamls import SafeLoader, load

    try:
        return load(file.read_text(encoding="utf-8"), _newer(SafeLoader), _newer(yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):  # numbers that are none, and text that is not UTF-8
        raise InvalidData(
            f"{file} cannot be read: it is not YAML", hint="resolve the merge conflict", path=str(file)
        ) from None


def value_at(tree: Any, key: str) -> Any:
    """Return what a key with dots means; ``MISSING`` where there is none.

    >>> value_at({"layers": [{"units": 8}]}, "layers.0.units")
    8
    """
    for part in key.lstrip(".").split("."):
        if isinstance(tree, list | tuple):
            tree = tree[int(part)] if part.isascii() and part.isdigit() and int(part) < len(tree) else MISSING
        elif isinstance(tree, dict):
            tree = next((value for name, value in tree.items() if str(name) == part), MISSING)
        else:
            return MISSING
    return tree


@cache
def _newer(loader: type[yaml.SafeLoader]) -> type[yaml.SafeLoader]:
    """Return a reader of YAML 1.2 that is made of one of YAML 1.1."""
    replaced = {_TAG + kind for kind, _, _ in _NEWER}
    kept = {
        first: [pair for pair in pairs if pair[0] not in replaced]
        for first, pairs in loader.yaml_implicit_resolvers.items()
    }
    newer: type[yaml.SafeLoader] = type("Newer", (loader,), {"yaml_implicit_resolvers": kept})
    for kind, form, first in _NEWER:
        newer.add_implicit_resolver(_TAG + kind, re.compile(f"(?:{form.pattern})\\Z"), first)
    newer.add_constructor(_TAG + "int", _integer)
    return newer


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "").lower()
    return int(text, {"0b": 2, "0o": 8, "0x": 16}.get(text.lstrip("+-")[:2], 10))


def _json(text: str) -> Any:
    import json

    return json.loads(text)


def _toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _python(text: str) -> dict[str, Any]:
    return dict(_assigned(ast.parse(text).body))


def _assigned(body: list[ast.stmt], *, only_of_self: bool = False) -> Iterator[tuple[str, Any]]:
    """Give names and values, the later ones behind the earlier; what is no plain value is left out."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield statement.name, dict(_assigned(statement.body))
        elif isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            yield from _assigned(statement.body, only_of_self=True)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            name = _name(targets[0], only_of_self=only_of_self) if len(targets) == 1 else None
            if name is not None and statement.value is not None:
                try:
                    yield name, ast.literal_eval(statement.value)
                except (ValueError, TypeError):
                    continue


def _name(target: ast.expr, *, only_of_self: bool) -> str | None:
    if isinstance(target, ast.Name):
        return None if only_of_self else target.id
    is_of_self = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    return target.attr if is_of_self else None  # type: ignore[attr-defined]  # an attribute, as was asked
