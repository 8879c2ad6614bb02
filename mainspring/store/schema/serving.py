"""Tables of serving: releases, and every route table an endpoint ever had."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from mainspring.store.schema.metadata import Document, Id, Moment, metadata

releases = Table(
    "releases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("endpoint", String(250), nullable=False),
    Column("version", String(64), nullable=False),
    Column("previous", String(64)),
    Column("state", String(16), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("actor", String(250), nullable=False),
    Column("reason", Text, nullable=False),
    Column("override", Text),
    Column("evidence", Document),
    Index(None, "endpoint", "started_at"),
)

route_tables = Table(
    "route_tables",
    metadata,
    Column("endpoint", String(250), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("routes", Document, nullable=False),
    Column("reason", Text, nullable=False),
)
