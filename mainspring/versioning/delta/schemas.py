"""Rows on their way into a Delta table: its types, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDER: dict[pl.DataType, pl.DataType] = {
    pl.UInt8(): pl.Int16(),
    pl.UInt16(): pl.Int32(),
    pl.UInt32(): pl.Int64(),
    pl.UInt64(): pl.Int64(),
    pl.Int128(): pl.Int64(),
}
_SIZES: dict[pl.DataType, int] = {pl.Int8(): 8, pl.Int16(): 16, pl.Int32(): 32, pl.Int64(): 64}


class SchemaMismatch(InvalidData):
    """Rows have other columns than the table they are meant for."""

    code = "schema_mismatch"


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the types that Delta has: no unsigned numbers, categories as text, moments in microseconds.

    Raises:
        InvalidData: a number is too large for a signed one, or a column is of a type that Delta does not have.
    """
    casts: list[pl.Expr] = []
    for name, kind in frame.schema.items():
        wanted = _storable(kind)
        if wanted is None:
            raise InvalidData(
                f"the column '{name}' is {kind}, which a Delta table cannot hold",
                hint="cast it to text or a number, or leave it out",
                column=name,
            )
        if wanted != kind:
            casts.append(pl.col(name).cast(wanted))
    try:
        return frame.with_columns(casts)
    except pl.exceptions.InvalidOperationError as error:
        raise InvalidData(
            f"a number is too large for a Delta table, whose whole numbers are signed: {str(error).splitlines()[0]}",
            hint="cast the column to Float64 or Decimal",
        ) from None


def _storable(kind: pl.DataType) -> pl.DataType | None:
    if kind in (pl.Categorical, pl.Enum):
        return pl.String()
    if isinstance(kind, pl.Datetime):
        return pl.Datetime("us", "UTC" if kind.time_zone else None)
    if kind in (pl.Time, pl.Duration, pl.Object, pl.Null, pl.Unknown):
        return None
    return _WIDER.get(kind, kind)


def fitted(frame: pl.DataFrame, schema: pl.Schema, *, evolve: bool, table: str) -> pl.DataFrame:
    """Return rows with the columns of a table in its order; narrower numbers are widened, nothing is ever narrowed or parsed.

    With ``evolve`` the rows may have more columns, which the table gets, and fewer, which become null.

    Raises:
        SchemaMismatch: a column is missing, new, or of another type; names it, with the type expected and given.

    >>> fitted(pl.DataFrame({"n": ["1"]}), pl.Schema({"n": pl.Int64}), evolve=False, table="data/trips")
    Traceback (most recent call last):
      ...
    mainspring.versioning.delta.schemas.SchemaMismatch: the column 'n' is String, and data/trips has Int64
    """
    nothing = [name for name, kind in frame.schema.items() if kind == pl.Null and name in schema]
    frame = storable(frame.with_columns(pl.col(name).cast(schema[name]) for name in nothing))
    for name, expected in schema.items():
        if name not in frame.columns:
            if not evolve:
                raise _mismatch(f"the column '{name}' is missing, and {table} has {expected}", name, expected, None)
        elif not _fits(frame.schema[name], expected):
            raise _mismatch(
                f"the column '{name}' is {frame.schema[name]}, and {table} has {expected}",
                name,
                expected,
                frame.schema[name],
            )
    new = [name for name in frame.columns if name not in schema]
    if new and not evolve:
        given = frame.schema[new[0]]
        raise _mismatch(f"the column '{new[0]}' is {given}, and {table} has no such column", new[0], None, given)
    held = [pl.col(name).cast(schema[name]) for name in schema if name in frame.columns]
    return frame.select(*held, *new)


def _fits(given: pl.DataType, expected: pl.DataType) -> bool:
    if given == expected or (given == pl.Float32 and expected == pl.Float64):
        return True
    return given in _SIZES and expected in _SIZES and _SIZES[given] < _SIZES[expected]


def _mismatch(said: str, column: str, expected: pl.DataType | None, given: pl.DataType | None) -> SchemaMismatch:
    if expected is None:
        hint = "leave it out, or add it to the table with --evolve"
    elif given is None:
        hint = "add it (null where unknown), or let it be null with --evolve"
    else:
        hint = (
            f"cast it: pl.col({column!r}).cast(pl.{expected}); only an overwrite with --evolve changes a column's type"
        )
    return SchemaMismatch(
        said,
        hint=hint,
        column=column,
        expected=str(expected) if expected is not None else None,
        given=str(given) if given is not None else None,
    )


def check_parts(frame: pl.DataFrame, parts: Sequence[str], *, table: str) -> None:
    """Make sure that a table can be parted by columns, as far as rows tell.

    Raises:
        InvalidData: there is no such column, or a value of it is not kept in the names of parts: an empty text becomes null, a
            decimal below 0 makes the table unreadable.
    """
    for name in parts:
        if name not in frame.columns:
            raise InvalidData(
                f"{table} is parted by '{name}', and the rows have no column '{name}'",
                hint="add it; how a table is parted never changes",
                column=name,
            )
        values = frame[name]
        if values.dtype.is_nested() or values.dtype == pl.Binary:
            raise InvalidData(f"no table can be parted by '{name}', which is {values.dtype}", column=name)
        if values.dtype == pl.String and (values == "").any():
            raise InvalidData(
                f"{table} is parted by '{name}', and an empty text there would become null",
                hint="write null, or another text",
                column=name,
            )
        if isinstance(values.dtype, pl.Decimal) and (values < 0).any():
            raise InvalidData(
                f"{table} is parted by '{name}', and a decimal below 0 there would make it unreadable",
                hint="part it by another column",
                column=name,
            )


def quoted(name: str) -> str:
    """Return a column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def check_keys(frame: pl.DataFrame, keys: Sequence[str], *, what: str) -> None:
    """Make sure that columns identify rows.

    Raises:
        InvalidData: no keys, a key column is not there, a key is null or NaN, or two rows have the same one.
    """
    if not keys:
        raise InvalidData(
            "a merge needs the columns that identify a row",
            hint="name them with --key, or in `key` of the dataset's settings",
        )
    for name in keys:
        if name not in frame.columns:
            raise InvalidData(
                f"{what} has no column '{name}', which is a key",
                hint=f"it has {', '.join(frame.columns[:20])}",
                column=name,
            )
        bad = frame[name].null_count()
        if frame.schema[name].is_float():
            bad += int(frame[name].is_nan().sum())
        if bad:
            raise InvalidData(
                f"{bad} rows of {what} have no value (null or NaN) in the key '{name}'",
                hint="give them a key, or leave them out",
                column=name,
                rows=bad,
            )
    if repeated := int(frame.select(keys).is_duplicated().sum()):
        raise InvalidData(
            f"{repeated} rows of {what} have a key ({', '.join(keys)}) that other rows of it have too",
            hint="keep one row of each key: frame.unique(key, keep='last', maintain_order=True)",
            rows=repeated,
        )
