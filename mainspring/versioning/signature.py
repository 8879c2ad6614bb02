"""What a model takes and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.versioning.frames import Container

DType = Literal["int64", "float64", "string", "boolean", "datetime", "date"]
Task = Literal["binary", "multiclass", "regression"]
Label = str | int | float | bool

POLARS: dict[DType, pl.DataType] = {
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "string": pl.String(),
    "boolean": pl.Boolean(),
    "datetime": pl.Datetime("us"),
    "date": pl.Date(),
}
"""The polars type that a conformed column has."""
_EXACT = 2**53


class ColumnType(msgspec.Struct, frozen=True, omit_defaults=True):
    """A column: its name, its type, whether it may be null, and of a categorical one the categories in order."""

    name: str
    dtype: DType
    nullable: bool
    categories: list[str] | None = None


class Target(msgspec.Struct, frozen=True):
    """What is predicted; ``classes`` are in the model's order, and None for a regression."""

    name: str
    task: Task
    classes: list[Label] | None


class Signature(msgspec.Struct, frozen=True):
    """The inputs of a model in order, its target, and what kind of table it was trained with."""

    inputs: list[ColumnType]
    target: Target
    container: Container

    @property
    def features(self) -> list[str]:
        """Names of the inputs, in order."""
        return [column.name for column in self.inputs]

    @property
    def categories(self) -> dict[str, list[str]]:
        """Categories of the categorical inputs."""
        return {column.name: column.categories for column in self.inputs if column.categories is not None}

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return exactly the inputs, in order and in their types; only casts that lose nothing are made.

        Integers become floats, whole floats integers, ISO 8601 text moments and dates; moments with a zone become UTC.

        Raises:
            InvalidData: a column is missing, unknown, of another type, or null where it may not be; names it.
        """
        self._check_names(frame.columns)
        columns = [_conform(frame.get_column(column.name), column) for column in self.inputs]
        return pl.DataFrame(columns) if columns else frame.select()

    def _check_names(self, found: list[str]) -> None:
        wanted = self.features
        if found == wanted:
            return
        known, given = set(wanted), set(found)
        if missing := [name for name in wanted if name not in given]:
            hint = did_you_mean(missing[0], given - known)
            raise InvalidData(
                f"input is missing column{_s(missing)} {_quoted(missing)}",
                hint=f"found '{_close(hint)}' instead: rename it" if hint else f"send {len(wanted)} columns",
                column=missing[0],
                missing=missing,
                expected=wanted,
                found=found,
            )
        if unknown := [name for name in found if name not in known]:
            raise InvalidData(
                f"input has unknown column{_s(unknown)} {_quoted(unknown)}",
                hint="leave out what the model was not trained with",
                column=unknown[0],
                unknown=unknown,
                expected=wanted,
                found=found,
            )

    def encode(self, labels: pl.Series | Sequence[Any]) -> np.ndarray:
        """Return target values as float64: the class's index, or the value of a regression; null becomes NaN.

        Raises:
            InvalidData: a value that is none of the classes, or no number.
        """
        values = labels if isinstance(labels, pl.Series) else list(labels)
        if self.target.classes is None:
            return self._values(values)
        index = {label: number for number, label in enumerate(self.target.classes)}
        if isinstance(values, pl.Series):
            found = values.unique().to_list()
            codes = {value: self._index(index, value) for value in found}
            encoded = np.fromiter((codes[value] for value in values.to_list()), np.float64, len(values))
        else:
            encoded = np.fromiter((self._index(index, value) for value in values), np.float64, len(values))
        return encoded

    def _index(self, index: dict[Any, int], value: Any) -> float:
        if value is None or (isinstance(value, float) and value != value):
            return np.nan
        try:
            return float(index[value])
        except (KeyError, TypeError):
            shown = ", ".join(repr(label) for label in list(index)[:10])
            raise InvalidData(
                f"{value!r} is no class of '{self.target.name}'",
                hint=f"the classes are {shown}",
                column=self.target.name,
                found=value,
            ) from None

    def _values(self, values: pl.Series | list[Any]) -> np.ndarray:
        name = self.target.name
        try:
            series = values if isinstance(values, pl.Series) else pl.Series(name, values, strict=True)
        except TypeError:
            raise InvalidData(f"'{name}' holds values that are no numbers", column=name) from None
        if not (series.dtype.is_numeric() or series.dtype in (pl.Null, pl.Boolean)):
            raise InvalidData(f"'{name}' is {_described(series.dtype)}, expected numbers", column=name)
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)

    def decode(self, encoded: np.ndarray) -> list[Label]:
        """Return what encoded labels mean: class values, or the numbers of a regression."""
        if self.target.classes is None:
            values: list[Label] = encoded.tolist()
            return values
        return [self.target.classes[int(index)] for index in encoded]


def infer_signature(
    frame: pl.DataFrame,
    features: Sequence[str],
    target: str,
    task: Task | None = None,
    container: Container = "polars",
    classes: Sequence[Any] | None = None,
) -> Signature:
    """Return the signature that rows have.

    A column may be null if it is somewhere in ``frame``. Without a task, two distinct values or given classes make a
    classification; text and booleans too; everything else is a regression.

    >>> frame = pl.DataFrame({"x": [1.5, None], "y": [False, True]})
    >>> infer_signature(frame, ["x"], "y").target
    Target(name='y', task='binary', classes=[False, True])
    """
    inputs = [column_type(frame.get_column(name)) for name in features]
    truth = frame.get_column(target) if target in frame.columns else None
    return Signature(inputs=inputs, target=_target(target, truth, task, classes), container=container)


def column_type(column: pl.Series) -> ColumnType:
    """Return the type of a column.

    Raises:
        InvalidData: a type that models do not take (lists, structs, bytes), or nothing but nulls of no type.
    """
    dtype = _dtype(column.dtype)
    if dtype is None:
        raise InvalidData(
            f"column '{column.name}' is {_described(column.dtype)}, which a model cannot take",
            hint="turn it into numbers, text, booleans, dates or moments, or leave it out of the features",
            column=column.name,
        )
    empty = column.null_count() > 0 or (column.dtype.is_float() and bool(column.is_nan().any()))
    categories = column.dtype.categories.to_list() if isinstance(column.dtype, pl.Enum) else None
    if column.dtype == pl.Categorical:
        categories = column.drop_nulls().cast(pl.String).unique().sort().to_list()
    return ColumnType(column.name, dtype, empty, categories)


def _dtype(dtype: pl.DataType) -> DType | None:
    if dtype.is_integer():
        return "int64"
    if dtype.is_float() or dtype.is_decimal():
        return "float64"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "string"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Datetime:
        return "datetime"
    return "date" if dtype == pl.Date else None


def _target(name: str, truth: pl.Series | None, task: Task | None, classes: Sequence[Any] | None) -> Target:
    if truth is not None and truth.dtype == pl.Boolean and task != "regression":
        return Target(name, "binary", [False, True])
    found = sorted_values(truth) if truth is not None and task != "regression" and classes is None else []
    if task is None:
        discrete = truth is not None and truth.dtype in (pl.Boolean, pl.String, pl.Categorical, pl.Enum)
        if classes is not None or discrete or len(found) == 2:
            task = "binary" if len(classes if classes is not None else found) == 2 else "multiclass"
        else:
            task = "regression"
    if task == "regression":
        return Target(name, task, None)
    labels: list[Label] = list(classes) if classes is not None else found
    if truth is not None and truth.dtype.is_integer():
        labels = [int(label) if isinstance(label, float) and label.is_integer() else label for label in labels]
    if task == "binary" and len(labels) != 2:
        raise InvalidData(
            f"the target '{name}' has {len(labels)} classes, a binary task has 2",
            hint="say task='multiclass', or give a target with two classes",
            column=name,
        )
    return Target(name, task, labels)


def sorted_values(column: pl.Series) -> list[Label]:
    """Return the distinct values of a column, sorted, without nulls."""
    plain = column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column
    values: list[Label] = plain.drop_nulls().unique().sort().to_list()
    return values


def _conform(column: pl.Series, wanted: ColumnType) -> pl.Series:
    cast = _cast(column, wanted)
    empty = cast.null_count()
    if empty == 0 and cast.dtype == pl.Float64 and not wanted.nullable:
        empty = int(np.isnan(cast.to_numpy()).sum())
    if empty and not wanted.nullable:
        raise InvalidData(
            f"column '{wanted.name}' is null in {empty} of {len(cast)} rows, and it was never null in training",
            hint="send a value, or train with rows in which it is missing",
            column=wanted.name,
            expected=f"{wanted.dtype}, never null",
            found="null",
        )
    return cast


def _cast(column: pl.Series, wanted: ColumnType) -> pl.Series:
    dtype, target = column.dtype, POLARS[wanted.dtype]
    if dtype == target:
        return column
    if dtype == pl.Null:
        return column.cast(target)
    kind = _dtype(dtype)
    if wanted.dtype == "float64" and kind in ("int64", "float64"):
        return column.cast(target)
    if wanted.dtype == "int64" and kind == "int64":
        largest = column.max()
        if dtype == pl.UInt64 and isinstance(largest, int) and largest > 2**63 - 1:
            raise _mismatch(column, wanted, "a number beyond 64 bits")
        return column.cast(target)
    if wanted.dtype == "int64" and kind == "float64":
        return _whole(column, wanted)
    if wanted.dtype == "string" and kind == "string":
        return column.cast(target)
    if wanted.dtype == "datetime" and kind in ("datetime", "date"):
        zone = getattr(dtype, "time_zone", None)
        return (column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else column).cast(target)
    if wanted.dtype in ("datetime", "date") and dtype == pl.String:
        return _parsed(column, wanted)
    raise _mismatch(column, wanted, _described(dtype))


def _whole(column: pl.Series, wanted: ColumnType) -> pl.Series:
    numbers = column.cast(pl.Float64).fill_nan(None)
    given = numbers.drop_nulls()
    if len(given) and not bool(((given == given.floor()) & (given.abs() <= _EXACT)).all()):
        odd = given.filter((given != given.floor()) | (given.abs() > _EXACT))
        raise _mismatch(column, wanted, f"the number {odd[0]}")
    return numbers.cast(pl.Int64)


def _parsed(column: pl.Series, wanted: ColumnType) -> pl.Series:
    try:
        if wanted.dtype == "date":
            return column.str.to_date("%Y-%m-%d")
        moments = column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
        return moments.dt.replace_time_zone(None)
    except pl.exceptions.PolarsError:
        given = column.drop_nulls()
        example = f"the text '{given[0]}'" if len(given) else "text"
        raise _mismatch(column, wanted, example) from None


def _mismatch(column: pl.Series, wanted: ColumnType, found: str) -> InvalidData:
    hint = "write moments in ISO 8601, like 2026-01-31T12:00:00Z" if wanted.dtype in ("datetime", "date") else None
    return InvalidData(
        f"column '{column.name}': expected {wanted.dtype}, found {found}",
        hint=hint or "send the type that the model was trained with",
        column=column.name,
        expected=wanted.dtype,
        found=found,
    )


def _described(dtype: pl.DataType) -> str:
    return _dtype(dtype) or str(dtype).lower()


def _quoted(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _s(names: list[str]) -> str:
    return "s" if len(names) > 1 else ""


def _close(question: str) -> str:
    return question.split("'")[1]
