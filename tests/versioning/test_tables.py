from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mainspring.base.errors import InvalidData, NotFound
from mainspring.versioning.tables import read_table, scan_table

ROWS = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "jsonl"])
def test_one_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    {"parquet": ROWS.write_parquet, "csv": ROWS.write_csv}.get(suffix, ROWS.write_ndjson)(path)
    assert read_table(path).equals(ROWS)
    assert read_table(path, columns=["b"]).columns == ["b"]


def test_a_folder_is_one_table_in_order(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    ROWS.write_parquet(tmp_path / "1.parquet")
    ROWS.select("b", pl.col("a").cast(pl.Float64)).write_parquet(tmp_path / "2" / "x.parquet")
    (tmp_path / "_SUCCESS.csv").touch()
    (tmp_path / "notes.md").touch()
    found = read_table(tmp_path)
    assert found["a"].to_list() == [1.0, 2.0, 3.0] * 2
    assert scan_table(tmp_path).collect_schema()["a"] == pl.Float64


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, part: float) -> None:
    for name in ("1.parquet", "2.parquet"):
        pl.DataFrame({"a": range(1000)}).write_parquet(tmp_path / name)
    data = (tmp_path / "2.parquet").read_bytes()
    (tmp_path / "2.parquet").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InvalidData, match=r"2\.parquet cannot be read as parquet") as caught:
        read_table(tmp_path)
    assert "data checkout" in str(caught.value.hint)


def test_damage_inside_is_named(tmp_path: Path) -> None:
    for name in ("1.parquet", "2.parquet"):
        pl.DataFrame({"a": range(100_000)}).write_parquet(tmp_path / name, compression="zstd")
    data = bytearray((tmp_path / "2.parquet").read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    (tmp_path / "2.parquet").write_bytes(data)
    with pytest.raises(InvalidData, match=r"2\.parquet cannot be read"):
        read_table(tmp_path)


def test_other_bad_tables(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_table(tmp_path / "no.parquet")
    with pytest.raises(InvalidData, match="holds no tables"):
        read_table(tmp_path)
    (tmp_path / "0.csv").touch()
    with pytest.raises(InvalidData, match=r"0\.csv is empty"):
        read_table(tmp_path / "0.csv")
    (tmp_path / "x.txt").touch()
    with pytest.raises(InvalidData, match="is no table"):
        read_table(tmp_path / "x.txt")
    ROWS.clear().write_parquet(tmp_path / "none.parquet")
    with pytest.raises(InvalidData, match="has no rows"):
        read_table(tmp_path / "none.parquet")
    with pytest.raises(InvalidData, match="mixes csv and parquet"):
        read_table(tmp_path)
    ROWS.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidData, match="has no column 'z'"):
        read_table(tmp_path / "t.parquet", columns=["z"])


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (ROWS.drop("b"), "'b' is missing"),
        (ROWS.with_columns(c=1), "'c' is new"),
        (ROWS.with_columns(b=pl.lit(1.5)), "'b' is Float64, and String before"),
    ],
)
def test_mixed_schemas_are_named(tmp_path: Path, other: pl.DataFrame, says: str) -> None:
    ROWS.write_parquet(tmp_path / "1.parquet")
    other.write_parquet(tmp_path / "2.parquet")
    with pytest.raises(InvalidData, match=rf"2\.parquet has other columns than 1\.parquet: {says}"):
        read_table(tmp_path)


def test_a_cell_that_breaks_its_column_is_explained(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 20_000 + "oops\n")
    with pytest.raises(InvalidData, match=r"t\.csv cannot be read as csv"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.ndjson").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(InvalidData, match=r"t\.ndjson cannot be read as ndjson"):
        read_table(tmp_path / "t.ndjson")
