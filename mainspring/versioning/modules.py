"""The project's own modules that a stored model needs: found, copied beside it, and imported from there."""

from __future__ import annotations

import ast
import importlib.util
import pickletools
import shutil
import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from mainspring.base.errors import Refused
from mainspring.base.parsing import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IMPORTING = RLock()


def project_files(names: Iterable[str], root: Path) -> dict[str, Path]:
    """Return the source files below ``root`` behind dotted names (``module.Type``), and behind what those import.

    Relative POSIX path → file. Modules of installed packages are not the project's.

    Raises:
        Refused: a type of the program that was started (``__main__``), which nobody else can import.
    """
    root = root.resolve()
    files: dict[str, Path] = {}
    waiting = sorted(set(names))
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.partition(".")[0] == "__main__":
            raise Refused(
                f"the model needs '{name.removeprefix('__main__.')}', which is defined in the program that was started",
                hint="move it to a module of the project and import it from there",
            )
        for path in _sources(name, root):
            relative = path.relative_to(root).as_posix()
            if relative not in files:
                files[relative] = path
                waiting.extend(_imports(path, root))
    return files


def _sources(name: str, root: Path) -> list[Path]:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts) or parts[0] in sys.stdlib_module_names:
        return []
    found: list[Path] = []
    for length in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:length])
        if (stem / "__init__.py").is_file():
            found.append(stem / "__init__.py")
        elif stem.with_suffix(".py").is_file():
            return [*found, stem.with_suffix(".py")]
        elif not stem.is_dir():
            return found
    return found


def _imports(path: Path, root: Path) -> list[str]:
    package = list(path.relative_to(root).parent.parts)
    names: list[str] = []
    for node in ast.walk(parsed(lambda: ast.parse(path.read_bytes(), filename=str(path)))):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.extend(f"{base}.{alias.name}" if base else alias.name for alias in node.names)
    return names


def pickle_names(data: bytes) -> set[str]:
    """Return the dotted names of everything that a pickle imports, without loading it."""
    found: set[str] = set()
    texts: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"):
            texts.append(str(argument))
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = texts[-1] if texts else ""
        elif opcode.name in ("BINGET", "LONG_BINGET") and isinstance(argument, int):
            texts.append(memo.get(argument, ""))
        elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
            found.add(f"{texts[-2]}.{texts[-1]}")
        elif opcode.name == "GLOBAL":
            found.add(str(argument).replace(" ", "."))
    return found


def copy_modules(files: dict[str, Path], folder: Path) -> None:
    """Copy source files below ``folder`` under their relative paths."""
    for relative, source in sorted(files.items()):
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


@contextmanager
def imported_from(folder: Path) -> Iterator[None]:
    """While inside, modules of ``folder`` are imported from there; afterwards the program's own are back in place.

    So two versions of a model can live in one process, each with its own code.

    Raises:
        Refused: a module there has the name of a standard or installed one.
    """
    if not folder.is_dir():
        yield
        return
    tops = {path.name.removesuffix(".py") for path in folder.iterdir() if path.name != "__pycache__"}
    installed = [entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))]
    for top in sorted(tops):
        if top in sys.stdlib_module_names or PathFinder.find_spec(top, installed) is not None:
            raise Refused(
                f"the model brings its own module '{top}', which would stand in for an installed one",
                hint="do not use this model; or rename the project's module and train again",
                module=top,
            )
    with _IMPORTING:
        own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}
        writes = sys.dont_write_bytecode
        for name in own:
            del sys.modules[name]
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            sys.dont_write_bytecode = writes
            if own:
                for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
                    del sys.modules[name]
                sys.modules.update(own)
