"""What runs wrote of data: files by content, and commits to Delta tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "data_outputs",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("path", sa.String(500), nullable=False),
        sa.Column("md5", sa.String(36), nullable=False),
        sa.Column("table_version", sa.BigInteger(), nullable=False),
        sa.Column("table_id", sa.String(36), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_data_outputs_run_id")),
        sa.PrimaryKeyConstraint("run_id", "path", "md5", "table_version", name=op.f("pk_data_outputs")),
    )
    op.create_index("ix_data_outputs_md5", "data_outputs", ["md5"])
    op.create_index("ix_data_outputs_table_id", "data_outputs", ["table_id"])
