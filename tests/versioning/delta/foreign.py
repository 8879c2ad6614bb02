"""Tables as other engines write them, made by hand from the Delta protocol: what ``deltalake`` itself cannot write.

Data files are Parquet by polars; logs are JSON lines. https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
import struct
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from deltalake import DeltaTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BASE85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_TYPES = {
    pl.Int64: "long",
    pl.Int32: "integer",
    pl.Int8: "byte",
    pl.Float64: "double",
    pl.String: "string",
    pl.Boolean: "boolean",
    pl.Date: "date",
}


class Foreign:
    """A table that is written commit by commit."""

    def __init__(
        self,
        folder: Path,
        schema: Mapping[str, Any],
        *,
        partition_by: Sequence[str] = (),
        configuration: Mapping[str, str] | None = None,
        reader: Sequence[str] | int = 1,
        writer: Sequence[str] | int = 2,
        fields: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Commit version 0, without rows. ``reader`` and ``writer`` are old versions of the protocol, or lists of features.

        ``fields`` is metadata of columns.
        """
        self.folder = folder
        self.at = 1_700_000_000_000
        self.version = -1
        (folder / "_delta_log").mkdir(parents=True)
        kinds = [
            {"name": name, "type": _type(kind), "nullable": True, "metadata": dict((fields or {}).get(name, {}))}
            for name, kind in schema.items()
        ]
        protocol: dict[str, Any] = {
            "minReaderVersion": reader if isinstance(reader, int) else 3,
            "minWriterVersion": writer if isinstance(writer, int) else 7,
        }
        if not isinstance(reader, int):
            protocol["readerFeatures"] = list(reader)
        if not isinstance(writer, int):
            protocol["writerFeatures"] = list(writer)
        self.protocol = {"protocol": protocol}
        self.metadata = {
            "metaData": {
                "id": str(uuid.uuid4()),
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": kinds}),
                "partitionColumns": list(partition_by),
                "configuration": dict(configuration or {}),
                "createdTime": self.at,
            }
        }
        self.commit(self.protocol, self.metadata, operation="CREATE TABLE")

    def commit(self, *actions: Mapping[str, Any], operation: str = "WRITE") -> int:
        """Commit actions as they are given, and return the version."""
        self.version += 1
        self.at += 1000
        info = {"commitInfo": {"timestamp": self.at, "operation": operation, "engineInfo": "Apache-Spark/3.5"}}
        lines = [json.dumps(action) for action in (info, *actions)]
        (self.folder / "_delta_log" / f"{self.version:020}.json").write_text("\n".join(lines) + "\n")
        return self.version

    def add(
        self, frame: pl.DataFrame, name: str, *, parts: Mapping[str, str | None] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Write a data file, and return the action that adds it; statistics are its number of rows."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(file)
        action: dict[str, Any] = {
            "path": more.pop("path", name),
            "partitionValues": dict(parts or {}),
            "size": file.stat().st_size,
            "modificationTime": self.at,
            "dataChange": True,
            "stats": json.dumps({"numRecords": frame.height}),
        }
        return {"add": action | more}

    def remove(self, added: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Return the action that removes what was added."""
        known = added["add"]
        action = {key: known[key] for key in ("path", "partitionValues", "size", "deletionVector") if key in known}
        return {
            "remove": action | {"deletionTimestamp": self.at, "dataChange": True, "extendedFileMetadata": True} | more
        }

    def checkpoint_in_parts(self, *adds: dict[str, Any]) -> None:
        """Make a checkpoint of the newest version in as many parts as files, and clean up the commits before it."""
        log = self.folder / "_delta_log"
        for part, add in enumerate(adds, 1):
            with tempfile.TemporaryDirectory() as name:
                other = Path(name) / "_delta_log"
                other.mkdir()
                (other / f"{0:020}.json").write_text("\n".join(map(json.dumps, (self.protocol, self.metadata, add))))
                DeltaTable(name).create_checkpoint()
                place = log / f"{self.version:020}.checkpoint.{part:010}.{len(adds):010}.parquet"
                place.write_bytes((other / f"{0:020}.checkpoint.parquet").read_bytes())
        (log / "_last_checkpoint").write_text(json.dumps({"version": self.version, "size": 9, "parts": len(adds)}))
        self._clean_up()

    def checkpoint_v2(self, *adds: dict[str, Any]) -> None:
        """Make a checkpoint of the newest version in the second format, as JSON, and clean up the commits before it."""
        log = self.folder / "_delta_log"
        actions = ({"checkpointMetadata": {"version": self.version}}, self.protocol, self.metadata, *adds)
        (log / f"{self.version:020}.checkpoint.{uuid.uuid4()}.json").write_text("\n".join(map(json.dumps, actions)))
        (log / "_last_checkpoint").write_text(json.dumps({"version": self.version, "size": len(actions)}))
        self._clean_up()

    def _clean_up(self) -> None:
        for version in range(self.version):
            (self.folder / "_delta_log" / f"{version:020}.json").unlink()

    def without(self, added: Mapping[str, Any], rows: Sequence[int], *, inline: bool = True) -> list[dict[str, Any]]:
        """Return the actions that delete rows, by their places, of a file beside it: with a deletion vector."""
        bits = _bitmap(rows)
        if inline:
            vector = {
                "storageType": "i",
                "pathOrInlineDv": _z85(bits),
                "sizeInBytes": len(bits),
                "cardinality": len(rows),
            }
        else:
            name = uuid.uuid4()
            stored = b"\x01" + struct.pack(">i", len(bits)) + bits + struct.pack(">I", zlib.crc32(bits))
            (self.folder / f"deletion_vector_{name}.bin").write_bytes(stored)
            vector = {"storageType": "u", "pathOrInlineDv": _z85(name.bytes), "offset": 1}
            vector |= {"sizeInBytes": len(bits), "cardinality": len(rows)}
        return [self.remove(added), {"add": added["add"] | {"deletionVector": vector}}]


def _type(kind: Any) -> Any:
    if isinstance(kind, pl.Datetime):
        return "timestamp" if kind.time_zone else "timestamp_ntz"
    if isinstance(kind, pl.Decimal):
        return f"decimal({kind.precision},{kind.scale})"
    if isinstance(kind, pl.List):
        return {"type": "array", "elementType": _type(kind.inner), "containsNull": True}
    if isinstance(kind, pl.Struct):
        inner = [
            {"name": each.name, "type": _type(each.dtype), "nullable": True, "metadata": {}} for each in kind.fields
        ]
        return {"type": "struct", "fields": inner}
    return _TYPES[kind]


def _bitmap(rows: Sequence[int]) -> bytes:
    """Return places of rows below 65,536 as a RoaringBitmapArray of one bucket with one array container."""
    places = sorted(rows)
    container = (
        struct.pack("<HH", 0, len(places) - 1) + struct.pack("<I", 16) + struct.pack(f"<{len(places)}H", *places)
    )
    return struct.pack("<iqi", 1681511377, 1, 0) + struct.pack("<II", 12346, 1) + container


def _z85(data: bytes) -> str:
    data += b"\x00" * (-len(data) % 4)
    text = ""
    for start in range(0, len(data), 4):
        value = int.from_bytes(data[start : start + 4], "big")
        text += "".join(_BASE85[value // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return text
