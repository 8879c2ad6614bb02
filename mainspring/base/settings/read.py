"""Reading a file of settings as YAML, with errors that name the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mainspring.base.errors import SettingsError
from mainspring.base.yamls import SafeLoader, load

if TYPE_CHECKING:
    from pathlib import Path


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """A key that stands twice is an error, not a surprise."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands here twice", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


class _Quick(_UniqueKeys, SafeLoader):
    """Reads what is right."""


class _Exact(_UniqueKeys, yaml.SafeLoader):
    """Says best what is wrong."""


def read_tree(path: Path, text: bytes | None = None) -> dict[str, Any]:
    """Return a YAML file, whose ``text`` may have been read already, as plain mappings and lists.

    Raises:
        SettingsError: unreadable, not YAML, or not a mapping; names the line.
    """
    try:
        tree = load((path.read_bytes() if text is None else text).decode(), _Quick, _Exact)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        doubled = isinstance(error, yaml.constructor.ConstructorError) and "stands here twice" in str(error.problem)
        raise SettingsError(
            f"{where}: {'' if doubled else 'this is not YAML: '}{error.problem}",
            hint="keep one of them" if doubled else "check indentation and colons",
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: this is not YAML: {error}", hint="check the file's encoding") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}", hint="check that it is a UTF-8 text file") from None
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}:1: expected settings such as `project: NAME`, found {_kind(tree)}")
    return tree


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
