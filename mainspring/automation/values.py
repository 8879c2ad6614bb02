"""What a value is, as a hash: equal content gives the same digest in every process, different content another one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import hashlib
import types
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import UsageError
from mainspring.base.hashing import md5_file
from mainspring.store.objects import walk
from mainspring.versioning.data import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Code = Callable[[Any], str]

_PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None), type(Ellipsis))
_SPOKEN = (dt.date, dt.time, dt.timedelta, dt.tzinfo, decimal.Decimal, uuid.UUID, range, slice)
_CODE = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.ModuleType,
    functools.partial,
    type,
    np.ufunc,
)


class Unhashable(UsageError):
    """A value whose content cannot be told apart from another's: an open file, a connection, a generator."""

    code = "unhashable"


def name_of(thing: Any) -> str:
    """Return the dotted name of a function, class or module.

    >>> name_of(dict), name_of(dt.timedelta.total_seconds)
    ('builtins.dict', 'timedelta.total_seconds')
    """
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__qualname__
    module = getattr(thing, "__module__", None)
    return f"{module}.{name}" if module else str(name)


def hash_value(value: Any, code: Code = name_of, path: Callable[[Path], str] | None = None) -> str:
    """Return 40 hexadecimal digits that stand for the content of ``value``.

    Tables count by schema and rows, arrays by type, shape and bytes, a ``Path`` by its name and the content of what it
    names, a ``Dataset`` by its version, objects by their class and fields. ``code`` gives the digest of functions and
    classes that are met on the way, ``path`` what a path counts by instead.

    Raises:
        Unhashable: the content cannot be read.

    >>> hash_value({"a": [1, 2.0]}) == hash_value({"a": [1, 2.0]})
    True
    >>> hash_value(1) == hash_value(1.0)
    False
    """
    return _Hashing(code, path or path_content).digest(value).hex()


class _Hashing:
    def __init__(self, code: Code, path: Callable[[Path], str]) -> None:
        self.code = code
        self.path = path
        self.open: set[int] = set()

    def digest(self, value: Any) -> bytes:
        if isinstance(value, _PLAIN) and not isinstance(value, enum.Enum):
            return _sum(type(value).__name__, repr(value))
        if isinstance(value, enum.Enum):
            return _sum("enum", name_of(type(value)), value.name)
        if isinstance(value, _SPOKEN):
            return _sum(type(value).__name__, repr(value), str(getattr(value, "fold", "")))
        if isinstance(value, _CODE):
            return _sum("code", self.code(value))
        if id(value) in self.open:
            return _sum("itself")
        self.open.add(id(value))
        try:
            return self._composite(value)
        finally:
            self.open.discard(id(value))

    def _composite(self, value: Any) -> bytes:
        if isinstance(value, dict):
            return self._many(name_of(type(value)), (part for item in value.items() for part in item))
        if isinstance(value, list | tuple):
            return self._many(name_of(type(value)), value)
        if isinstance(value, set | frozenset):
            return _sum(type(value).__name__, *sorted(self.digest(item) for item in value))
        if isinstance(value, pl.DataFrame | pl.Series):
            return _sum(type(value).__name__, _frame(value if isinstance(value, pl.DataFrame) else value.to_frame()))
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value))
        if isinstance(value, Path):
            return _sum("path", self.path(value))
        if isinstance(value, Dataset):
            return _sum("dataset", value.name, value.version.md5)
        return self._object(value)

    def _many(self, kind: str, items: Iterable[Any]) -> bytes:
        return _sum(kind, *(self.digest(item) for item in items))

    def _array(self, array: np.ndarray[Any, Any]) -> bytes:
        head = ("array", repr(array.dtype.descr if array.dtype.names else array.dtype.str), str(array.shape))
        if array.dtype.hasobject:
            return self._many("".join(head), array.ravel().tolist())
        return _sum(*head, np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")

    def _object(self, value: Any) -> bytes:
        kind = type(value)
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):
            return _sum("code", self.code(wrapped))
        if isinstance(value, msgspec.Struct):
            return self._fields(kind, value.__struct_fields__, value)
        if dataclasses.is_dataclass(value):
            return self._fields(kind, [field.name for field in dataclasses.fields(value)], value)
        if kind.__module__.partition(".")[0] == "pandas" and hasattr(
            value, "to_frame" if value.ndim == 1 else "columns"
        ):
            return self._pandas(value)
        if isinstance(value, pl.LazyFrame):
            raise Unhashable("a lazy frame has no content yet", hint="pass `.collect()` of it")
        return _sum("object", self.code(kind), _pickled(value))

    def _fields(self, kind: type, names: Iterable[str], value: Any) -> bytes:
        return _sum(self.code(kind), *(part for name in names for part in (name, self.digest(getattr(value, name)))))

    def _pandas(self, value: Any) -> bytes:
        import pandas as pd

        try:
            rows = pd.util.hash_pandas_object(value, index=True).to_numpy()
        except TypeError:
            return _sum("pandas", _pickled(value))
        names = list(value.columns) if value.ndim == 2 else [value.name]
        kinds = [str(kind) for kind in (value.dtypes if value.ndim == 2 else [value.dtype])]
        return self._many("pandas", [type(value).__name__, names, kinds, value.index.names, rows])


def path_content(path: Path) -> str:
    """Return a text that changes with the name of a file or folder and with what it holds; not with where it lies.

    A path that does not exist yet counts by its name.
    """
    if path.is_dir():
        listing = sorted((name, md5_file(file)) for name, file in walk(path).items())
        return f"{path.name} {listing}"
    return f"{path.name} {md5_file(path) if path.is_file() else 'is not there'}"


def _frame(frame: pl.DataFrame) -> bytes:
    """Hash rows, not buffers: buffers differ between equal tables that were made in different ways."""
    schema = repr(list(frame.schema.items()))
    if any(dtype.base_type() is pl.Object for dtype in frame.dtypes):
        return _sum(schema, _pickled([column.to_list() for column in frame]))
    plain = frame.with_columns(
        pl.col(name).cast(pl.String) for name, dtype in frame.schema.items() if dtype.base_type() is pl.Categorical
    )
    if not plain.width or not plain.height:
        return _sum(schema, str(plain.height))
    return _sum(schema, str(plain.height), plain.hash_rows().to_numpy().data)


def _pickled(value: Any) -> str:
    try:
        return str(joblib.hash(value))
    except Exception as error:
        hint = "pass what it is made from instead (a path, a setting), or use `@step(cache=False)`"
        raise Unhashable(
            f"a value of type {name_of(type(value))} has no content to hash: {error}", hint=hint
        ) from error


def _sum(*parts: str | bytes | memoryview) -> bytes:
    hasher = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()
