"""Tables of reproducibility and audit: proofs that a run was made again, and audits with what they found."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from mainspring.store.schema.metadata import Document, Id, Moment, metadata

reproductions = Table(
    "reproductions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, nullable=False),
    Column("model", String(250)),
    Column("version", String(64)),
    Column("at", Moment, nullable=False),
    Column("level", Integer, nullable=False),
    Column("report", Document, nullable=False),
    Index(None, "run_id"),
)

audits = Table(
    "audits",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("maturity", Integer, nullable=False),
    Column("report", Document, nullable=False),
)
