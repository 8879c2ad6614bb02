"""Files and folders as tables: Parquet, CSV and newline-delimited JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from mainspring.base.errors import InvalidData, MainspringError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

Format = Literal["parquet", "csv", "ndjson"]
KINDS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_INFER_ROWS = 10_000


def read_table(path: Path, *, columns: Sequence[str] | None = None, as_format: Format | None = None) -> pl.DataFrame:
    """Return a file, or all the table files below a folder in order of their paths, as one table.

    Raises:
        NotFound: there is nothing at ``path``.
        InvalidData: truncated, unreadable, of differing columns, without rows, or without one of ``columns``; names the file.
    """
    lazy = scan_table(path, as_format=as_format)
    if columns is not None:
        _check_columns(path, lazy, columns)
        lazy = lazy.select(columns)
    try:
        table = lazy.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _culprit(path, as_format, error) from error
    if table.is_empty():
        raise InvalidData(f"{path} has no rows", hint="write the file again, or leave it out", path=str(path))
    return table


def scan_table(path: Path, *, as_format: Format | None = None) -> pl.LazyFrame:
    """Return the same table unread; schemas are read and compared at once, so a bad file is found here.

    Raises:
        NotFound, InvalidData: as ``read_table``, but for rows that only reading them shows to be bad.
    """
    files = table_files(path, as_format=as_format)
    schemas = {file: _schema(file, kind) for file, kind in files}
    frames = [_scan(file, kind) for file, kind in files]
    if len(frames) == 1:
        return frames[0]
    first = files[0][0]
    for file, schema in schemas.items():
        _check_alike(first, schemas[first], file, schema)
    names = list(schemas[first])
    if all(schema == schemas[first] for schema in schemas.values()):
        return pl.concat(frames)
    return pl.concat([frame.select(names) for frame in frames], how="vertical_relaxed")


def table_files(path: Path, *, as_format: Format | None = None) -> list[tuple[Path, Format]]:
    """Return the table files at or below ``path`` with their formats, sorted by path.

    Raises:
        NotFound, InvalidData: nothing there, nothing readable, or several formats in one folder.
    """
    if path.is_file():
        kind = as_format or KINDS.get(path.suffix.lower())
        if kind is None:
            raise InvalidData(
                f"{path} is no table that can be read: '{path.suffix}' is not known",
                hint=f"known suffixes: {', '.join(KINDS)}",
                path=str(path),
            )
        return [(path, kind)]
    if not path.is_dir():
        raise NotFound(f"there is no {path}", hint="check the dataset's path in mainspring.yaml", path=str(path))
    found = [
        (file, KINDS[file.suffix.lower()])
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in KINDS
        and file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    ]
    if not found:
        hint = f"put a table there ({', '.join(KINDS)})"
        raise InvalidData(f"the folder {path} holds no tables", hint=hint, path=str(path))
    if len({kind for _, kind in found}) > 1:
        kinds = sorted({kind for _, kind in found})
        raise InvalidData(
            f"the folder {path} mixes {' and '.join(kinds)}", hint="keep one format in a folder", path=str(path)
        )
    return found


def _scan(file: Path, kind: Format) -> pl.LazyFrame:
    if kind == "parquet":
        return pl.scan_parquet(file, hive_partitioning=False)
    if kind == "csv":
        return pl.scan_csv(file, infer_schema_length=_INFER_ROWS, try_parse_dates=True)
    return pl.scan_ndjson(file, infer_schema_length=_INFER_ROWS)


def _schema(file: Path, kind: Format) -> pl.Schema:
    try:
        if file.stat().st_size == 0:
            raise InvalidData(f"{file} is empty", hint="write the file again, or leave it out", path=str(file))
        return _scan(file, kind).collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(file, kind, error) from error


def _check_alike(first: Path, expected: pl.Schema, file: Path, found: pl.Schema) -> None:
    if missing := [name for name in expected if name not in found]:
        raise _differs(file, first, missing[0], "is missing")
    if extra := [name for name in found if name not in expected]:
        raise _differs(file, first, extra[0], "is new")
    for name, dtype in found.items():
        other = expected[name]
        loose = pl.Null in (dtype, other) or (dtype.is_numeric() and other.is_numeric())
        if dtype != other and not loose:
            raise _differs(file, first, name, f"is {dtype}, and {other} before")


def _differs(file: Path, first: Path, column: str, what: str) -> InvalidData:
    return InvalidData(
        f"{file} has other columns than {first.name}: '{column}' {what}",
        hint="write the files of a folder with the same columns",
        path=str(file),
        column=column,
    )


def _check_columns(path: Path, lazy: pl.LazyFrame, columns: Sequence[str]) -> None:
    known = lazy.collect_schema().names()
    for column in columns:
        if column not in known:
            raise InvalidData(
                f"{path} has no column '{column}'",
                hint=f"it has {', '.join(known[:20])}",
                path=str(path),
                column=column,
            )


def _culprit(path: Path, as_format: Format | None, error: BaseException) -> MainspringError:
    for file, kind in table_files(path, as_format=as_format):
        try:
            _scan(file, kind).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as found:
            return _unreadable(file, kind, found)
    return _unreadable(path, as_format or "parquet", error)


def _unreadable(file: Path, kind: Format, error: BaseException) -> InvalidData:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    hint = {
        "parquet": "the file is truncated or was written badly: write it again, or restore it with "
        "`mainspring data checkout`",
        "csv": "check the separator, the header and that every column keeps one type, or convert it to Parquet",
        "ndjson": "check that every line is one JSON object with the same keys",
    }[kind]
    return InvalidData(f"{file} cannot be read as {kind}: {reason}", hint=hint, path=str(file))
