"""What runs logged lies on SQLite in the order of its keys; the index of runs holds all that the newest are found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_index(op.f("ix_runs_experiment_id_started_at"), table_name="runs")
    op.create_index("ix_runs_newest", "runs", ["experiment_id", sa.text("started_at DESC"), "id", "lifecycle"])
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index(op.f("ix_latest_metrics_key_value_run_id"), table_name="latest_metrics")
        for table in ("params", "tags", "latest_metrics"):
            _without_rowid(table)
        op.create_index(op.f("ix_latest_metrics_key_value_run_id"), "latest_metrics", ["key", "value", "run_id"])


def _without_rowid(table: str) -> None:
    """Write a table again as one tree, where it was a heap and the index of its primary key."""
    connection = op.get_bind()
    made = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    sql = connection.execute(made, {"name": table}).scalar_one()
    op.rename_table(table, f"{table}_before")
    connection.exec_driver_sql(f"{sql} WITHOUT ROWID")
    connection.exec_driver_sql(f"INSERT INTO {table} SELECT * FROM {table}_before ORDER BY run_id, key")  # noqa: S608  # names of ours
    op.drop_table(f"{table}_before")
