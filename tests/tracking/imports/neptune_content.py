"""Runs in an interpreter with pyarrow: writes what Neptune's exporter writes, with its schema, in ./exports."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MOMENT = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("project_id", "run_id", "attribute_path", "attribute_type")),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", MOMENT),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", MOMENT),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct([("type", pa.string()), ("edges", pa.list_(pa.float64())), ("values", pa.list_(pa.float64()))]),
        ),
    ]
)
AT = datetime(2025, 5, 1, tzinfo=UTC)


def row(path, kind, **values):
    return {"project_id": "team/wine", "run_id": "WIN-1", "attribute_path": path, "attribute_type": kind} | values


first = [
    row("sys/name", "string", string_value="first"),
    row("sys/creation_time", "datetime", datetime_value=AT),
    row("sys/owner", "string", string_value="ada"),
    row("sys/failed", "bool", bool_value=False),
    row("sys/tags", "string_set", string_set_value=["a", "b"]),
    row("params/lr", "float", float_value=0.1),
    row("params/depth", "int", int_value=3),
    row("params/../lr", "float", float_value=0.2),
    row("sys/../note", "string", string_value="odd"),
    row("files/note", "file", file_value={"path": "team_wine/WIN-1/note.txt"}),
    row("files/away", "file", file_value={"path": "../../secret.txt"}),
    row("plots", "file_series", step=Decimal("2.5"), timestamp=AT, file_value={"path": "team_wine/WIN-1/plot.png"}),
    row("logs", "string_series", step=Decimal(1), timestamp=AT, string_value="started"),
    row(
        "hist",
        "histogram_series",
        step=Decimal(1),
        timestamp=AT,
        histogram_value={"type": "COUNTING", "edges": [0.0, 1.0], "values": [3.0]},
    ),
]
second = [
    row("loss", "float_series", step=Decimal(step) / 2, timestamp=AT, float_value=1 / (step + 1)) for step in range(100)
] + [
    row("loss", "float_series", step=Decimal(90), timestamp=AT, float_value=float("inf")),
    row("/loss", "float_series", step=Decimal(0), timestamp=AT, float_value=1.0),
]
data = Path("exports/data/team_wine")
data.mkdir(parents=True)
for number, rows in enumerate((first, second)):
    pq.write_table(
        pa.Table.from_pylist(rows, schema=SCHEMA), data / f"WIN-1_part_{number}.parquet", compression="snappy"
    )
files = Path("exports/files/team_wine/WIN-1")
files.mkdir(parents=True)
(files / "note.txt").write_text("a note")
(files / "plot.png").write_bytes(b"png")
Path("secret.txt").write_text("secret")
