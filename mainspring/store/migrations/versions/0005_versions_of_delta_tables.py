"""A dataset version may be a version of a Delta table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("dataset_versions", sa.Column("table_id", sa.String(64), nullable=True))
    op.add_column("dataset_versions", sa.Column("table_version", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_dataset_versions_table_id"), "dataset_versions", ["table_id"])
