"""Tables of monitoring: what each look of a monitor found, and the alerts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from mainspring.store.schema.metadata import Document, Id, Moment, metadata

observations = Table(
    "observations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("monitor", String(250), nullable=False),
    Column("at", Moment, nullable=False),
    Column("status", String(24), nullable=False),
    Column("window_start", Moment),
    Column("window_end", Moment),
    Column("n", BigInteger, nullable=False),
    Column("evidence", Document, nullable=False),
    Index(None, "monitor", "at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("monitor", String(250), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", Moment, nullable=False),
    Column("resolved_at", Moment),
    Column("summary", Text, nullable=False),
    Column("evidence", Document, nullable=False),
    Column("deliveries", Document, nullable=False),
    Index(None, "monitor", "status"),
)
