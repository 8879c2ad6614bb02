"""Tables between the libraries: polars inside, pandas and numpy at the edges. Needs no Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Container = Literal["polars", "pandas", "numpy"]


def to_polars(frame: Any) -> pl.DataFrame:
    """Return a polars frame of a polars or pandas one; what pandas holds as missing becomes null.

    >>> to_polars(pl.LazyFrame({"a": [1]})).shape
    (1, 1)

    Raises:
        InvalidData: neither of them, or a pandas frame with columns whose names are no text.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if type(frame).__module__.partition(".")[0] != "pandas" or not hasattr(frame, "columns"):
        raise InvalidData(f"expected a polars or pandas DataFrame, found {type(frame).__name__}")
    if unnamed := [name for name in frame.columns if not isinstance(name, str)]:
        raise InvalidData(
            f"columns {unnamed[:5]} have names that are no text",
            hint="rename them: frame.columns = [str(name) for name in frame.columns]",
            columns=unnamed,
        )
    return pl.DataFrame([_from_pandas(name, frame[name]) for name in frame.columns])


def _from_pandas(name: str, series: Any) -> pl.Series:
    missing = series.isna().to_numpy()
    kind = str(series.dtype)
    if kind == "category":
        categories = [str(category) for category in series.cat.categories]
        codes = series.cat.codes.to_numpy()
        values: list[Any] = [None if code < 0 else categories[code] for code in codes]
        return pl.Series(name, values, dtype=pl.Enum(categories))
    if kind.startswith("datetime64["):
        utc = series.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(series.dt, "tz", None) is not None else series
        moments = pl.Series(name, utc.to_numpy().astype("datetime64[us]"))
        return moments.dt.replace_time_zone("UTC") if utc is not series else moments
    if kind in ("object", "str", "string") or kind.startswith("string"):
        return pl.Series(name, [None if gone else value for gone, value in zip(missing, series.tolist(), strict=True)])
    if not missing.any():
        array = series.to_numpy()
        return pl.Series(name, array if array.dtype != object else series.tolist())
    if series.dtype.kind == "f":
        return pl.Series(name, series.to_numpy(dtype="float64", na_value=np.nan), nan_to_null=True)
    return pl.Series(name, [None if gone else value for gone, value in zip(missing, series.tolist(), strict=True)])


def to_container(frame: pl.DataFrame, container: Container, categories: Mapping[str, Sequence[str]]) -> Any:
    """Return the rows as the model was trained with them; the columns named in ``categories`` become categorical."""
    if container == "pandas":
        return _to_pandas(frame, categories)
    if container == "numpy":
        return _to_numpy(frame)
    if categories:
        return frame.with_columns(
            pl.col(name).cast(pl.Enum(list(known)), strict=False) for name, known in categories.items()
        )
    return frame


def _to_numpy(frame: pl.DataFrame) -> np.ndarray:
    if all(dtype.is_numeric() or dtype == pl.Boolean for dtype in frame.dtypes):
        return np.ascontiguousarray(frame.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    rows = np.empty(frame.shape, dtype=object)
    for index, column in enumerate(frame.iter_columns()):
        rows[:, index] = column.to_list()
    return rows


def _to_pandas(frame: pl.DataFrame, categories: Mapping[str, Sequence[str]]) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise InvalidData(
            "this model takes pandas frames, and pandas is not installed", hint="pip install pandas"
        ) from None
    text: Any = pd.StringDtype(na_value=np.nan) if int(pd.__version__.split(".")[0]) >= 3 else object
    columns: dict[str, Any] = {}
    for name, column in zip(frame.columns, frame.iter_columns(), strict=True):
        if name in categories:
            columns[name] = pd.Categorical(column.cast(pl.String).to_list(), categories=list(categories[name]))
        elif column.dtype == pl.String:
            columns[name] = pd.Series(column.to_list(), dtype=text)
        elif column.dtype == pl.Date or (column.dtype == pl.Boolean and column.null_count()):
            columns[name] = pd.Series(column.to_list(), dtype=object)
        else:
            columns[name] = column.to_numpy()
    return pd.DataFrame(columns, columns=frame.columns)
