"""What a function's answer depends on in code: itself, and whatever project code it reaches.

Code is compared as compiled instructions, so comments, docstrings and formatting do not count, and a function typed
into a notebook is as good as one in a file. Project code is followed wherever it leads: helpers, classes, constants,
default arguments, nonlocals, lambdas, decorators, ``module.attribute``, imports inside functions. Code outside of the
project counts by its name alone; the environment's key stands for the rest.
"""

from __future__ import annotations

import builtins
import dis
import enum
import functools
import importlib
import importlib.util
import inspect
import os
import sys
import types
from dataclasses import MISSING
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.automation.values import Unhashable, hash_value, name_of
from mainspring.base.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

_known: dict[tuple[int, Path], tuple[object, str]] = {}
_SILENT = {"__doc__", "__firstlineno__", "__static_attributes__"}
_GENERATED = _SILENT | {
    "__module__", "__qualname__", "__dict__", "__weakref__", "__slots__", "__hash__", "__match_args__", "__orig_bases__",
    "__dataclass_params__", "__abstractmethods__", "_abc_impl", "__parameters__", "__annotate__", "__annotate_func__",
    "__annotations_cache__", "__struct_config__", "__struct_encode_fields__",
}  # fmt: skip
_WITHOUT_CONTENT = {"logging", "threading", "_thread", "contextvars", "io", "_io", "rich"}
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_STANDARD = str(Path(os.__file__).parent) + os.sep
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}


def code_hash(thing: Any, root: Path) -> str:
    """Return a digest of a function, class or module and of all project code below ``root`` that it reaches.

    Computed once a process for each object; nothing is called. Project modules that a function imports when it runs are
    imported here already.

    >>> def f(x):
    ...     return x + 1
    >>> def g(x):
    ...     '''Says more, does the same.'''
    ...     return x + 1  # really
    >>> g.__qualname__ = f.__qualname__
    >>> code_hash(f, Path.cwd()) == code_hash(g, Path.cwd())
    True
    """
    place = (id(thing), root)
    if place not in _known:
        _known[place] = (thing, _Walk(root).walk(thing))
    return _known[place][1]


def is_project_file(file: str, root: Path) -> bool:
    """Say whether a source file belongs to the project and not to its environment."""
    return _is_project_file(file, root)


@functools.lru_cache(maxsize=4096)
def _is_project_file(file: str, root: Path) -> bool:
    if file.startswith("<"):
        return file.startswith(("<ipython", "<stdin", "<doctest"))
    if file.startswith(_STANDARD) or "site-packages" in file:
        return False
    path = Path(file).resolve()
    if "ipykernel" in path.parent.name:
        return True
    if not path.is_relative_to(root) or {"site-packages", "dist-packages", ".mainspring"} & set(path.parts):
        return False
    prefix = Path(sys.prefix).resolve()
    return not (prefix.is_relative_to(root) and prefix != root and path.is_relative_to(prefix))


class _Walk:
    """One traversal; ``entries`` says of every thing met what it is made of, by tokens that do not recurse."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: set[str] = set()
        self.seen: dict[int, str] = {}
        self.held: list[object] = []
        self.waiting: list[Any] = []

    def walk(self, thing: Any) -> str:
        start = self.token(thing)
        while self.waiting:
            item = self.waiting.pop()
            self.entries.add(digest([self.seen[id(item)], self._parts(item)]))
        return digest([start, sorted(self.entries)])

    def token(self, thing: Any) -> str:
        """Return a short name for a thing; project code is put on the list of what is still to be read."""
        if id(thing) in self.seen:
            return self.seen[id(thing)]
        thing = _inner(thing)
        if id(thing) in self.seen:
            return self.seen[id(thing)]
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        if isinstance(thing, types.MethodType):
            return f"method {self.token(thing.__func__)} of {self.token(thing.__self__)}"
        if isinstance(thing, functools.partial):
            return f"partial {self.token(thing.func)} {self._value((thing.args, thing.keywords))}"
        if isinstance(thing, staticmethod | classmethod | functools.cached_property):
            return (
                f"{type(thing).__name__} {self.token(getattr(thing, '__func__', None) or getattr(thing, 'func', None))}"
            )
        if isinstance(thing, property):
            return f"property {[self.token(part) for part in (thing.fget, thing.fset, thing.fdel) if part]}"
        if isinstance(thing, type):
            return self._later(thing, f"class {name_of(thing)}") if self._ours(thing) else f"outside {name_of(thing)}"
        if isinstance(thing, types.ModuleType):
            name = thing.__name__
            return self._later(thing, f"module {name}") if self._ours(thing) else f"outside {name}"
        if isinstance(thing, types.BuiltinFunctionType):
            return f"outside {name_of(thing)}"
        return self._value(thing)

    def _function(self, function: types.FunctionType) -> str:
        ours = is_project_file(function.__code__.co_filename, self.root) or function.__module__ == "__main__"
        if ours and not _is_platform(function.__module__):
            return self._later(function, f"function {name_of(function)} {digest(_normal(function.__code__))}")
        wrapped = getattr(function, "__wrapped__", None)
        return f"outside {name_of(function)}" + (f" around {self.token(wrapped)}" if wrapped is not None else "")

    def _later(self, thing: Any, token: str) -> str:
        self.seen[id(thing)] = token
        self.held.append(thing)
        self.waiting.append(thing)
        return token

    def _value(self, value: Any) -> str:
        kind = type(value)
        if kind.__module__.partition(".")[0] in _WITHOUT_CONTENT:
            return f"a {name_of(kind)}"
        try:
            return f"value {hash_value(value, self.token, self._place)}"
        except Unhashable:
            return f"a {self.token(kind)}"

    def _place(self, path: Path) -> str:
        """A path written into code counts by where it leads: what lies there is an input, and inputs are arguments."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def _ours(self, thing: Any) -> bool:
        module = thing if isinstance(thing, types.ModuleType) else sys.modules.get(getattr(thing, "__module__", ""))
        if module is None or _is_platform(module.__name__):
            return False
        return module.__name__ == "__main__" or is_project_file(
            getattr(module, "__file__", None) or "<none>", self.root
        )

    def _parts(self, thing: Any) -> list[Any]:
        if isinstance(thing, types.FunctionType):
            return list(self._function_parts(thing))
        if isinstance(thing, types.ModuleType):
            return [
                [name, self.token(value)] for name, value in sorted(vars(thing).items()) if not name.startswith("__")
            ]
        return list(self._class_parts(thing))

    def _function_parts(self, function: types.FunctionType) -> Iterator[list[str]]:
        for number, default in enumerate(function.__defaults__ or ()):
            yield [f"default {number}", self.token(default)]
        for name, default in sorted((function.__kwdefaults__ or {}).items()):
            yield [f"default {name}", self.token(default)]
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        for code in _codes(function.__code__):
            for name, path in _references(code):
                yield [".".join([name, *path]), self._resolve(name, path, cells, function.__globals__)]
            for name, level, wanted in _imports(code):
                yield [f"import {level} {name} {wanted}", self._import(name, level, wanted, function.__globals__)]

    def _resolve(self, name: str, path: list[str], cells: dict[str, Any], names: dict[str, Any]) -> str:
        if name in cells:
            try:
                held = cells[name].cell_contents
            except ValueError:
                return "empty"
        elif name in names:
            held = names[name]
        else:
            return "builtin" if hasattr(builtins, name) else "local or unbound"
        for attribute in path:
            if not isinstance(held, types.ModuleType):
                break
            if not self._ours(held):
                return f"outside {held.__name__}.{'.'.join(path)}"
            held = getattr(held, attribute, None)
        return self.token(held)

    def _import(self, name: str, level: int, wanted: tuple[str, ...], names: dict[str, Any]) -> str:
        full = importlib.util.resolve_name("." * level + name, names.get("__package__") or "") if level else name
        module = sys.modules.get(full) or self._load(full)
        if module is None or not self._ours(module):
            return f"outside {full}"
        if not wanted:
            return self.token(module)
        found = [getattr(module, item, None) or self._load(f"{full}.{item}") for item in wanted]
        return str([self.token(item) for item in found])

    def _load(self, name: str) -> types.ModuleType | None:
        place = self.root.joinpath(*name.split("."))
        if not place.with_suffix(".py").is_file() and not place.is_dir():
            return None
        try:
            return importlib.import_module(name)
        except ImportError:
            return None

    def _class_parts(self, kind: type) -> Iterator[list[str]]:
        yield ["bases", str([self.token(base) for base in kind.__bases__])]
        yield ["annotations", str(inspect.get_annotations(kind))]
        if issubclass(kind, enum.Enum):
            yield ["members", self._value({name: member.value for name, member in kind.__members__.items()})]
        for name, field in getattr(kind, "__dataclass_fields__", {}).items():
            for default in (field.default, field.default_factory):
                if default is not MISSING:
                    yield [f"field {name}", self.token(default)]
        for name, value in sorted(vars(kind).items()):
            generated = name in _GENERATED or name in {"__annotations__", "__dataclass_fields__"}
            if not generated and not (issubclass(kind, enum.Enum) and not isinstance(value, types.FunctionType)):
                yield [name, self.token(value)]


def _is_platform(module: str | None) -> bool:
    return (module or "").partition(".")[0] == "mainspring"


def _inner(thing: Any) -> Any:
    """Look through the platform's own wrappers, and through caches such as ``functools.cache``."""
    while not isinstance(thing, types.FunctionType | type) and callable(getattr(thing, "__wrapped__", None)):
        thing = thing.__wrapped__
    return thing


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _normal(code: types.CodeType) -> list[Any]:
    """Return the instructions of a code object without positions, docstrings and the numbering of constants."""
    steps: list[Any] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"STORE_NAME", "STORE_ATTR"} and instruction.argval in _SILENT:
            steps.pop()
        elif instruction.opname not in {"CACHE", "EXTENDED_ARG", "NOP"}:
            steps.append([instruction.opname, _constant(instruction.argval)])
    arguments = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x3FF]
    return [arguments, list(code.co_varnames[: sum(arguments[:3]) + 2]), code.co_exceptiontable.hex(), steps]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _normal(value)
    if isinstance(value, frozenset):
        return ["frozenset", sorted(repr(item) for item in value)]
    if isinstance(value, tuple):
        return ["tuple", *(_constant(item) for item in value)]
    return [type(value).__name__, repr(value)]


def _references(code: types.CodeType) -> Iterator[tuple[str, list[str]]]:
    """Give the outer names that a code object reads, each with the attributes that directly follow."""
    name: str | None = None
    path: list[str] = []
    for instruction in dis.get_instructions(code):
        if name is not None and instruction.opname in _ATTRIBUTES:
            path.append(instruction.argval)
            continue
        if instruction.opname == "CACHE":
            continue
        if name is not None:
            yield name, path
        name, path = (instruction.argval, []) if instruction.opname in _LOADS else (None, [])
    if name is not None:
        yield name, path


def _imports(code: types.CodeType) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    before: list[dis.Instruction] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, wanted = (item.argval for item in before[-2:])
            yield instruction.argval, level if isinstance(level, int) else 0, tuple(wanted or ())
        if instruction.opname not in {"CACHE", "EXTENDED_ARG"}:
            before.append(instruction)
