"""Runs are found, and sorted, by how the values of their params and tags begin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for table in ("params", "tags"):
        op.create_index(f"ix_{table}_key_value_run_id", table, ["key", sa.text("substr(value, 1, 64)"), "run_id"])
