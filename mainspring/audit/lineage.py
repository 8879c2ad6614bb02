"""Which files the pipeline's code comes from, read from the source without importing it."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__", "venv", "build", "dist"})
_NOTEBOOK_LOADERS = frozenset({"import_ipynb", "importnb", "nbimporter", "ipynb", "papermill", "nbconvert", "nbclient"})
_EXPORTED = re.compile(r"^# In\[(?:\d+| )\]:?", re.MULTILINE)


class NotebookUse(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the pipeline's code that leads to a notebook."""

    path: Path
    line: int
    how: str


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """The project files that code reaches, and the notebooks it leans on."""

    files: list[Path]
    notebooks: list[NotebookUse]


def trace(root: Path, starts: Iterable[Path]) -> Lineage:
    """Follow imports, and scripts named in commands, from ``starts`` through the files of ``root``. Read-only."""
    waiting = [path for path in starts if path.is_file()]
    seen: list[Path] = []
    uses: list[NotebookUse] = []
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.append(path)
        source = path.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        uses += _notebook_uses(path, source, tree)
        waiting += [found for found in _reached(root, path, tree) if found not in seen]
    return Lineage(files=sorted(seen), notebooks=sorted(uses, key=lambda use: (str(use.path), use.line)))


def module_file(root: Path, module: str) -> Path | None:
    """Return the project's file of a dotted module name, or None when it is no module of the project."""
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def project_files(root: Path, suffix: str) -> list[Path]:
    """Return the project's files that end in ``suffix``: what git knows or would add, or else what is not hidden."""
    listed = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", f"*{suffix}"],
            cwd=root,
            capture_output=True,
            check=False,
        )
        if _has_git()
        else None
    )
    if listed is not None and listed.returncode == 0:
        names = [name for name in listed.stdout.decode(errors="replace").split("\0") if name]
        found = [root / name for name in names]
    else:
        found = [path for path in root.rglob(f"*{suffix}") if not _hidden(path.relative_to(root))]
    return sorted(path for path in found if path.is_file() and not _hidden(path.relative_to(root)))


def _has_git() -> bool:
    import shutil

    return shutil.which("git") is not None


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part in _SKIPPED for part in relative.parts)


def _reached(root: Path, path: Path, tree: ast.Module) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(root, path, node)
            names = [base, *(f"{base}.{alias.name}" if base else alias.name for alias in node.names)]
        elif ".py" in (text := _text(node)):
            yield from _scripts(root, text)
            continue
        else:
            continue
        parts = [name.split(".") for name in names if name]
        for prefix in {".".join(words[:length]) for words in parts for length in range(1, len(words) + 1)}:
            if (found := module_file(root, prefix)) is not None:
                yield found


def _absolute(root: Path, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = path.relative_to(root).parts[: -node.level]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _scripts(root: Path, command: str) -> Iterator[Path]:
    try:
        words = shlex.split(command)
    except ValueError:
        return
    for word in words:
        if word.endswith(".py") and not Path(word).is_absolute() and (root / word).is_file():
            yield root / word


def _notebook_uses(path: Path, source: str, tree: ast.Module) -> Iterator[NotebookUse]:
    if exported := _EXPORTED.search(source):
        line = source.count("\n", 0, exported.start()) + 1
        yield NotebookUse(path=path, line=line, how="it is a notebook's export (`# In[…]` marks are left in it)")
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.split(".")[0] in _NOTEBOOK_LOADERS:
                    yield NotebookUse(path=path, line=node.lineno, how=f"it imports {name}, which runs notebooks")
        elif isinstance(node, ast.Constant) and id(node) not in documentation and re.search(r"\.ipynb\b", _text(node)):
            yield NotebookUse(path=path, line=node.lineno, how=f"it names the notebook '{_text(node)[:80]}'")


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
