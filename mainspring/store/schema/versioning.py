"""Tables of versioning: dataset versions, snapshots, models, their versions and stages, who is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from mainspring.store.schema.metadata import Address, Document, Id, Moment, metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("dataset", String(250), nullable=False),
    Column("number", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("md5", Address, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("actor", String(250), nullable=False),
    Column("table_id", String(64)),
    Column("table_version", BigInteger),
    UniqueConstraint("dataset", "number"),
    Index(None, "table_id"),
)
"""``table_id`` and ``table_version`` are a Delta table's, whose bytes stay where they are: ``path`` is its place or address, and
the object at ``md5`` says which table it is, which version, and by which commit."""

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("code", Document, nullable=False),
    Column("data", Document, nullable=False),
    Column("environment", Document, nullable=False),
    Column("randomness", Document, nullable=False),
    Column("config", Document, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", String(250), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment),
    Column("description", Text),
    Column("last_number", Integer),
)
"""``last_number`` is the highest number that a version ever had, so that none is given twice."""

model_tags = Table(
    "model_tags",
    metadata,
    Column("model", String(250), ForeignKey("models.name"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("model", String(250), ForeignKey("models.name"), primary_key=True),
    Column("alias", String(250), primary_key=True),
    Column("version", String(64), nullable=False),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model", String(250), ForeignKey("models.name"), nullable=False),
    Column("version", String(64), nullable=False),
    Column("major", Integer, nullable=False),
    Column("minor", Integer, nullable=False),
    Column("patch", Integer, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("run_id", Id),
    Column("artifact", Address, nullable=False),
    Column("evidence", Address),
    Column("metrics", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("actor", String(250), nullable=False),
    Column("number", Integer),
    Column("updated_at", Moment),
    Column("description", Text),
    Column("source", Text),
    Column("logged_model_id", String(36)),
    Column("run_link", Text),
    UniqueConstraint("model", "version"),
    Index(None, "model", "number", unique=True),
    Index(None, "run_id"),
    _in_production := Index(
        "uq_model_versions_production", "model", unique=True, sqlite_where=text("stage = 'production'")
    ),
)
"""``number`` counts a model's versions from 1, as MLflow's clients know them. ``artifact`` is empty where the bytes are
elsewhere, at ``source``."""


@event.listens_for(model_versions, "before_create")
def _on_postgresql_too(_table: Table, connection: Connection, **_: object) -> None:
    """Say the condition to PostgreSQL only when there is one: its dialect takes 20 ms to load."""
    if connection.dialect.name == "postgresql":
        _in_production.dialect_kwargs["postgresql_where"] = text("stage = 'production'")


model_version_tags = Table(
    "model_version_tags",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

stage_transitions = Table(
    "stage_transitions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model", String(250), nullable=False),
    Column("version", String(64), nullable=False),
    Column("from_stage", String(16)),
    Column("to_stage", String(16), nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(250), nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Document),
    Index(None, "model", "version"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(250), nullable=False),
    Column("description", Text),
    Column("url", Text, nullable=False),
    Column("events", Document, nullable=False),
    Column("secret", Text),
    Column("status", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, ForeignKey("webhooks.id"), nullable=False),
    Column("event", String(64), nullable=False),
    Column("payload", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("attempts", Integer, nullable=False),
    Column("delivered_at", Moment),
    Column("error", Text),
    Index(None, "due_at"),
)
"""What a webhook is told, written with what happened; ``due_at`` is empty when it arrived or was given up."""
