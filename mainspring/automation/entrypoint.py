"""Finding the pipeline that the settings name, in the project's code as it is on disk now."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.automation.attempts import summary
from mainspring.automation.closure import is_project_file
from mainspring.automation.pipeline import Pipeline
from mainspring.base.errors import MainspringError, UsageError, did_you_mean

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

_loaded: dict[str, tuple[Path, Path, int]] = {}
"""Project modules that this process imported: name → root, file, time of change."""


def load(workspace: Workspace, entrypoint: str | None = None) -> Pipeline[..., Any]:
    """Import ``module:function`` from the workspace's folder; the settings' one by default.

    Modules of the project that changed on disk since this process imported them are imported again.

    Raises:
        UsageError: no entrypoint, a module that cannot be imported (says why and where), a function that is not there.
    """
    named = entrypoint or (workspace.settings.pipeline.entrypoint if workspace.settings.pipeline else None)
    if named is None:
        hint = "add `pipeline: {entrypoint: pipeline:train}` to mainspring.yaml, or name one: `mainspring run module:function`"
        raise UsageError("the settings name no pipeline", hint=hint)
    module_name, colon, function = named.partition(":")
    if not colon or not module_name or not function:
        raise UsageError(f"'{named}' names no function", hint="write it as module:function, e.g. pipeline:train")
    module = _import(workspace.root, module_name)
    found = getattr(module, function, None)
    if isinstance(found, Pipeline):
        return found
    if callable(found) and not isinstance(found, type):
        return Pipeline(found)
    known = [name for name, value in vars(module).items() if isinstance(value, Pipeline)]
    hint = did_you_mean(function, known or vars(module)) or f"pipelines there: {', '.join(known) or 'none'}"
    raise UsageError(f"{module_name} has no pipeline '{function}'", hint=hint, entrypoint=named)


def _import(root: Path, name: str) -> Any:
    _forget_stale(root)
    if str(root) in sys.path:
        sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a pyc does not notice two changes in one second
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name or name.startswith(f"{error.name}."):
            known = [path.stem for path in root.glob("*.py")]
            hint = did_you_mean(name, known) or f"modules in {root}: {', '.join(sorted(known)) or 'none'}"
            raise UsageError(f"there is no module '{name}' in {root}", hint=hint, module=name) from error
        hint = f"install it, or check the import in {name}"
        raise UsageError(f"{name} cannot be imported: {summary(error, root)}", hint=hint, module=name) from error
    except SyntaxError as error:
        where = f"{Path(error.filename or name).name}:{error.lineno}"
        raise UsageError(f"{name} cannot be imported: {error.msg} ({where})", hint="correct that line") from error
    except MainspringError as error:
        said = summary(error, root).removeprefix(f"{type(error).__name__}: ")
        raise UsageError(f"{name} cannot be imported: {said}", hint=error.hint, module=name) from error
    except Exception as error:
        hint = "--debug shows the traceback"
        raise UsageError(f"{name} cannot be imported: {summary(error, root)}", hint=hint, module=name) from error
    finally:
        sys.dont_write_bytecode = writes
        _remember(root)


def _remember(root: Path) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in _loaded and name != "__main__" and file and is_project_file(file, root):
            path = Path(file)
            _loaded[name] = (root, path, path.stat().st_mtime_ns if path.exists() else 0)


def _forget_stale(root: Path) -> None:
    """Drop modules of other workspaces, and all of this one when any of its files changed."""
    changed = any(
        own == root and (not path.exists() or path.stat().st_mtime_ns != at) for own, path, at in _loaded.values()
    )
    for name, (own, _, _) in list(_loaded.items()):
        if changed or own != root:
            sys.modules.pop(name, None)
            del _loaded[name]
        if own != root and str(own) in sys.path:
            sys.path.remove(str(own))
