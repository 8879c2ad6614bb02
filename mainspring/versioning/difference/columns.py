"""Which columns differ, and in which types the others can be compared."""

from __future__ import annotations

from typing import Literal

import msgspec
import polars as pl


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """A column that is new, gone, or of another type; ``comparable`` says whether its values still can be compared."""

    column: str
    change: Literal["added", "removed", "retyped"]
    before: str | None = None
    after: str | None = None
    comparable: bool = False


def compare_schemas(before: pl.Schema, after: pl.Schema) -> tuple[list[SchemaChange], dict[str, pl.DataType]]:
    """Return what changed, and column → the type in which the values of both sides are compared.

    >>> changes, shared = compare_schemas(pl.Schema({"n": pl.Int32, "a": pl.String}), pl.Schema({"n": pl.Int64}))
    >>> [(each.column, each.change, each.comparable) for each in changes], shared
    ([('n', 'retyped', True), ('a', 'removed', False)], {'n': Int64})
    """
    changes: list[SchemaChange] = []
    shared: dict[str, pl.DataType] = {}
    for name, kind in before.items():
        other = after.get(name)
        if other is None:
            changes.append(SchemaChange(column=name, change="removed", before=str(kind)))
            continue
        common = _common(kind, other)
        if common is not None:
            shared[name] = common
        if kind != other:
            said = {"before": str(kind), "after": str(other), "comparable": common is not None}
            changes.append(msgspec.convert({"column": name, "change": "retyped", **said}, SchemaChange))
    new = [name for name in after if name not in before]
    changes += [SchemaChange(column=name, change="added", after=str(after[name])) for name in new]
    return changes, shared


def _common(kind: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    texts = (pl.String, pl.Categorical, pl.Enum)
    if kind in texts and other in texts:
        return pl.String()
    if kind == other:
        return kind
    if pl.Null in (kind, other):
        return other if kind == pl.Null else kind
    alike = (kind.is_numeric() and other.is_numeric()) or (
        isinstance(kind, pl.Datetime) and isinstance(other, pl.Datetime) and kind.time_zone == other.time_zone
    )
    if not alike:
        return None
    joined = pl.concat([pl.DataFrame(schema={"x": kind}), pl.DataFrame(schema={"x": other})], how="vertical_relaxed")
    return joined.schema["x"]
