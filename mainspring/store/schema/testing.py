"""Tables of testing: gates with their verdicts, and passes of the project's own test suite."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from mainspring.store.schema.metadata import Address, Document, Id, Moment, metadata

gates = Table(
    "gates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model", String(250), nullable=False),
    Column("version", String(64), nullable=False),
    Column("champion", String(64)),
    Column("at", Moment, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("verdicts", Document, nullable=False),
    Column("holdout_md5", Address),
    Column("commit", String(64)),
    Column("checks", String(64)),
    Index(None, "model", "version", "at"),
)

suite_passes = Table(
    "suite_passes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("layer", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("commit", String(64)),
    Index(None, "layer", "at"),
)
