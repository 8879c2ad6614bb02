"""From rows to structs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from sqlalchemy import Row

_S = TypeVar("_S", bound=msgspec.Struct)


def as_struct(row: Row[Any], kind: type[_S]) -> _S:
    """Return a row as a struct whose fields have the columns' names; other columns are left out."""
    return msgspec.convert({name: row._mapping[name] for name in kind.__struct_fields__}, kind)
