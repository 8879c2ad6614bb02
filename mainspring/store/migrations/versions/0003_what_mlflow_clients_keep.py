"""Metric points lie many to a row; logged models, outputs and webhooks; tags, aliases and numbers of the registry."""

from __future__ import annotations

import struct
import sys
from array import array
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterator

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PART = 8192


def upgrade() -> None:
    """Apply."""
    _experiments_and_runs()
    _logged_models()
    _metrics()
    _registry()
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("webhook_id", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(op.f("ix_webhook_deliveries_due_at"), "webhook_deliveries", ["due_at"])


def _experiments_and_runs() -> None:
    op.add_column("experiments", sa.Column("updated_at", sa.BigInteger(), nullable=True))
    op.add_column("experiments", sa.Column("artifact_location", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "experiment_tags",
        sa.Column("experiment_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_experiment_tags_experiment_id")),
        sa.PrimaryKeyConstraint("experiment_id", "key", name=op.f("pk_experiment_tags")),
    )
    with op.batch_alter_table("inputs") as inputs:
        inputs.add_column(sa.Column("source_type", sa.String(length=36), nullable=True))
        inputs.add_column(sa.Column("schema", sa.Text(), nullable=True))
        inputs.add_column(sa.Column("profile", sa.Text(), nullable=True))
        inputs.add_column(sa.Column("tags", sa.JSON(), nullable=True))
        inputs.alter_column(
            "dataset", existing_type=sa.String(length=250), type_=sa.String(length=500), existing_nullable=False
        )
        inputs.create_index(op.f("ix_inputs_dataset_md5"), ["dataset", "md5"], unique=False)
    op.create_table(
        "run_outputs",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_outputs_run_id")),
        sa.PrimaryKeyConstraint("run_id", "model_id", name=op.f("pk_run_outputs")),
    )
    op.create_table(
        "run_model_inputs",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_model_inputs_run_id")),
        sa.PrimaryKeyConstraint("run_id", "model_id", name=op.f("pk_run_model_inputs")),
    )


def _logged_models() -> None:
    op.create_table(
        "logged_models",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("experiment_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("type", sa.String(length=500), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=op.f("fk_logged_models_experiment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_models")),
    )
    op.create_index(op.f("ix_logged_models_experiment_id_created_at"), "logged_models", ["experiment_id", "created_at"])
    op.create_table(
        "logged_model_params",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.id"], name=op.f("fk_logged_model_params_model_id")),
        sa.PrimaryKeyConstraint("model_id", "key", name=op.f("pk_logged_model_params")),
    )
    op.create_table(
        "logged_model_tags",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.id"], name=op.f("fk_logged_model_tags_model_id")),
        sa.PrimaryKeyConstraint("model_id", "key", name=op.f("pk_logged_model_tags")),
    )
    op.create_table(
        "logged_model_files",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("md5", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.id"], name=op.f("fk_logged_model_files_model_id")),
        sa.PrimaryKeyConstraint("model_id", "path", name=op.f("pk_logged_model_files")),
    )
    op.create_table(
        "logged_model_metrics",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("dataset", sa.String(length=500), nullable=False),
        sa.Column("digest", sa.String(length=36), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["logged_models.id"], name=op.f("fk_logged_model_metrics_model_id")),
        sa.PrimaryKeyConstraint("model_id", "run_id", "key", "dataset", "digest", name=op.f("pk_logged_model_metrics")),
    )
    op.create_index(op.f("ix_logged_model_metrics_run_id"), "logged_model_metrics", ["run_id"])


def _metrics() -> None:
    op.create_table(
        "metric_batches",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_metric_batches_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_batches")),
    )
    op.create_index(op.f("ix_metric_batches_run_id_points"), "metric_batches", ["run_id", "points"])
    op.create_table(
        "metric_curves",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_metric_curves_run_id")),
        sa.PrimaryKeyConstraint("run_id", "key", "part", name=op.f("pk_metric_curves")),
    )
    _pack_points(op.get_bind())
    op.drop_index(op.f("ix_metric_points_run_id_key_step"), table_name="metric_points")
    op.drop_table("metric_points")
    op.drop_index(op.f("ix_latest_metrics_key_value"), table_name="latest_metrics")
    op.create_index(op.f("ix_latest_metrics_key_value_run_id"), "latest_metrics", ["key", "value", "run_id"])


def _pack_points(connection: Any) -> None:
    """Write the points of each metric as parts of its curve, in the first layout of `tracking.points`."""
    query = "SELECT run_id, key, step, at, value FROM metric_points ORDER BY run_id, key, id"
    put = sa.text("INSERT INTO metric_curves (run_id, key, part, points, payload) VALUES (:r, :k, :p, :n, :b)")
    for (run_id, key), rows in groupby(connection.execute(sa.text(query)), lambda row: (row[0], row[1])):
        for part, points in enumerate(_parts(rows)):
            columns: list[array[Any]] = [
                array("q", [point[2] for point in points]),
                array("q", [point[3] for point in points]),
                array("d", [float("nan") if point[4] is None else point[4] for point in points]),
            ]
            if sys.byteorder == "big":
                for column in columns:
                    column.byteswap()
            payload = struct.pack("<BI", 1, len(points)) + b"".join(column.tobytes() for column in columns)
            connection.execute(put, {"r": run_id, "k": key, "p": part, "n": len(points), "b": payload})


def _parts(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(rows, _PART)):
        yield part


def _registry() -> None:
    op.add_column("models", sa.Column("updated_at", sa.BigInteger(), nullable=True))
    op.add_column("models", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("models", sa.Column("last_number", sa.Integer(), nullable=True))
    op.add_column("model_versions", sa.Column("number", sa.Integer(), nullable=True))
    op.add_column("model_versions", sa.Column("updated_at", sa.BigInteger(), nullable=True))
    op.add_column("model_versions", sa.Column("description", sa.Text(), nullable=True))
    op.add_column("model_versions", sa.Column("source", sa.Text(), nullable=True))
    op.add_column("model_versions", sa.Column("logged_model_id", sa.String(length=36), nullable=True))
    op.add_column("model_versions", sa.Column("run_link", sa.Text(), nullable=True))
    numbered = sa.text("SELECT id, model FROM model_versions ORDER BY model, id")
    connection = op.get_bind()
    for model, rows in groupby(connection.execute(numbered).all(), lambda row: row[1]):
        number = 0
        for number, row in enumerate(rows, start=1):
            connection.execute(
                sa.text("UPDATE model_versions SET number = :number WHERE id = :id"), {"number": number, "id": row[0]}
            )
        connection.execute(
            sa.text("UPDATE models SET last_number = :number WHERE name = :name"), {"number": number, "name": model}
        )
    op.create_index(op.f("ix_model_versions_model_number"), "model_versions", ["model", "number"], unique=True)
    op.create_index(op.f("ix_model_versions_run_id"), "model_versions", ["run_id"])
    op.create_table(
        "model_tags",
        sa.Column("model", sa.String(length=250), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_tags_model")),
        sa.PrimaryKeyConstraint("model", "key", name=op.f("pk_model_tags")),
    )
    op.create_table(
        "model_aliases",
        sa.Column("model", sa.String(length=250), nullable=False),
        sa.Column("alias", sa.String(length=250), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_aliases_model")),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_table(
        "model_version_tags",
        sa.Column("model", sa.String(length=250), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", "key", name=op.f("pk_model_version_tags")),
    )
