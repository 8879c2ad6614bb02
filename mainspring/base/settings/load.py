"""Reading ``mainspring.yaml``: overlays, ``${VAR}``, and errors that name the line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from mainspring.base.errors import SettingsError
from mainspring.base.settings.explain import explain
from mainspring.base.settings.kept import KeptFiles
from mainspring.base.settings.references import check_references, check_secrets
from mainspring.base.settings.schema import Settings

FILE_NAME = "mainspring.yaml"
_VARIABLE = r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}"


def load_settings(path: Path, *, environment: str | None = None, resolve: bool = True) -> Settings:
    """Read settings, lay the overlay of ``environment`` over them, and validate.

    The overlay is ``environments/NAME.yaml`` beside the file: mappings merge key by key, everything else replaces.
    ``${VAR}`` and ``${VAR:-default}`` are filled in from the process's environment unless ``resolve`` is off.

    Raises:
        SettingsError: with the file, the line, what was expected and a suggestion.
    """
    files = KeptFiles(path.parent / ".mainspring" / "index")
    tree = files.tree(path)
    sources = [path]
    if environment is not None:
        overlay = path.parent / "environments" / f"{environment}.yaml"
        if not overlay.is_file():
            known = sorted(file.stem for file in overlay.parent.glob("*.yaml"))
            raise SettingsError(
                f"there is no environment '{environment}': {overlay} does not exist",
                hint=f"known environments: {', '.join(known) or 'none'}",
                environment=environment,
            )
        tree = merge(tree, files.tree(overlay))
        sources.insert(0, overlay)
    check_secrets(tree, sources)
    if resolve:
        tree = _fill(tree, sources)
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise explain(str(error), sources, tree) from None
    check_references(settings, sources)
    files.keep()
    return settings


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: mappings merge, everything else replaces.

    >>> merge({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}, 'b': 1}
    """
    merged = dict(below)
    for key, value in above.items():
        held = merged.get(key)
        merged[key] = merge(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return merged


def _fill(value: Any, sources: list[Path]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, sources) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, sources) for item in value]
    if not isinstance(value, str):
        return value

    def lookup(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise SettingsError(
                f"{_place(match[0], sources)}: ${{{match[1]}}} is used, and the variable {match[1]} is not set",
                hint=f"export {match[1]}=…, or write ${{{match[1]}:-default}}",
                variable=match[1],
            )
        return found

    return re.sub(_VARIABLE, lookup, value) if "${" in value else value


def _place(text: str, sources: list[Path]) -> Path | str:
    """Return the file and line of a text in the files that settings were read from."""
    for source in sources:
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
            if text in line.partition(" #")[0]:
                return f"{source}:{number}"
    return sources[-1]
