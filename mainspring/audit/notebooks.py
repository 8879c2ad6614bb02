"""Reading Jupyter notebooks for what makes them unfit for production, without running them."""

from __future__ import annotations

import ast
import builtins
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ProblemKind = Literal[
    "unreadable",
    "execution order",
    "name used before its definition",
    "installs packages",
    "absolute path",
    "fit before split",
]

_INSTALL = re.compile(
    r"(?m)^\s*[!%]\s*(?:python3?\s+-m\s+)?(?:pip3?|conda|mamba|uv|apt(?:-get)?)\s+(?:\S+\s+)?install\b"
)
_ABSOLUTE = re.compile(r"^(?:/(?:home|Users|root|mnt|media|tmp|data|content|kaggle|srv|opt|var)/|~/|[A-Za-z]:[\\/])")
_FITS = frozenset({"fit", "fit_transform", "fit_resample"})
_SPLITS = frozenset({"train_test_split", "split", "KFold", "StratifiedKFold", "TimeSeriesSplit", "GroupKFold"})
_SAVES = frozenset({"dump", "save_model", "save", "export", "register", "log_model", "to_onnx", "convert_sklearn"})
_BUILTINS = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "_", "__", "___", "exit", "quit"}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a notebook; cells are counted from 1, over code cells only."""

    kind: ProblemKind
    text: str
    cell: int | None = None


class Notebook(msgspec.Struct, frozen=True, kw_only=True):
    """What one notebook looks like from outside."""

    cells: int
    executed: int
    trains: bool
    """A cell fits a model and one saves or registers something."""
    problems: list[Problem]


class _Cell(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    source: str
    count: int | None
    tree: ast.Module | None


def read_notebook(path: Path) -> Notebook:
    """Analyse a ``.ipynb`` file (format 3 or 4). Read-only; a file that is no notebook is itself the problem."""
    try:
        cells = list(_cells(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = Problem(kind="unreadable", text=f"it cannot be read as a notebook: {error}")
        return Notebook(cells=0, executed=0, trains=False, problems=[problem])
    trees = [cell.tree for cell in cells if cell.tree is not None]
    calls = {name for tree in trees for name, _ in _calls(tree)}
    return Notebook(
        cells=len(cells),
        executed=sum(cell.count is not None for cell in cells),
        trains=bool(calls & _FITS) and bool(calls & _SAVES),
        problems=[*_order(cells), *_undefined(cells), *_installs(cells), *_paths(cells), *_early_fit(cells)],
    )


def _cells(document: Any) -> Iterator[_Cell]:
    sheets = document.get("worksheets", [document])
    number = 0
    for sheet in sheets:
        for cell in sheet["cells"]:
            if cell["cell_type"] != "code":
                continue
            number += 1
            source = cell.get("source", cell.get("input", ""))
            text = source if isinstance(source, str) else "".join(source)
            count = cell.get("execution_count", cell.get("prompt_number"))
            yield _Cell(number=number, source=text, count=count if isinstance(count, int) else None, tree=_parse(text))


def _parse(source: str) -> ast.Module | None:
    first = source.lstrip().splitlines()[:1]
    if first and first[0].startswith("%%"):
        if not re.match(r"%%(time|timeit|capture|prun)\b", first[0]):
            return None
        source = source.lstrip().split("\n", 1)[-1] if "\n" in source.lstrip() else ""
    lines = ["" if re.match(r"\s*[!%?]|.*\?\s*$", line) else line for line in source.splitlines()]
    lines = [re.sub(r"=\s*[!%].*$", "= None", line) for line in lines]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


def _order(cells: list[_Cell]) -> Iterator[Problem]:
    counted = [cell for cell in cells if cell.count is not None]
    counts = [cell.count for cell in counted if cell.count is not None]
    backwards = [right for left, right in pairwise(counted) if (right.count or 0) <= (left.count or 0)]
    if backwards:
        shown = ", ".join(str(count) for count in counts[:12]) + (", …" if len(counts) > 12 else "")
        yield Problem(kind="execution order", text=f"cells ran out of order: {shown}", cell=backwards[0].number)
    elif counts and counts != list(range(1, len(counts) + 1)):
        text = f"cells ran again or were removed: the last of {len(counts)} executed cells has count {counts[-1]}"
        yield Problem(kind="execution order", text=text, cell=counted[-1].number)


def _undefined(cells: list[_Cell]) -> Iterator[Problem]:
    definitions = {name: cell.number for cell in reversed(cells) if cell.tree for name in _defined(cell.tree)}
    known: set[str] = set()
    for cell in cells:
        if cell.tree is None:
            continue
        for name in sorted(_read_first(cell.tree) - known - _BUILTINS):
            later = definitions.get(name)
            if later is not None and later > cell.number:
                text = f"'{name}' is read in cell {cell.number} and defined only in cell {later}"
                yield Problem(kind="name used before its definition", text=text, cell=cell.number)
        known |= _defined(cell.tree)


def _installs(cells: list[_Cell]) -> Iterator[Problem]:
    for cell in cells:
        if found := _INSTALL.search(cell.source):
            text = f"`{found[0].strip()}` changes the environment"
            yield Problem(kind="installs packages", text=text, cell=cell.number)


def _paths(cells: list[_Cell]) -> Iterator[Problem]:
    for cell in cells:
        for node in ast.walk(cell.tree) if cell.tree else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ABSOLUTE.match(node.value):
                text = f"'{node.value[:80]}' exists on one machine only"
                yield Problem(kind="absolute path", text=text, cell=cell.number)
                break


def _early_fit(cells: list[_Cell]) -> Iterator[Problem]:
    fitted: int | None = None
    for cell in cells:
        for name, _ in sorted(_calls(cell.tree), key=lambda call: call[1]) if cell.tree else ():
            if name in _FITS and fitted is None:
                fitted = cell.number
            elif name in _SPLITS and fitted is not None:
                text = f"cell {fitted} fits on rows that cell {cell.number} divides only afterwards"
                yield Problem(kind="fit before split", text=text, cell=fitted)
                return
            elif name in _SPLITS:
                return


def _calls(tree: ast.AST) -> Iterator[tuple[str, tuple[int, int]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "split" and not _splits_rows(node.func):
                continue
            yield name, (node.lineno, node.col_offset)


def _splits_rows(function: ast.expr) -> bool:
    """Say whether ``x.split`` is a splitter's and not a string's."""
    owner = function.value if isinstance(function, ast.Attribute) else None
    name = getattr(owner, "id", getattr(owner, "attr", "")) if owner is not None else "split"
    return bool(re.search(r"(?i)fold|cv$|split", name))


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


def _read_first(tree: ast.Module) -> set[str]:
    """Return the names that a cell reads at its top level before (by position) it gives them a value."""
    written: set[str] = set()
    read: set[str] = set()
    for statement in tree.body:
        nodes = list(_outside_functions(statement))
        own = _defined(ast.Module(body=[statement], type_ignores=[]))
        loads = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        read |= loads - written - own
        written |= own
    return read


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Walk without entering bodies that run later: functions, lambdas and comprehensions with names of their own."""
    yield node
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return
    children: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        children = list(node.decorator_list)
    for child in children:
        yield from _outside_functions(child)
