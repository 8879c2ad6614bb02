"""The rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mainspring"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "scaffold" not in path.parts and "versions" not in path.parts)
PASSED_ON = {"Connection", "Row"}
"""Types that go from a record's verb to another's, as annotations; they write no SQL."""
CATCH_ALL = {"utils", "util", "helpers", "helper", "manager", "core", "common", "misc", "tools"}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_file(path: Path) -> None:
    tree = parsed(path)
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines < 400, f"{lines} lines: split it by concept"
    assert path.stem not in CATCH_ALL, "name the concept"
    assert ast.get_docstring(tree), "say in a docstring what the file holds"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)
            assert length < 50, f"{node.name} has {length} lines: split it"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return (first.end_lineno or 0) - first.lineno + 1 if documented else 0


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_no_file_imports_its_own_package_face(path: Path) -> None:
    package = module_name(path.parent / "__init__.py")
    if path.name == "__init__.py":
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            modules = {child.stem for child in path.parent.iterdir()}
            assert {alias.name for alias in node.names} <= modules, f"line {node.lineno} imports the face {package}"


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_sql_lives_in_store_and_records_only(path: Path) -> None:
    if path.is_relative_to(PACKAGE / "store") or "records" in (path.stem, path.parent.name):
        return
    for node in ast.walk(parsed(path)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} - PASSED_ON:
            modules = [node.module or ""]
        found = [name for name in modules if name.split(".")[0] in {"sqlalchemy", "alembic"}]
        assert not found, f"imports {found}"


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_exceptions_have_one_root(path: Path) -> None:
    if path == PACKAGE / "base" / "errors.py":
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            assert not bases & {"Exception", "BaseException", "RuntimeError", "ValueError"}, f"{node.name}"


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_public_functions_and_classes_say_what_they_do(path: Path) -> None:
    for node in parsed(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_there_are_no_import_exceptions() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert "ignore_imports" not in text


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements.lowest.lock"])
def test_the_locks_name_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--hash=sha256:" in text


def test_nothing_tracked_is_generated_or_local() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert not [name for name in tracked if name.endswith((".pyc", "uv.lock", "pylock.toml", ".db"))]


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_exemption_says_why(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for mark in ("# noqa", "# type: ignore"):
            if mark in line:
                rest = line.split(mark, 1)[1]
                why = rest.split("]", 1)[-1] if mark.endswith("ignore") else rest.split(" - ", 1)[-1]
                assert len(why.strip(" -#")) > 8, f"line {number}: say why"
