"""Tables of automation: executions, their steps, remembered results, events, leases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from mainspring.store.schema.metadata import Address, Document, Id, Moment, metadata

executions = Table(
    "executions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("pipeline", String(250), nullable=False),
    Column("status", String(16), nullable=False),
    Column("event_id", Id),
    Column("run_id", Id),
    Column("parameters", Document, nullable=False),
    Column("outcome", Document),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("owner", String(250), nullable=False),
    Column("heartbeat_at", Moment, nullable=False),
    Column("error", Text),
    Index(None, "pipeline", "started_at"),
)

execution_steps = Table(
    "execution_steps",
    metadata,
    Column("execution_id", Id, ForeignKey("executions.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String(250), nullable=False),
    Column("key", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("error", Text),
)

step_results = Table(
    "step_results",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("name", String(250), nullable=False),
    Column("result", Address, nullable=False),
    Column("format", String(32), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("execution_id", Id),
    Column("created_at", Moment, nullable=False),
    Column("content", LargeBinary),
)
"""``result`` is the md5 of the bytes; small ones are in ``content``, others in the object of that address."""

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("trigger", String(250), nullable=False),
    Column("dedup_key", String(500), nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("payload", Document, nullable=False),
    Column("execution_id", Id),
    Index(None, "status", "at"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(250), primary_key=True),
    Column("owner", String(250), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
