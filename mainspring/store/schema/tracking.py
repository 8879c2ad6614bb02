"""Tables of tracking: experiments, runs and what they log, the models that runs log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    func,
    literal_column,
)

from mainspring.store.schema.metadata import Address, Document, Id, Moment, metadata

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

START = 64
"""So many characters of a param's or a tag's value lie in the index of values: longer ones would not fit into it."""


def start_of(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return how a param's or a tag's value begins, as the index has it."""
    return func.substr(value, literal_column("1"), literal_column(str(START)))


experiments = Table(
    "experiments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(500), nullable=False, unique=True),
    Column("lifecycle", String(16), nullable=False, server_default="active"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment),
    Column("artifact_location", Text),
)
"""``artifact_location`` is where clients put artifacts themselves; the store keeps those of all other experiments."""

experiment_tags = Table(
    "experiment_tags",
    metadata,
    Column("experiment_id", Id, ForeignKey("experiments.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
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
    Column("deleted_at", Moment),
)
Index("ix_runs_newest", runs.c.experiment_id, runs.c.started_at.desc(), runs.c.id, runs.c.lifecycle)
"""The order in which runs come unless another is asked for, and what tells those that are deleted."""

params = Table(
    "params",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_params_key_value_run_id", params.c.key, start_of(params.c.value), params.c.run_id)

metric_batches = Table(
    "metric_batches",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("run_id", Id, ForeignKey("runs.id"), nullable=False),
    Column("points", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index(None, "run_id", "points"),
)
"""The newest points of a run as they came, many to a row; `metric_curves` takes them over by and by."""

metric_curves = Table(
    "metric_curves",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("points", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
"""The older points of one metric of a run, some thousands to a row."""

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
    Index(None, "key", "value", "run_id"),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_tags_key_value_run_id", tags.c.key, start_of(tags.c.value), tags.c.run_id)

inputs = Table(
    "inputs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("dataset", String(500), primary_key=True),
    Column("md5", Address, primary_key=True),
    Column("path", Text, nullable=False),
    Column("context", String(64), nullable=False),
    Column("source_type", String(36)),
    Column("schema", Text),
    Column("profile", Text),
    Column("tags", Document),
    Index(None, "dataset", "md5"),
)
"""What runs read. Without a ``source_type`` it is a dataset of the workspace; with one, ``md5`` is its client's digest."""

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

logged_models = Table(
    "logged_models",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("experiment_id", Id, ForeignKey("experiments.id"), nullable=False),
    Column("name", String(500), nullable=False),
    Column("type", String(500), nullable=False),
    Column("status", String(16), nullable=False),
    Column("status_message", Text),
    Column("run_id", Id),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("deleted_at", Moment),
    Index(None, "experiment_id", "created_at"),
)

logged_model_params = Table(
    "logged_model_params",
    metadata,
    Column("model_id", String(36), ForeignKey("logged_models.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

logged_model_tags = Table(
    "logged_model_tags",
    metadata,
    Column("model_id", String(36), ForeignKey("logged_models.id"), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
)

logged_model_metrics = Table(
    "logged_model_metrics",
    metadata,
    Column("model_id", String(36), ForeignKey("logged_models.id"), primary_key=True),
    Column("run_id", Id, primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("dataset", String(500), primary_key=True),
    Column("digest", String(36), primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("value", Double),
    Index(None, "run_id"),
)
"""The newest value of a metric that a run measured of a model; ``dataset`` and ``digest`` are empty where none is named."""

logged_model_files = Table(
    "logged_model_files",
    metadata,
    Column("model_id", String(36), ForeignKey("logged_models.id"), primary_key=True),
    Column("path", String(500), primary_key=True),
    Column("md5", Address, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
)

run_outputs = Table(
    "run_outputs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("model_id", String(36), primary_key=True),
    Column("step", BigInteger, nullable=False),
)

data_outputs = Table(
    "data_outputs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("path", String(500), primary_key=True),
    Column("md5", Address, primary_key=True),
    Column("table_version", BigInteger, primary_key=True),
    Column("table_id", String(36)),
    Index(None, "md5"),
    Index(None, "table_id"),
)
"""Data that runs wrote: files and folders of the workspace by content, with -1 as ``table_version``; or commits to Delta tables,
without ``md5``."""

run_model_inputs = Table(
    "run_model_inputs",
    metadata,
    Column("run_id", Id, ForeignKey("runs.id"), primary_key=True),
    Column("model_id", String(36), primary_key=True),
)
