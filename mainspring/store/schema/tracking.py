"""Tables of tracking: experiments, runs, params, metric history, tags, inputs, artifacts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from mainspring.store.schema.metadata import Address, Document, Id, Moment, metadata

experiments = Table(
    "experiments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(500), nullable=False, unique=True),
    Column("lifecycle", String(16), nullable=False, server_default="active"),
    Column("created_at", Moment, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("experiment_id", Id, ForeignKey("experiments.id"), nullable=False),
    Column("name", String(500), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("actor", String(250), nullable=False),
    Column("execution_id", Id),
    Column("snapshot_id", Id, ForeignKey("snapshots.id")),
    Column("lifecycle", String(16), nullable=False, server_default="active"),
    Column("error", Text),
    Index(None, "experiment_id", "started_at"),
)

params = Table(
    "params",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

metric_points = Table(
    "metric_points",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("key", String(250), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("value", Double),  # NULL is NaN, which SQLite cannot hold
    Index(None, "run_id", "key", "step"),
)

latest_metrics = Table(
    "latest_metrics",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("value", Double),
    Column("low", Double),
    Column("high", Double),
    Column("n", BigInteger),
    Index(None, "key", "value"),
)

tags = Table(
    "tags",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

inputs = Table(
    "inputs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("dataset", String(250), primary_key=True),
    Column("md5", Address, primary_key=True),
    Column("path", Text, nullable=False),
    Column("context", String(64), nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("path", String(500), primary_key=True),
    Column("md5", Address, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("about", Document),
)
