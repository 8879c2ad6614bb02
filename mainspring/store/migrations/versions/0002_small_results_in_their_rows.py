"""Small results of steps lie in the rows that remember them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("step_results", sa.Column("content", sa.LargeBinary(), nullable=True))
