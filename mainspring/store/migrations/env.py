"""How Alembic reaches the database: through the connection it was given."""

from __future__ import annotations

from alembic import context

from mainspring.store.schema.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
